/**
 * A host without walls, to show that each attack is one: foreign code in a `node:vm` context with objects of the host,
 * no limits, results and errors looked at by the host itself. Run as a process of its own; one JSON line per message.
 */
import { readFileSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import vm from 'node:vm';

const say = (message) => {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
};
const { code, inputs } = JSON.parse(readFileSync(0, 'utf8'));

const realm = vm.createContext({ say, process, queueMicrotask, setTimeout, console });
const capability = (name) =>
  new Proxy(
    {},
    {
      get: (_, method) => async () => {
        say({ call: `${name}.${String(method)}` });
        if (method === 'refuse') throw new Error('refused');
        return { weak: true };
      },
    },
  );
const ctx = {
  config: {},
  progress() {},
  // as hosts do that are kind to their guests: what they are given is looked at, in sloppy code, by the host's own tools
  fact: new Function('inspect', 'return function fact(name, value) { return inspect(value) + String(value); }')(
    inspect,
  ),
  each: new Function('return function each(list, callback) { for (const one of list) callback(one); }')(),
  http: async () => {
    say({ call: 'http' });
    return { weak: true };
  },
  media: capability('media'),
};

setInterval(() => {}, 1000); // waiting for a promise that is never settled keeps this host waiting
say({});
vm.runInContext(
  `globalThis.describe = (error) => { if (error.name === 'NodeError') return error.code; void error.stack; return error.message; };`,
  realm,
);
const { describe } = realm;
// a prelude in the guest's realm that saves nothing
const makeLog = vm.runInContext(
  '(say) => { const send = (message) => say(message); return (line) => send.call(undefined, { log: String(line).slice(0, 20) }); }',
  realm,
);
ctx.log = makeLog(say);
ctx.log.constructor = say.constructor;
let message;
try {
  vm.runInContext(code, realm, { importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER });
  message = { result: await realm.plugin.run(ctx, JSON.parse(inputs)) };
} catch (error) {
  message = { error: String(describe(error)).slice(0, 200) };
}
say(message);
process.exit(0);

/**
 * The floor of a call, as a process of a bench: one kept isolate and context in this very process, into which the plugin's
 * bundle was loaded once; a call is one async entry with JSON text in and JSON text out. No wall, no schema, no record.
 * Told `{ code, many, text }`, answers the milliseconds of each call; with `isFresh` each has an isolate of its own.
 */
import IsolatedVm from 'isolated-vm';

type Asked = { code: string; text: string; many: number; isFresh: boolean };

const CALL = `(async (text) => {
  const { config, inputs } = JSON.parse(text);
  return JSON.stringify(await plugin.run({ config }, inputs));
})`;

async function open(code: string) {
  const isolate = new IsolatedVm.Isolate({ memoryLimit: 128 });
  const context = await isolate.createContext();
  await (await isolate.compileScript(code)).run(context);
  const call = (await (await isolate.compileScript(CALL)).run(context, { reference: true })) as IsolatedVm.Reference;
  return {
    isolate,
    call: (text: string) => call.apply(undefined, [text], { result: { promise: true, copy: true } }) as Promise<string>,
  };
}

let kept: { code: string; isolate: Awaited<ReturnType<typeof open>> } | undefined;

process.on('message', async ({ code, text, many, isFresh }: Asked) => {
  const times: number[] = [];
  if (kept?.code !== code) kept = { code, isolate: await open(code) };
  for (let at = 0; at < many; at++) {
    const value = JSON.parse(text) as unknown;
    const from = performance.now();
    const isolate = isFresh ? await open(code) : kept.isolate;
    JSON.parse(await isolate.call(JSON.stringify(value)));
    times.push(performance.now() - from);
    if (isFresh) isolate.isolate.dispose();
  }
  process.send?.(times);
});
process.on('disconnect', () => process.exit(0));
process.send?.([]);

/**
 * A child that foreign code has taken over: it speaks to the host as it likes. What it does with a run follows from the seed in the
 * run's inputs alone; the seed 0 is well behaved. Plain JavaScript: it is fed to Node by descriptor.
 */
'use strict';
const { Socket } = require('node:net');
const socket = new Socket({ fd: 3, readable: true, writable: true });
const KIND = { run: 2, ready: 16, call: 17, event: 18, result: 19, verdict: 20, doomed: 21, pong: 22, usage: 23 };

function frame(kind, run, call, body, length) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(length ?? 9 + bytes.length, 0);
  head.writeUInt8(kind, 4);
  head.writeUInt32BE(run, 5);
  head.writeUInt32BE(call, 9);
  return Buffer.concat([head, bytes]);
}
function dice(seed) {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { below: (n) => Math.floor(next() * n), pick: (list) => list[Math.floor(next() * list.length)] };
}

const ERROR = { code: 'X', message: 'x', hint: null, retry: 'never' };
const deep = (n) => '['.repeat(n) + ']'.repeat(n);
const TEXTS = [
  '',
  'null',
  '{}',
  '[]',
  '{"ok":true}',
  '{"ok":true,"value":1,"more":2}',
  '{"ok":1}',
  '{"ok":false,"error":{"code":"lower","message":1}}',
  JSON.stringify({ ok: false, error: { ...ERROR, retry: 'always' } }),
  '{"ok":true,"value":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}}',
  `{"ok":true,"value":${deep(20_000)}}`,
  '{"capability":"http","method":"request","args":{"__proto__":{"polluted":true}}}',
  '{"capability":"constructor","method":"constructor"}',
  '{"capability":"__proto__","method":"x","args":null}',
  '{"capability":"store","method":"get","args":{"key":1e309}}',
  '{"kind":"progress","fraction":2,"note":null}',
  '{"kind":"progress","fraction":null,"note":"x"}',
  '{"kind":"log","line":1}',
  `{"kind":"log","line":"${'x'.repeat(5_000)}"}`,
  '{"kind":"fact","name":"a"}',
  '{"error":{},"lost":"own"}',
  JSON.stringify({ error: ERROR, lost: 'everybody' }),
  JSON.stringify({ error: { ...ERROR, code: 'SANDBOX_MEMORY' }, lost: 'neighbour' }),
  '{"cpuMs":-1,"heapBytes":0}',
  '{"cpuMs":"NaN","heapBytes":null}',
  '{"ok":true,"value":"\\ud800"}',
  '\u0000\u0001',
  '{'.repeat(1_000),
];
const BYTES = [
  Buffer.from([0xff, 0xfe, 0xfd]),
  Buffer.alloc(300, 0xc3),
  Buffer.from('{"ok":true,"value":"\xff"}', 'latin1'),
];

function misbehave(run, seed) {
  const { below, pick } = dice(seed);
  for (let left = 1 + below(12); left > 0; left--) {
    const whose = pick([run, run, run, 0, run + 1, 4294967295, below(1000)]);
    const body = below(5) === 0 ? pick(BYTES) : pick(TEXTS);
    switch (below(10)) {
      case 0:
        socket.write(frame(below(256), whose, below(1 << 30), body));
        break;
      case 1: // a call that is well made, many times over
        for (let at = 0; at < below(40); at++) {
          socket.write(
            frame(KIND.call, run, pick([at, 0, 1]), '{"capability":"store","method":"get","args":{"key":"a"}}'),
          );
        }
        break;
      case 2: // the end, twice
        socket.write(frame(KIND.result, run, 0, body));
        socket.write(frame(KIND.result, run, 0, '{"ok":true,"value":{"seed":-1}}'));
        break;
      case 3: // in pieces that end nowhere
        socket.write(frame(KIND.event, run, 0, body).subarray(0, 1 + below(20)));
        break;
      case 4: // a length that is not so
        socket.write(
          frame(KIND.result, run, 0, body, pick([0, 1, 8, 9, 0x7fffffff, 0xffffffff, 64 * 1024 * 1024 + 1])),
        );
        break;
      case 5:
        socket.write(Buffer.from(Array.from({ length: below(200) }, () => below(256))));
        break;
      case 6:
        socket.write(frame(pick([KIND.ready, KIND.pong, KIND.doomed, KIND.usage]), whose, 0, body));
        break;
      case 7:
        socket.write(frame(KIND.verdict, whose, 0, body));
        break;
      case 8:
        if (below(3) === 0) process.exit(below(256));
        break;
      default:
        socket.write(frame(pick([KIND.call, KIND.event, KIND.result]), whose, below(10), body));
    }
  }
}

let held = Buffer.alloc(0);
socket.on('data', (chunk) => {
  held = Buffer.concat([held, chunk]);
  while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
    const end = 4 + held.readUInt32BE(0);
    const kind = held.readUInt8(4);
    const run = held.readUInt32BE(5);
    const text = held.toString('utf8', 13, end);
    held = held.subarray(end);
    if (kind === 6) socket.write(frame(KIND.pong, 0, 0, ''));
    if (kind !== KIND.run) continue;
    const { seed } = JSON.parse(text.slice(text.indexOf('\n') + 1)).inputs;
    if (seed === 0) socket.write(frame(KIND.result, run, 0, '{"ok":true,"value":{"seed":0}}'));
    else misbehave(run, seed);
  }
});
socket.on('close', () => process.exit(0));
socket.write(frame(KIND.ready, 0, 0, String(process.pid)));

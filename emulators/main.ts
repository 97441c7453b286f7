/**
 * Starts every emulator on loopback and prints the operator's map that leads to them:
 *
 *   node emulators/main.ts            ports 4010, 4011 …
 *   SPLICEBOARD_EGRESS='{…}' npm start
 *
 * Faults, clock and records are reached under /__emulator/ of each (emulators/support.ts).
 */
import { startAssemblyAi } from './assemblyai.ts';
import { startMastodon } from './mastodon.ts';
import { startOpenAi } from './openai.ts';

const FIRST_PORT = Number(process.env.EMULATOR_PORT ?? 4010);

const running = [
  await startAssemblyAi(FIRST_PORT),
  await startOpenAi(FIRST_PORT + 1),
  await startMastodon(FIRST_PORT + 2),
];
for (const one of running) console.log(`${one.name.padEnd(12)} ${one.origin}  stands for ${one.realOrigin}`);
console.log('keys         ASSEMBLYAI_API_KEY=aai-key-1 OPENAI_API_KEY=sk-test-1');
console.log(
  `SPLICEBOARD_EGRESS='${JSON.stringify(Object.fromEntries(running.map((one) => [one.realOrigin, one.origin])))}'`,
);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => void Promise.all(running.map((one) => one.close())).then(() => process.exit(0)));
}

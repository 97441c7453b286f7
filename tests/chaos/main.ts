/**
 * `npm run chaos -- --minutes N --runs N --seed S`: a campaign against the product, judged by the platform's record alone.
 * Exit code 1 unless nothing was lost and nothing doubled, and each kind of fault was made at least `--each` (50) times.
 */
import { parseArgs } from 'node:util';
import { campaign } from './campaign.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    runs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    each: { type: 'string', default: '50' },
    blind: { type: 'boolean', default: false },
  },
});
const [minutes, runs, seed, each] = [values.minutes, values.runs, values.seed, values.each].map(Number) as [
  number,
  number,
  number,
  number,
];
const outcome = await campaign({ minutes, runs, seed, each, blind: values.blind, say: (line) => console.error(line) });
for (const [kind, count] of Object.entries(outcome.injected)) console.log(`${kind}: ${count}`);
const tooFew = Object.entries(outcome.injected).filter(([, count]) => count < each);
if (tooFew.length > 0) console.log(`made too seldom: ${tooFew.map(([kind]) => kind).join(', ')}`);
for (const text of outcome.lost.slice(0, 10)) console.log(`lost: ${text}`);
for (const text of outcome.doubled.slice(0, 10)) console.log(`doubled: ${text}`);
if (outcome.runs < runs) console.log(`not accepted: ${runs - outcome.runs}`);
console.log(`runs: ${outcome.runs}`);
console.log(`effects: ${outcome.effects}`);
console.log(`lost: ${outcome.lost.length}`);
console.log(`doubled: ${outcome.doubled.length}`);
console.log(`unknown: ${outcome.unknown.length}`);
console.log(`recovery_p95_s: ${outcome.recoveryP95Seconds.toFixed(2)}`);
process.exit(outcome.runs < runs || outcome.lost.length > 0 || outcome.doubled.length > 0 || tooFew.length > 0 ? 1 : 0);

/**
 * `npm run simulate -- --seeds N --from S [--real N]`: random worlds in virtual time, and on a real ledger with real
 * workers, against the oracle. Prints what was covered; exit code 1 with the failing seed, its smallest world and the
 * difference in words.
 */
import { parseArgs } from 'node:util';
import { describe, faultIn, RULES, shrink, simulateSeeds } from './run.ts';
import { randomWorld } from './worlds.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5000' },
    from: { type: 'string', default: '1' },
    real: { type: 'string', default: '0' },
  },
});
const [seeds, from] = [Number(values.seeds), Number(values.from)];

const began = performance.now();
const found = simulateSeeds(RULES, from, seeds);
if (found.fault !== undefined) {
  console.log(`seed ${found.seed}: ${found.fault}`);
  const smallest = shrink(randomWorld(found.seed), (world) => faultIn(RULES, world).fault !== undefined);
  console.log(`smallest: ${faultIn(RULES, smallest).fault}\n${describe(smallest)}`);
  process.exit(1);
}
for (const [name, count] of Object.entries(found.covered)) console.log(`${name}: ${count}`);
console.log(`worlds: ${seeds} from seed ${from}, in ${((performance.now() - began) / 1_000).toFixed(1)} s`);

/**
 * `npm run simulate -- --seeds N --from S [--real N]`: random worlds in virtual time, and N of them on a real ledger with
 * real workers, against the oracle. Prints what was covered; exit code 1 with the failing seed, the difference in words and
 * the smallest world that still shows it.
 */
import { parseArgs } from 'node:util';
import startCluster from '../support/global-setup.ts';
import type { Count } from './judging.ts';
import { openReal, runSeeds } from './real.ts';
import { describe, faultIn, RULES, shrink, simulateSeeds } from './run.ts';
import { randomWorld } from './worlds.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5000' },
    from: { type: 'string', default: '1' },
    real: { type: 'string', default: '0' },
  },
});
const [seeds, from, real] = [values.seeds, values.from, values.real].map(Number) as [number, number, number];
const seconds = (since: number) => ((performance.now() - since) / 1_000).toFixed(1);

function print(covered: Partial<Record<Count, number>>): void {
  for (const [name, count] of Object.entries(covered)) console.log(`${name}: ${count}`);
}

function virtual(): boolean {
  const began = performance.now();
  const found = simulateSeeds(RULES, from, seeds);
  print(found.covered);
  if (found.fault === undefined) {
    console.log(`worlds: ${seeds} from seed ${from}, in ${seconds(began)} s`);
    return true;
  }
  console.log(`seed ${found.seed}: ${found.fault}`);
  const smallest = shrink(randomWorld(found.seed), (world) => faultIn(RULES, world).fault !== undefined);
  console.log(`smallest: ${faultIn(RULES, smallest).fault}\n${describe(smallest)}`);
  return false;
}

/** What time decides here does not come again by itself: the world is printed as it is. */
async function onLedger(): Promise<boolean> {
  const began = performance.now();
  const stopCluster = startCluster();
  const ledger = await openReal({ seed: from });
  try {
    const worlds = Array.from({ length: real }, (_, index) => randomWorld(from + index));
    const { covered, faults } = await runSeeds(ledger, worlds, 8);
    print(covered);
    for (const { seed, fault } of faults)
      console.log(`seed ${seed} on the ledger: ${fault}\n${describe(randomWorld(seed))}`);
    console.log(`worlds on the ledger: ${real} from seed ${from}, in ${seconds(began)} s`);
    return faults.length === 0;
  } finally {
    await ledger.close();
    await stopCluster();
  }
}

const isRight = (seeds === 0 || virtual()) && (real === 0 || (await onLedger()));
process.exit(isRight ? 0 : 1);

/**
 * Runs the benches: `npm run bench` lists them, `npm run bench -- NAME [--json]` runs one and prints a table.
 *
 * A bench is a file `bench/<name>.ts` that exports `bench`. With --json the last line is
 * `{"bench","ok","figures":[{"name","unit","median","p90","min","runs"}],"limits":[{"name","value","limit","ok"}]}`.
 * Exit code 1 where a limit is missed or the bench could not run.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { type Figure, round, summary } from './shared/figures.ts';

export type Limit = { name: string; value: number; limit: number; ok: boolean };
export type BenchResult = { figures: Figure[]; limits: Limit[]; notes: string[]; ok?: boolean };
export type Bench = {
  title: string;
  /** `say` prints a line while it runs (to stderr, so that --json stays clean). */
  run(context: { say(line: string): void; args: string[] }): Promise<BenchResult>;
};

function names(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && file !== 'main.ts')
    .map((file) => file.slice(0, -3))
    .sort();
}

async function load(name: string): Promise<Bench> {
  return ((await import(path.join(import.meta.dirname, `${name}.ts`))) as { bench: Bench }).bench;
}

function table(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
    )
    .join('\n');
}

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args.filter((arg) => arg !== '--json');
  const json = args.includes('--json');
  const known = names();
  if (!name) {
    for (const one of known) console.log(`${one.padEnd(12)} ${(await load(one)).title}`);
    return 0;
  }
  if (!known.includes(name)) {
    console.error(`There is no bench "${name}". There are: ${known.join(', ')}.`);
    return 1;
  }
  const bench = await load(name);
  const result = await bench.run({ say: (line) => console.error(line), args: rest });
  const figures = result.figures.map(summary);
  const ok = (result.ok ?? true) && result.limits.every((limit) => limit.ok);
  console.log(`\n${bench.title}\n`);
  if (figures.length > 0) {
    console.log(
      table([
        ['', 'median', 'p90', 'min', 'runs', 'unit'],
        ...figures.map((one) => [
          one.name,
          String(one.median),
          String(one.p90),
          String(one.min),
          String(one.runs),
          one.unit,
        ]),
      ]),
    );
  }
  for (const limit of result.limits)
    console.log(`${limit.ok ? 'ok    ' : 'MISSED'} ${limit.name}: ${round(limit.value)} (limit ${round(limit.limit)})`);
  for (const note of result.notes) console.log(note);
  if (json)
    console.log(
      JSON.stringify({
        bench: name,
        ok,
        figures,
        limits: result.limits.map((limit) => ({ ...limit, value: round(limit.value), limit: round(limit.limit) })),
      }),
    );
  return ok ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) process.exit(await main(process.argv.slice(2)));

/**
 * docs/authors/tutorial.md, done as it is written: its commands and files, in their order, in an empty folder, with a running
 * Spliceboard; then a look at the canvas.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser, type TestBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const PAGE = readFileSync(path.join(ROOT, 'docs/authors/tutorial.md'), 'utf8');

let product: Product;
let browser: TestBrowser;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'spliceboard-tutorial-'));
  product = await startProduct({ sample: false });
  browser = await openBrowser();
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await product?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** Its blocks as one script: commands as they are, files written where they stand. */
function scriptOf(page: string): string {
  const blocks = [...page.matchAll(/^```(sh|ts|json)(?: file=(\S+))?\n([\s\S]*?)^```$/gm)];
  return blocks
    .map(([, language, file, text]) => {
      if (language === 'sh') return text!;
      if (!file) throw new Error('A block of code in the tutorial names no file.');
      return `cat > ${file} <<'END_OF_FILE'\n${text}END_OF_FILE\n`;
    })
    .join('\n');
}

test('every command of the tutorial works, to a node that runs on the canvas', async () => {
  const script = scriptOf(PAGE);
  expect(script.match(/^npm/gm)!.length).toBeGreaterThan(6);
  const env = {
    ...process.env,
    SPLICEBOARD: ROOT,
    SPLICEBOARD_DATA: product.data,
    npm_config_prefer_offline: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    INIT_CWD: undefined,
  };
  const { stdout } = await promisify(execFile)('bash', ['-e', '-o', 'pipefail', '-c', script], {
    cwd: folder,
    env,
    maxBuffer: 16 * 1024 ** 2,
  }).catch((error: { stdout: string; stderr: string }) => {
    throw new Error(`${error.stdout}\n${error.stderr}`.slice(-4_000));
  });
  expect(stdout).toContain('headline-tools.headline 1.0.0, in the isolate');
  expect(stdout).not.toContain('✗');
  const line = stdout.split('\n').find((each) => each.startsWith('{"run":'))!;
  const { run, steps } = JSON.parse(line) as { run: { state: string; url: string }; steps: unknown[] };
  expect(run.state).toBe('succeeded');
  expect(JSON.stringify(steps)).toContain('Nodes are written in ten minutes');
  expect(stdout.trim().split('\n').at(-1)).toMatch(/headline-tools-1\.0\.0\.plugin\.json$/);

  const page = await browser.newPage();
  await page.goto(product.ownerLink);
  await page.getByRole('link', { name: 'Gallery' }).waitFor({ timeout: 15_000 });
  await page.goto(run.url);
  const node = page.getByRole('article', { name: /^Headline/ });
  await node.getByText('Nodes are written in ten minutes').waitFor({ timeout: 15_000 });
  if (process.env.SPLICEBOARD_PICTURES)
    await page.screenshot({ path: path.join(process.env.SPLICEBOARD_PICTURES, 'tutorial.png') });
  expect(browser.errors()).toEqual([]);
}, 240_000);

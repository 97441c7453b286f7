/**
 * A real browser for tests. In this order: CHROME_PATH, the one inside @sparticuz/chromium (linux-x64), Debian's
 * chromium, a Chrome where macOS keeps it. It plays H.264 and AAC, as the product's clips need.
 *
 *   await using browser = await openBrowser();
 *   const page = await browser.newPage();       // 1440 × 900; fails the test on an uncaught error in the page
 *
 * The packed one is unpacked once into the temporary folder (0.2 GB, 3 s). On a machine without libnss3 it runs with
 * the libraries that are packed beside it.
 */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const INSTALLED = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

type Program = { path: string; env: Record<string, string> };

export type TestBrowser = AsyncDisposable & {
  browser: Browser;
  /** A page in a context of its own: cookies are not shared between pages. */
  newPage(options?: BrowserContextOptions): Promise<Page>;
  /** What pages threw and nobody caught since the last call. */
  errors(): string[];
  close(): Promise<void>;
};

export async function openBrowser(): Promise<TestBrowser> {
  const program = await findProgram();
  const browser = await chromium.launch({
    executablePath: program.path,
    env: { ...(process.env as Record<string, string>), ...program.env },
    // root has no user namespace to make a sandbox in, and containers often have 64 MB of shared memory
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--font-render-hinting=none',
      '--autoplay-policy=no-user-gesture-required',
    ],
  });
  let thrown: string[] = [];
  const close = () => browser.close();
  return {
    browser,
    async newPage(options = {}) {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
      const page = await context.newPage();
      page.on('pageerror', (error) => thrown.push(`${page.url()}: ${error.stack ?? error.message}`));
      return page;
    },
    errors() {
      const found = thrown;
      thrown = [];
      return found;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function findProgram(): Promise<Program> {
  if (process.env.CHROME_PATH) return { path: process.env.CHROME_PATH, env: {} };
  if (process.platform === 'linux' && process.arch === 'x64') return packed();
  const found = INSTALLED.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found) return { path: found, env: {} };
  throw new Error('Browser tests need a Chrome or Chromium here: install one, or set CHROME_PATH.');
}

/** The package unpacks into the temporary folder and never asks whether that was whole: so into one of our own. */
async function packed(): Promise<Program> {
  const root = path.join(path.dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium'))), '..');
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
  const folder = path.join(os.tmpdir(), `spliceboard-chromium-${version}-${process.getuid?.()}`);
  if (!existsSync(folder)) {
    const temporary = process.env.TMPDIR;
    const unfinished = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-chromium-'));
    try {
      process.env.TMPDIR = unfinished;
      const { default: pack, inflate } = await import('@sparticuz/chromium');
      await pack.executablePath();
      await inflate(path.join(root, 'bin/al2023.tar.br'));
      renameSync(unfinished, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error; // another test file was first
    } finally {
      if (temporary === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = temporary;
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  const env: Record<string, string> = {};
  const program = path.join(folder, 'chromium');
  if (missesLibraries(program)) env.LD_LIBRARY_PATH = path.join(folder, 'al2023/lib');
  if (!hasFonts()) env.FONTCONFIG_PATH = path.join(folder, 'fonts');
  return { path: program, env };
}

function missesLibraries(program: string): boolean {
  try {
    return execFileSync('ldd', [program], { encoding: 'utf8' }).includes('not found');
  } catch {
    return false;
  }
}

function hasFonts(): boolean {
  try {
    return readdirSync('/usr/share/fonts').length > 0;
  } catch {
    return false;
  }
}

/**
 * Puts the folder of a new plugin down. Needs Node.js alone: `node new` runs it here, and the package `create-spliceboard-node`
 * holds it for people who have only npm.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';

export type Template = {
  /** Text of a file by its path; NAME and PUBLISHER stand for what they say. */
  files: Record<string, string>;
  /** The contract package as a tarball, in base64. */
  contract: { file: string; bytes: string };
  /** Names that are the product's own. */
  taken: readonly string[];
};

export class CannotMake extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** The plugin's name; throws where the folder cannot be made. */
export async function nameFor(folder: string, taken: Template['taken']): Promise<string> {
  const name = path.basename(folder);
  if (!/^[a-z][a-z0-9-]{0,99}$/.test(name)) {
    throw new CannotMake(
      `${name} is no name for a plugin.`,
      'Small letters, digits and hyphens, beginning with a letter.',
    );
  }
  if (taken.includes(name)) {
    throw new CannotMake(
      `${name} is a name of the product’s own nodes.`,
      'Choose another, such as your own name before it.',
    );
  }
  const there = await readdir(folder).catch(() => []);
  if (there.length > 0) throw new CannotMake(`${folder} is there already and not empty.`, 'Choose another name.');
  return name;
}

export async function makePlugin(folder: string, template: Template): Promise<{ name: string; files: string[] }> {
  const name = await nameFor(folder, template.taken);
  const words: Record<string, string> = { NAME: name, PUBLISHER: userInfo().username };
  const put = async (file: string, content: string | Buffer) => {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), content);
  };
  for (const [file, text] of Object.entries(template.files)) {
    await put(
      file,
      text.replaceAll(/\b[A-Z]{3,}\b/g, (word) => words[word] ?? word),
    );
  }
  await put(template.contract.file, Buffer.from(template.contract.bytes, 'base64'));
  return { name, files: [...Object.keys(template.files), template.contract.file] };
}

/** What the command line says afterwards, on lines of its own. */
export function madeLines(made: { name: string; files: string[] }, folder: string, from: string): string[] {
  const place = path.relative(from, folder) || '.';
  return [
    `${made.name} is in ${folder}:`,
    ...made.files.map((file) => `  ${file}`),
    '',
    `Next: cd ${place} && npm install && npm test`,
  ];
}

/**
 * docs/authors/reference.md, made from nodes/contract.ts: every field of a manifest, what a node may ask for, what `ctx` offers and
 * what travels on wires, with the words that stand beside them in the contract.
 *
 *   node scripts/node/reference.ts        writes the page
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CONTRACT_VERSION, CONVERSIONS, PORT_LOOK, PORT_TYPES } from '../../nodes/contract.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
export const REFERENCE = path.join(ROOT, 'docs/authors/reference.md');

type Member = { name: string; type: string; comment: string };

/** The members of a declaration that begins with `head`, with the comment above each. */
function membersOf(source: string, head: string): Member[] {
  const start = source.indexOf(head);
  if (start < 0) throw new Error(`The contract has no ${head}.`);
  const members: Member[] = [];
  let comment = '';
  let text = '';
  let depth = 0;
  const lines = source.slice(source.indexOf('\n', start) + 1).split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (depth === 0 && /^[})]/.test(line)) break;
    const said = /^\s*\/\*\*(.*?)(\*\/)?$/.exec(line);
    if (depth === 0 && text === '' && said) {
      const words = [said[1]!];
      if (!said[2]) while (!/\*\/\s*$/.test(lines[at]!)) words.push(lines[++at]!.replace(/^\s*\*\/?/, ''));
      comment = words
        .join(' ')
        .replace(/\*\/\s*$/, '')
        .replace(/\s+/g, ' ')
        .trim();
      continue;
    }
    if (depth === 0 && text === '' && line.trim() === '') continue;
    text += ` ${line.trim()}`;
    for (const character of line) {
      if ('({['.includes(character)) depth++;
      if (')}]'.includes(character)) depth--;
    }
    if (depth > 0 || !/[;,]\s*(\/\/.*)?$/.test(line)) continue;
    const found = /^\s*(?:readonly )?([A-Za-z]+\??)\s*(?:(\(.*\)): (.*)|: (.*))[;,]/s.exec(text);
    if (found) {
      const type = found[2] === undefined ? found[4]! : `${found[2]} => ${found[3]}`;
      members.push({ name: found[1]!, type: type.trim(), comment });
    }
    comment = '';
    text = '';
  }
  return members;
}

const cell = (text: string) => text.replaceAll('|', '\\|').replace(/\s+/g, ' ');
const code = (text: string) => `\`${text.replaceAll('`', '’')}\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function members(source: string, head: string, third = 'what it says'): string {
  const rows = membersOf(source, head).map(({ name, type, comment }) => [code(name), code(type), comment]);
  return table(['name', 'type', third], rows);
}

export function reference(): string {
  const source = readFileSync(path.join(ROOT, 'nodes/contract.ts'), 'utf8');
  const capabilities = ['Assets', 'Media', 'Ai', 'Render', 'Store'].map(
    (name) =>
      `### ctx.${name.toLowerCase()}\n\n${members(source, `export interface ${name}Capability {`, 'what it does')}`,
  );
  const ports = Object.keys(PORT_TYPES).map((type) => [
    code(`port.${type}()`),
    PORT_LOOK[type as keyof typeof PORT_LOOK].label,
  ]);
  const conversions = CONVERSIONS.map(({ from, to, chip }) => [code(from), code(to), chip]);
  return `# Reference

<!-- Made by scripts/node/reference.ts from nodes/contract.ts. -->

Version ${CONTRACT_VERSION} of the contract. [What exists inside the isolate](isolate.md) is a page of its own.

## The manifest

${members(source, 'export type Manifest<')}

## Capabilities

What a node may ask for. Undeclared means refused; each is allowed by a person, who reads \`why\`.

${members(source, 'export const CapabilityDeclaration = z.strictObject({')}

An entry of \`http\`:

${members(source, 'export const HttpGrant = z.strictObject({')}

## ctx

${members(source, 'export interface Ctx<C = unknown> {', 'what it does')}

${capabilities.join('\n\n')}

## Ports

\`port.text()\` is one required item, \`port.text.list()\` a list, \`port.text.optional()\` and \`port.text.optionalList()\` may be
absent. Each takes \`{ title, help }\`.

${table(['port', 'what people call it'], ports)}

Wires convert by themselves:

${table(['from', 'into', 'shown as'], conversions)}
`;
}

if (import.meta.main) writeFileSync(REFERENCE, reference());

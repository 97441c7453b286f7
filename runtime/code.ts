/**
 * Code that a person wrote in a node's settings, as the isolate can run it. A config field with the hint
 * `x-language: 'typescript'` has its types taken out, each by blanks of the same length, so that lines and columns of
 * errors stay. Nothing is executed here; what cannot be read is handed on as it is, and the isolate says why.
 */
import { stripTypeScriptTypes } from 'node:module';

const KEPT = 200;
const plain = new Map<string, string>();

export function withoutTypes(
  schema: Readonly<Record<string, unknown>>,
  config: Record<string, unknown>,
): Record<string, unknown> {
  const properties = schema.properties as Record<string, Record<string, unknown>> | undefined;
  const fields = Object.keys(properties ?? {}).filter((name) => properties![name]?.['x-language'] === 'typescript');
  if (fields.length === 0) return config;
  const changed = { ...config };
  for (const field of fields) {
    const text = changed[field];
    if (typeof text === 'string') changed[field] = stripped(text);
  }
  return changed;
}

/** The body of an async function: `return` and `await` stand at its top, as they may not in a module. */
const BEFORE = 'async () => {';
const AFTER = '\n}';

function stripped(text: string): string {
  const known = plain.get(text);
  if (known !== undefined) return known;
  let made = text;
  try {
    const whole = stripTypeScriptTypes(BEFORE + text + AFTER);
    made = whole.slice(BEFORE.length, whole.length - AFTER.length);
  } catch {
    // its own error comes from the isolate, beside the other errors of code
  }
  plain.set(text, made);
  if (plain.size > KEPT) plain.delete(plain.keys().next().value!);
  return made;
}

/**
 * What a node of a random world does with its inputs: the same text for the same inputs, so that whatever goes wrong
 * upstream shows in all that follows. Read by the node in the sandbox, by the virtual runtime and by the oracle.
 */

export type Script = {
  /** Of the world and the node. */
  name: string;
  /** Output port → whether it makes a list. */
  outputs: Record<string, boolean>;
  /** One in three of its inputs is refused. */
  isFailing: boolean;
  /** It asks outside first. */
  asks: boolean;
};
export type Given = Record<string, string | string[]>;

/** A number in [0, 1) that depends only on the text. */
export function share(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 2246822519);
  hash ^= hash >>> 13;
  return (hash >>> 0) / 4294967296;
}

/** Eight letters for what a step was given; an error counts with its message. */
export function eaten(given: Record<string, unknown>): string {
  const textOf = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
    return typeof value === 'object' && value !== null
      ? String((value as { message?: unknown }).message)
      : String(value);
  };
  const text = Object.keys(given)
    .sort()
    .map((name) => `${name}=${textOf(given[name])}`)
    .join(';');
  return share(text).toString(36).slice(2, 10);
}

/** Undefined: it fails. */
export function act(script: Script, given: Record<string, unknown>): Given | undefined {
  const at = `${script.name}/${eaten(given)}`;
  if (script.isFailing && share(`${at}/fails`) < 0.35) return undefined;
  const made: Given = {};
  for (const [port, isList] of Object.entries(script.outputs)) {
    if (share(`${at}/${port}/absent`) < 0.12) continue;
    const length = Math.floor(share(`${at}/${port}/length`) * 4.2);
    made[port] = isList ? Array.from({ length }, (_, index) => `${at}.${port}#${index}`) : `${at}.${port}`;
  }
  return made;
}

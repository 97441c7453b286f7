/**
 * A node's settings for one step: expressions replaced by what they give there, defaults filled in, and what an
 * expression gave checked against the node's schema. The run and the editor's preview both ask here. Pure.
 */
import type { ErrorJson, ManifestJson } from '../../nodes/contract.ts';
import { resolveConfig } from './config.ts';
import {
  evaluate,
  movedOffset,
  replaceExpressions,
  type Scope,
  spokenKind,
  type Translate,
  treeOf,
} from './expression.ts';
import { humanTitle } from './expression-types.ts';

export type Settings = { ok: true; config: Record<string, unknown> } | { ok: false; error: ErrorJson };

/** Configs without expressions are the same for every step. */
const fixed = new WeakMap<object, { manifest: ManifestJson; settings: Settings }>();

/** `nameOf`: the names of nodes, as the person who reads an error sees the text. */
export function workOut(
  manifest: ManifestJson,
  config: Readonly<Record<string, unknown>>,
  scope: Scope,
  nameOf: Translate,
): Settings {
  const known = fixed.get(config);
  if (known?.manifest === manifest) return known.settings;
  const worked = { ...config };
  const given: string[] = [];
  let fault: Settings | undefined;
  for (const [field, stored] of Object.entries(config)) {
    const value = replaceExpressions(stored, (expression) => {
      given.push(field);
      const reading = treeOf(expression);
      const outcome = reading.ok ? evaluate(reading.tree, scope) : reading;
      if (outcome.ok) return outcome.value;
      const { code, message, hint } = outcome.error;
      const place = movedOffset(expression.$expression.text, nameOf, outcome.error.at) + 1;
      const said = `${humanTitle(manifest, field)}, at character ${place}: ${message}`;
      fault ??= { ok: false, error: { code, message: said, hint, retry: 'never' } };
      return null;
    });
    Object.defineProperty(worked, field, { value, enumerable: true, configurable: true, writable: true });
  }
  if (fault) return fault;
  const { config: resolved, problems } = resolveConfig(manifest.config, worked);
  const misfit = problems.find(({ field }) => given.includes(field));
  if (!misfit) {
    const settings: Settings = { ok: true, config: resolved };
    if (given.length === 0) fixed.set(config, { manifest, settings });
    return settings;
  }
  const { field, message } = misfit;
  return {
    ok: false,
    error: {
      code: 'EXPRESSION_MISMATCH',
      message: `${humanTitle(manifest, field)}: ${message} The expression gave ${spokenKind(worked[field])}.`,
      hint: 'Look at the expression and at what it takes its value from.',
      retry: 'never',
    },
  };
}

/**
 * The switch between a fixed value and an expression, for any setting at any depth of a form. Whoever draws the form
 * says for which node it is; forms without a node have no switch.
 */
import { createContext, type ReactNode, useContext } from 'react';
import { isExpression } from '../../runtime/graph/expression.ts';
import { Tip } from '../ui/tooltip.tsx';
import { ExpressionBox, expressionFor, fixedOf } from './expression-box.tsx';
import type { Json } from './form-schema.ts';

/** `allowed`: whether an expression may stand at a place of this node's config. */
export const FxContext = createContext<{
  node: string;
  allowed: (path: readonly (string | number)[]) => boolean;
} | null>(null);

type Setting = {
  id: string;
  path: readonly (string | number)[] | undefined;
  title: string;
  value: Json | undefined;
  disabled: boolean;
  onChange: (value: Json | undefined) => void;
};

/** `box` is drawn in the place of the control, where the setting is an expression. */
export function useFx({ id, path, title, value, disabled, onChange }: Setting): { toggle: ReactNode; box: ReactNode } {
  const fx = useContext(FxContext);
  if (!fx || !path) return { toggle: null, box: null };
  const isOn = isExpression(value);
  const toggle = !disabled && (isOn || fx.allowed(path)) && (
    <Tip text={isOn ? 'Back to a fixed value' : 'Take the value from another node'}>
      <button
        type="button"
        className="fx-toggle"
        aria-pressed={isOn}
        aria-label={`fx: ${title} from an expression`}
        onClick={() => onChange(isOn ? fixedOf(value) : expressionFor(value))}
      >
        fx
      </button>
    </Tip>
  );
  const box = isOn && (
    <ExpressionBox
      id={id}
      place={{ node: fx.node, path }}
      title={title}
      stored={value}
      disabled={disabled}
      onChange={onChange}
    />
  );
  return { toggle, box };
}

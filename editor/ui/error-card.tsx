/**
 * The one error card: what happened in bold, what is safe and what to do, at most two actions, the code small.
 * The same in node, inspector, run, dialog and page.
 */
import { Component, type ReactNode } from 'react';
import { problemOf, type ShownProblem } from '../problem.ts';
import { Button } from './button.tsx';
import { Icon } from './icon.tsx';

type ErrorCardProps = { problem: ShownProblem; actions?: ReactNode; className?: string };

export function ErrorCard({ problem, actions, className = '' }: ErrorCardProps) {
  return (
    <div className={`errcard ${className}`} role="alert">
      <Icon name="circle-x" />
      <b>{problem.message}</b>
      {problem.hint && <p>{problem.hint}</p>}
      <div className="acts">
        {actions}
        <span className="grow" />
        <span className="faint mono text-[11px] leading-6">{problem.code}</span>
      </div>
    </div>
  );
}

/** A failed query or mutation, with a way to try again. */
export function ErrorOf({ error, onRetry, className }: { error: unknown; onRetry?: () => void; className?: string }) {
  return (
    <ErrorCard
      problem={problemOf(error)}
      {...(className ? { className } : {})}
      actions={
        onRetry && (
          <Button size="xs" icon="rotate-ccw" onClick={onRetry}>
            Try again
          </Button>
        )
      }
    />
  );
}

type BoundaryProps = {
  children: ReactNode;
  fallback: (error: Error, reset: () => void) => ReactNode;
  resetKey?: unknown;
};

/** Catches what its children throw while drawing. A changed `resetKey` tries again by itself. */
export class ErrorBoundary extends Component<BoundaryProps, { error: Error | null; resetKey: unknown }> {
  override state = { error: null as Error | null, resetKey: this.props.resetKey };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  static getDerivedStateFromProps(props: BoundaryProps, state: { error: Error | null; resetKey: unknown }) {
    return props.resetKey === state.resetKey ? null : { error: null, resetKey: props.resetKey };
  }

  override render() {
    const { error } = this.state;
    return error ? this.props.fallback(error, () => this.setState({ error: null })) : this.props.children;
  }
}

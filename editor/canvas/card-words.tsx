/** What a card says of its run: the promise of an empty frame, a problem, a failure with its way out, facts at the foot. */
import type { GraphNode } from '../../runtime/graph/graph.ts';
import type { NodeView } from '../run-view.ts';
import { RetryButton } from '../runs/retry-button.tsx';
import { Icon } from '../ui/icon.tsx';
import { shortFact } from './node-state.ts';
import { useEditor } from './store.ts';

export function EmptyFrame({ icon, sentence, view }: { icon: string; sentence: string; view: NodeView | undefined }) {
  const waits = view?.state === 'waiting' || view?.state === 'queued';
  if (waits && view.reason) {
    return (
      <div className="pv" style={{ height: 84 }}>
        <div className="await">
          <p>{view.reason}</p>
        </div>
      </div>
    );
  }
  return (
    <div className="pv" style={{ height: 104 }}>
      <div className="hint">
        <Icon name={icon} size={20} />
        <span>{view?.state === 'running' ? (view.note ?? sentence) : sentence}</span>
      </div>
      {view?.state === 'running' && view.progress !== null && (
        <span className="pbar on-well">
          <i style={{ '--v': `${view.progress * 100}%` } as React.CSSProperties} />
        </span>
      )}
    </div>
  );
}

export function Notice({ problem }: { problem: { message: string; hint: string | null } }) {
  return (
    <div className="msg pt-2">
      <span className="text-text">{problem.message}</span>
    </div>
  );
}

/** What happened, what to do, one button that does it. */
export function Message({ node, view }: { node: GraphNode; view: NodeView }) {
  const workspaceId = useEditor((state) => state.workspaceId);
  const runId = useEditor((state) => state.run?.id);
  if (view.state !== 'failed') {
    return (
      <div className="msg">
        {view.reason ??
          view.error?.message ??
          (view.state === 'skipped' ? 'Nothing came in.' : 'Something before it failed.')}
      </div>
    );
  }
  const many = (view.counts.total ?? 0) > 1;
  return (
    <div className="msg" role="alert">
      <b>{view.error?.message ?? 'This step failed.'}</b>
      {view.error?.hint && <p>{view.error.hint}</p>}
      {runId && (
        <div className="acts nodrag">
          <RetryButton
            workspaceId={workspaceId}
            runId={runId}
            nodeId={node.id}
            label={many ? `Retry ${view.counts.failed}` : 'Retry'}
          />
        </div>
      )}
    </div>
  );
}

/** One fact left, one right. */
export function Foot({ view }: { view: NodeView | undefined }) {
  if (!view || view.state === 'idle' || view.state === 'skipped' || view.state === 'blocked')
    return <div className="pb-1" />;
  if (view.state === 'running' && view.note) {
    return (
      <footer className="ft">
        <span className="cut">{view.note}</span>
        {view.progress !== null && <span className="faint end">{Math.round(view.progress * 100)} %</span>}
      </footer>
    );
  }
  if (view.state === 'failed') return <div className="pb-5" />;
  // Which engine it was says the inspector; here is what it gave.
  const given = view.facts.filter((fact) => !/^engine$/i.test(fact.name));
  const facts = given.length > 0 ? given : view.facts;
  const change = facts.find((fact) => fact.value.includes('→'));
  if (change) {
    const [before, after] = change.value.split('→').map((part) => part.trim());
    return (
      <footer className="ft">
        <span>{before}</span>
        <Icon name="arrow-right" size={12} label="to" />
        <b>{after}</b>
      </footer>
    );
  }
  const words = facts.map(shortFact);
  if (view.counts.failed > 0) words.unshift(`${view.counts.failed} failed`);
  else if (view.state === 'reused' && view.reason)
    words.unshift(view.reason.replace(/, so reused\.$/, '').replace(/\.$/, ''));
  const [left, right] = words;
  if (!left) return <div className="pb-1" />;
  return (
    <footer className="ft">
      <span className={`cut ${view.counts.failed > 0 ? 'bad' : ''}`}>{left}</span>
      {right && <span className="faint end cut">{right}</span>}
    </footer>
  );
}

/** What a step is doing and why, in a sentence; since when, when it goes on, and where something can be done about it. */
import { Link } from '@tanstack/react-router';
import type { StepView } from '../run-view.ts';
import { clock, dateTime, exact } from '../shell/dates.ts';

type Explanation = StepView['explanation'];

/** Whether the sentence says more than the state's mark and the error card beside it. */
export function isTelling({ code, text }: Explanation): boolean {
  return code !== 'failed' && code !== 'effect-unknown' && text !== 'Done.';
}

/** `isWhole`: no error card stands beside it. */
type ExplainedProps = { workspaceId: string; of: Explanation; isWhole?: boolean };

export function Explained({ workspaceId, of, isWhole }: ExplainedProps) {
  return (
    <p className="muted">
      {(isWhole || isTelling(of)) && <>{of.text} </>}
      {of.since && (
        <>
          Since{' '}
          <time dateTime={of.since} title={exact(of.since)}>
            {clock(of.since)}
          </time>
          .{' '}
        </>
      )}
      {of.next && (
        <>
          {nextWord(of.code)}{' '}
          <time dateTime={of.next} title={exact(of.next)}>
            {dateTime(of.next)}
          </time>
          .{' '}
        </>
      )}
      <Act workspaceId={workspaceId} act={of.act} />
    </p>
  );
}

/** What happens at its next time. */
function nextWord(code: Explanation['code']): string {
  switch (code) {
    case 'wait-person':
    case 'wait-hook':
    case 'sending':
      return 'Open until';
    case 'wait-reminder':
      return 'Reminded';
    case 'retry':
      return 'Next try';
    case 'effect-check':
    case 'effect-unknown':
      return 'Looked at again';
    default:
      return 'At';
  }
}

function Act({ workspaceId, act }: { workspaceId: string; act: Explanation['act'] }) {
  switch (act?.kind) {
    case 'outbox':
      return (
        <Link className="link" to="/w/$workspaceId/outbox" params={{ workspaceId }}>
          Open the outbox
        </Link>
      );
    case 'run':
      return (
        <Link
          className="link"
          to="/w/$workspaceId/runs/$runId"
          params={{ workspaceId, runId: act.runId ?? '' }}
          search={{}}
        >
          Open that run
        </Link>
      );
    case 'node':
      return (
        <Link className="link" to="." search={(before: Record<string, unknown>) => ({ ...before, node: act.nodeId })}>
          Look at it
        </Link>
      );
    case 'health':
      return (
        <Link className="link" to="/w/$workspaceId/settings" params={{ workspaceId }} hash="health">
          Look at the workers
        </Link>
      );
    case 'answer': // the question stands below
    case 'retry': // the error card has it
    case undefined:
      return null;
    default:
      return act?.kind satisfies undefined;
  }
}

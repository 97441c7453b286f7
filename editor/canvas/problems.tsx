/** "Before you publish": what is wrong with the draft, each line a way to the place. Folded to a badge when all is well. */
import { useState } from 'react';
import type { Problem } from '../../runtime/graph/graph.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Badge } from '../ui/parts.tsx';
import { useActs } from './acts.ts';
import { problemsOnce, useEditor, useEditorStore } from './store.ts';

export function ProblemList({ problems, onGo }: { problems: readonly Problem[]; onGo?: () => void }) {
  const store = useEditorStore();
  const acts = useActs();
  const graph = useEditor((state) => state.graph);
  return (
    <ul>
      {problems.map((problem) => {
        const node = graph.nodes.find((other) => other.id === problem.node);
        return (
          <li key={`${problem.code}/${problem.node}/${problem.edge}/${problem.field}/${problem.port}`}>
            <Icon
              name={problem.severity === 'error' ? 'circle-x' : 'triangle-alert'}
              size={14}
              className={problem.severity === 'error' ? 'text-danger' : 'text-warning'}
              label={problem.severity === 'error' ? 'Stops a run' : 'Warning'}
            />
            <span className="grow">
              {problem.message} {problem.hint && <span className="muted">{problem.hint}</span>}
            </span>
            {(node || problem.edge) && (
              <Button
                size="xs"
                onClick={() => {
                  const { select, set } = store.getState();
                  select(node ? [node.id] : [`edge:${problem.edge}`]);
                  set({ inspectorOpen: true });
                  if (node) acts.reveal(node.id);
                  onGo?.();
                }}
              >
                Show
              </Button>
            )}
          </li>
        );
      })}
    </ul>
  );
}

export function ProblemsPanel() {
  const problems = useEditor((state) => problemsOnce(state.graph, state.catalogue));
  const readOnly = useEditor((state) => state.readOnly);
  const [open, setOpen] = useState(false);
  if (problems.length === 0 || readOnly) return null;
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  return (
    <section className="float probs" aria-label="Before you publish">
      <button type="button" className="head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <b className="label">Before you publish</b>
        <Badge tone={errors > 0 ? 'bad' : 'warn'}>{problems.length}</Badge>
        <span className="grow" />
        <Icon name={open ? 'chevron-down' : 'chevron-up'} size={14} className="text-faint" />
      </button>
      {open && <ProblemList problems={problems} />}
    </section>
  );
}

/** The nodes of a run as the canvas draws them, in the order they work; a card opens its step. */
import './runs.css';
import '../canvas/node.css';
import { NodeMedia } from '../canvas/node-media.tsx';
import { cardTone, headState } from '../canvas/node-state.ts';
import { Icon } from '../ui/icon.tsx';
import { Ring } from '../ui/progress.tsx';
import type { RunNode } from './run-timeline.tsx';

type NodeCardsProps = {
  workspaceId: string;
  nodes: RunNode[];
  chosen: string | null;
  onShow: (node: string | null) => void;
};

export function NodeCards({ workspaceId, nodes, chosen, onShow }: NodeCardsProps) {
  return (
    <ol className="cards">
      {nodes.map(({ node, view, manifest }) => {
        const head = headState(view, 0);
        const tone = cardTone(view);
        const [first, second] = view?.facts ?? [];
        const wide = (node.width ?? 0) > 230;
        return (
          <li key={node.id} className={wide ? 'wide' : ''}>
            <article className={`node ${tone === 'idle' ? '' : tone} ${node.id === chosen ? 'sel' : ''}`}>
              <button
                type="button"
                className="open"
                aria-label={`${node.name}, ${head?.word ?? 'not begun'}`}
                aria-expanded={node.id === chosen}
                onClick={() => onShow(node.id === chosen ? null : node.id)}
              />
              <div className="hd">
                <Icon name={manifest?.icon ?? 'puzzle'} />
                <b>{node.name}</b>
                {head && (
                  <span className={`st ${head.tone}`}>
                    {head.word}
                    {head.ring !== null ? (
                      <Ring value={head.ring} size={14} of={node.id} />
                    ) : (
                      head.icon && <Icon name={head.icon} size={14} />
                    )}
                  </span>
                )}
              </div>
              {view?.preview && (
                <NodeMedia
                  workspaceId={workspaceId}
                  view={view}
                  preview={view.preview}
                  wide={wide}
                  sound={manifest?.family === 'sound'}
                />
              )}
              {view?.error ? (
                <div className="msg">
                  <b>{view.error.message}</b>
                </div>
              ) : (
                (first || view?.reason) && (
                  <div className="ft" title={view?.reason ?? undefined}>
                    <span className="cut">{first ? first.value : view?.reason}</span>
                    {second && <span className="faint end cut">{second.value}</span>}
                  </div>
                )
              )}
            </article>
          </li>
        );
      })}
    </ol>
  );
}

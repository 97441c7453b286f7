/** The map of the pipeline with the zoom below it. */
import { MiniMap, useStore } from 'reactflow';
import { IconButton } from '../ui/button.tsx';
import { Menu } from '../ui/menu.tsx';
import { useActs } from './acts.ts';
import { useEditor } from './store.ts';

export function Overview() {
  const acts = useActs();
  const zoom = useStore((state) => Math.round(state.transform[2] * 100));
  const selection = useEditor((state) => state.selection);
  const views = useEditor((state) => state.views);
  const color = (id: string) => {
    if (id.includes(':')) return 'transparent';
    if (selection.has(id)) return 'var(--accent)';
    const state = views.get(id)?.state;
    if (state === 'running') return 'color-mix(in oklab, var(--accent-line) 62%, transparent)';
    if (state === 'failed') return 'var(--danger-line)';
    return 'var(--line-strong)';
  };
  return (
    <section className="float map" aria-label="Map of the pipeline">
      <MiniMap
        pannable={true}
        zoomable={true}
        style={{ width: 176, height: 128 }}
        nodeColor={(node) => color(node.id)}
        nodeStrokeColor={(node) => (node.id.startsWith('section:') ? 'var(--line)' : 'transparent')}
        nodeBorderRadius={12}
        ariaLabel="Map of the pipeline"
      />
      <div className="row zoom">
        <IconButton icon="minus" size="xs" label="Zoom out" keys="mod+-" onClick={() => acts.zoomBy(-1)} />
        <Menu
          trigger={
            <button type="button" className="btn quiet xs" aria-label={`Zoom, ${zoom} percent`}>
              <span className="muted font-normal">{zoom} %</span>
            </button>
          }
          items={[
            { label: '50 %', onSelect: () => acts.zoomTo(0.5) },
            { label: '100 %', keys: 'mod+0', onSelect: () => acts.zoomTo(1) },
            { label: '150 %', onSelect: () => acts.zoomTo(1.5) },
            'line',
            { label: 'Zoom to fit', keys: 'shift+1', onSelect: acts.fit },
            { label: 'Zoom to the selection', keys: 'shift+2', onSelect: acts.fitSelected },
          ]}
        />
        <IconButton icon="plus" size="xs" label="Zoom in" keys="mod++" onClick={() => acts.zoomBy(1)} />
        <span className="grow" />
        <IconButton icon="scan" size="xs" label="Zoom to fit" keys="shift+1" onClick={acts.fit} />
      </div>
    </section>
  );
}

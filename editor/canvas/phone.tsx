/** The editor on a phone: a bar, the run's progress, and the acts in reach of the thumb. */
import { Link } from '@tanstack/react-router';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { Button } from '../ui/button.tsx';
import { duration } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { BrandMark } from '../ui/parts.tsx';
import { Bar } from '../ui/progress.tsx';
import { setTheme, useTheme } from '../ui/theme.ts';
import { isOver } from './run-watch.ts';
import { useEditor, useEditorStore } from './store.ts';
import { useRunFrom } from './use-run.ts';

type View = 'canvas' | 'outline';

export function PhoneTop({ view, onView }: { view: View; onView: (view: View) => void }) {
  const store = useEditorStore();
  const { workspaceId } = store.getState();
  const name = useEditor((state) => state.name);
  const readOnly = useEditor((state) => state.readOnly);
  const save = useEditor((state) => state.save);
  const { brand } = useCurrentBrand(workspaceId);
  const theme = useTheme();
  return (
    <header className="pt">
      <Link className="ib" to="/w/$workspaceId" params={{ workspaceId }} aria-label="Back">
        <Icon name="chevron-left" size={20} />
      </Link>
      <div className="grow">
        <h1 className="cut">{name}</h1>
        {brand && (
          <span className="brand">
            <BrandMark name={brand.name} color={brand.kit.colors.primary} size="xs" />
            {brand.name}
            {save === 'offline' && <span className="text-warning">, not saved yet</span>}
          </span>
        )}
      </div>
      <Menu
        align="end"
        trigger={
          <button type="button" className="ib" aria-label="More">
            <Icon name="ellipsis" size={20} />
          </button>
        }
        items={[
          { label: 'Outline', checked: view === 'outline', onSelect: () => onView('outline') },
          { label: 'Canvas', checked: view === 'canvas', onSelect: () => onView('canvas') },
          'line',
          ...(readOnly
            ? []
            : [
                {
                  label: 'Publish',
                  icon: 'send',
                  onSelect: () => store.getState().set({ dialog: { kind: 'publish' } }),
                },
              ]),
          {
            label: 'Starts by itself',
            icon: 'calendar-clock',
            onSelect: () => store.getState().set({ dialog: { kind: 'starts' } }),
          },
          {
            label: 'Versions',
            icon: 'history',
            onSelect: () => store.getState().set({ dialog: { kind: 'versions' } }),
          },
          'line' as const,
          { caption: 'Theme' },
          { label: 'As the system', checked: theme === 'system', onSelect: () => setTheme('system') },
          { label: 'Light', checked: theme === 'light', onSelect: () => setTheme('light') },
          { label: 'Dark', checked: theme === 'dark', onSelect: () => setTheme('dark') },
        ]}
      />
    </header>
  );
}

export function PhoneRun() {
  const run = useEditor((state) => state.run);
  if (!run) return null;
  const over = isOver(run);
  return (
    <section className="prun" aria-label={`Run ${run.number}`}>
      <div className="row">
        <b className="grow">Run {run.number}</b>
        <span className="muted cut">
          {over ? run.summary || run.state : run.etaMs ? `${duration(run.etaMs / 1000)} left` : ''}
        </span>
      </div>
      {!over && <Bar value={run.progress} label={`Run ${run.number}`} of={run.id} />}
    </section>
  );
}

export function PhoneBar() {
  const store = useEditorStore();
  const { run, stop, running, starting, stopping, canRun } = useRunFrom();
  const readOnly = useEditor((state) => state.readOnly);
  const mayRun = useEditor((state) => state.mayRun);
  if (readOnly && !mayRun) return null;
  return (
    <footer className="pb-bar">
      {!readOnly && (
        <Button icon="plus" onClick={() => store.getState().set({ paletteOpen: true })}>
          Node
        </Button>
      )}
      {running ? (
        <Button className="grow" busy={stopping} onClick={stop}>
          Stop run
        </Button>
      ) : (
        <Button className="grow" look="main" icon="play" busy={starting} disabled={!canRun} onClick={() => run()}>
          Run
        </Button>
      )}
    </footer>
  );
}

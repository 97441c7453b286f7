/** Whether the pipeline starts by itself for this brand, and when next; opens the switch. */
import { useEditor, useEditorStore } from '../canvas/store.ts';
import { Button } from '../ui/button.tsx';
import { useStarts } from './starts.ts';
import { plannedTime } from './times.tsx';

export function StartsButton() {
  const store = useEditorStore();
  const brandId = useEditor((state) => state.brandId);
  const { starts } = useStarts();
  if (brandId === null || starts === undefined || (!starts.isOn && !starts.canTurnOn)) return null;
  const next = starts.triggers
    .filter((trigger) => trigger.kind === 'schedule')
    .flatMap((trigger) => trigger.next.slice(0, 1))
    .sort()[0];
  const hasProblem = starts.triggers.some((trigger) => trigger.problem !== null);
  const words = !starts.isOn ? 'Off' : hasProblem ? 'On, with a problem' : next ? `On · ${plannedTime(next)}` : 'On';
  return (
    <Button
      look="quiet"
      aria-label={`Starts by itself: ${words}`}
      onClick={() => store.getState().set({ dialog: { kind: 'starts' } })}
    >
      <span
        className={`dot ${hasProblem ? 'text-warning' : starts.isOn ? 'text-success' : 'text-faint'}`}
        aria-hidden="true"
      />
      {words}
    </Button>
  );
}

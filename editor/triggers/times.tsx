/** Planned instants as the person looking lives them, and beside them as the schedule's own zone has them. */
import { exact } from '../shell/dates.ts';

const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'UTC';

/** "Tue 24 Nov, 09:00" */
export function plannedTime(instant: string | Date, zone = HERE): string {
  return new Intl.DateTimeFormat('en-GB', {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    timeZone: zone,
  })
    .format(new Date(instant))
    .replace(/^(\w+), /, '$1 ');
}

export function Times({ times, zone }: { times: readonly (string | Date)[]; zone: string | null }) {
  const isElsewhere = zone !== null && times.some((instant) => plannedTime(instant, zone) !== plannedTime(instant));
  return (
    <ol className="grid gap-0.5 t-12" aria-label="Next times">
      {times.map((instant) => (
        <li key={new Date(instant).toISOString()} className="flex flex-wrap gap-x-2">
          <time dateTime={new Date(instant).toISOString()} title={exact(instant)} className="num">
            {plannedTime(instant)}
          </time>
          {isElsewhere && zone && (
            <span className="muted">
              {plannedTime(instant, zone)} in {zone.replaceAll('_', ' ')}
            </span>
          )}
        </li>
      ))}
    </ol>
  );
}

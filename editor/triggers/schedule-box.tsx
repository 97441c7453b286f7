/** What a schedule was understood as, while it is typed: in words, as cron, and when it would start next. */
import { useMemo } from 'react';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { inWords, isZone, nextTimes, readWhen } from '../../runtime/graph/schedule.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { useEditorStore } from '../canvas/store.ts';
import { Select } from '../ui/field.tsx';
import { Times } from './times.tsx';

const DEFAULT = 'every weekday at 09:00';
const OFTEN = [
  'every weekday at 09:00',
  'every day at 09:00',
  'every monday at 09:00',
  'on the 1st of every month at 09:00',
  'every hour',
  'every 15 minutes',
];

type ScheduleBoxProps = { node: GraphNode; disabled: boolean; onChange: (when: string) => void };

export function ScheduleBox({ node, disabled, onChange }: ScheduleBoxProps) {
  const store = useEditorStore();
  const { brand } = useCurrentBrand(store.getState().workspaceId);
  const when = typeof node.config.when === 'string' ? node.config.when : DEFAULT;
  const own = typeof node.config.zone === 'string' ? node.config.zone : '';
  const zone = own || brand?.timeZone || 'UTC';
  const reading = useMemo(() => readWhen(when), [when]);
  const times = useMemo(
    () => (reading.ok && isZone(zone) ? nextTimes(reading.cron, zone, new Date(), 3) : []),
    [reading, zone],
  );
  return (
    <section className="px-4 pt-3 grid gap-2" aria-label="Schedule">
      {reading.ok ? (
        <p>
          <b>{sentence(inWords(reading.cron))}</b>
          <span className="muted t-12 block">
            {zone.replaceAll('_', ' ')}
            {own === '' && ', the zone of the brand'} · <span className="mono">{reading.cron}</span>
          </span>
        </p>
      ) : (
        <p className="text-danger t-12" role="alert">
          {reading.message}
        </p>
      )}
      {own !== '' && !isZone(own) && (
        <p className="text-danger t-12" role="alert">
          There is no time zone called {own}.
        </p>
      )}
      <Times times={times} zone={zone} />
      {!disabled && (
        <Select
          label="Times people often choose"
          placeholder="Choose a usual time"
          value={OFTEN.includes(when) ? when : ''}
          options={OFTEN.map((each) => ({ value: each, label: sentence(each) }))}
          onChange={onChange}
          dense={true}
        />
      )}
    </section>
  );
}

const sentence = (words: string) =>
  words.charAt(0).toUpperCase() +
  words
    .slice(1)
    .replace(/\b(mon|tues|wednes|thurs|fri|satur|sun)day/g, (day) => day.charAt(0).toUpperCase() + day.slice(1));

/** Begins runs at planned times. When that is, in which zone and what becomes of missed ones is runtime/graph/schedule.ts. */
import * as z from 'zod';
import { defineManifest, port, type RunTrigger, type ScheduleEvent } from '../contract.ts';

export const manifest = defineManifest({
  id: 'trigger.schedule',
  version: '1.0.0',
  title: 'Schedule',
  help: 'Begins the pipeline at planned times, once the pipeline is turned on.',
  icon: 'calendar-clock',
  family: 'source',
  aliases: ['cron', 'timer', 'time', 'daily', 'weekly', 'every', 'trigger', 'start', 'calendar'],
  shape: 'trigger',
  trigger: { kind: 'schedule' },
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: {},
  outputs: {
    time: port.text({ title: 'Time', help: 'The planned instant in UTC.' }),
    local: port.text({ title: 'Local time', help: 'The planned date and time in the zone of the schedule.' }),
    date: port.text({ title: 'Date' }),
    weekday: port.text({ title: 'Weekday' }),
    data: port.json({ title: 'Data' }),
  },
  config: z.strictObject({
    when: z.string().min(1).max(200).default('every weekday at 09:00').meta({
      title: 'When',
      help: 'In words, or as cron (minute hour day month weekday).',
      placeholder: 'every weekday at 09:00',
      control: 'schedule',
    }),
    zone: z.string().max(60).default('').meta({
      title: 'Time zone',
      help: 'Such as Europe/Berlin. Empty: the time zone of the brand.',
      placeholder: 'of the brand',
    }),
    missed: z.enum(['skip', 'once', 'all']).default('once').meta({
      title: 'Missed times',
      help: 'Times that passed while nothing was running: left out, made up for by one run, or by one run each (the latest 100).',
    }),
  }),
  fields: ['when', 'missed'],
  example: {
    inputs: {
      event: {
        at: '2026-03-02T08:00:00.000Z',
        zone: 'Europe/Berlin',
        local: '2026-03-02T09:00',
        weekday: 'Monday',
        missed: false,
        leftOut: 0,
      },
    },
    outputs: {
      time: '2026-03-02T08:00:00.000Z',
      local: '2026-03-02T09:00',
      date: '2026-03-02',
      weekday: 'Monday',
      data: {
        at: '2026-03-02T08:00:00.000Z',
        zone: 'Europe/Berlin',
        local: '2026-03-02T09:00',
        weekday: 'Monday',
        missed: false,
        leftOut: 0,
      },
    },
  },
});

export const run: RunTrigger<typeof manifest, ScheduleEvent> = (_ctx, { event }) => ({
  time: event.at,
  local: event.local,
  date: event.local.slice(0, 10),
  weekday: event.weekday,
  data: { ...event },
});

/** Begins a run for each new item of an RSS, Atom or podcast feed. Reading the feed is runtime/triggers/feed.ts. */
import * as z from 'zod';
import { defineManifest, type FeedEvent, port, type RunTrigger } from '../contract.ts';

export const manifest = defineManifest({
  id: 'trigger.feed',
  version: '1.0.0',
  title: 'Feed',
  help: 'Begins the pipeline for each new item of a feed: RSS, Atom or a podcast. Each item once.',
  icon: 'rss',
  family: 'source',
  aliases: ['rss', 'atom', 'podcast', 'blog', 'news', 'episodes', 'trigger', 'start'],
  shape: 'trigger',
  trigger: { kind: 'feed' },
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: {},
  outputs: {
    item: port.json({ title: 'Item' }),
    title: port.text({ title: 'Title' }),
    link: port.text({ title: 'Link' }),
    summary: port.text({ title: 'Summary' }),
    file: port.text.optional({ title: 'File address', help: 'Of the episode, where the item has one.' }),
  },
  config: z.strictObject({
    url: z
      .string()
      .max(2000)
      .regex(/^https?:\/\/\S+$/)
      .meta({ title: 'Address of the feed', placeholder: 'https://example.com/feed.xml' }),
    everyMinutes: z.int().min(5).max(1440).default(15).meta({ title: 'Look every', unit: 'min' }),
    first: z.enum(['only new items', 'the latest']).default('only new items').meta({
      title: 'At the beginning',
      help: 'Only what appears from now on, or the latest items at once.',
    }),
    latest: z.int().min(1).max(50).default(1).meta({ title: 'How many of the latest' }),
  }),
  fields: ['url', 'everyMinutes'],
  example: {
    config: { url: 'https://example.com/feed.xml' },
    inputs: {
      event: {
        at: '2026-03-02T08:00:00.000Z',
        feed: 'Example show',
        item: {
          id: 'episode-12',
          title: 'Episode 12',
          link: 'https://example.com/12',
          summary: 'With Ada.',
          author: '',
          published: '2026-03-02T07:00:00.000Z',
          enclosure: { url: 'https://example.com/12.mp3', type: 'audio/mpeg', bytes: 1_048_576 },
        },
      },
    },
    outputs: {
      item: {
        id: 'episode-12',
        title: 'Episode 12',
        link: 'https://example.com/12',
        summary: 'With Ada.',
        author: '',
        published: '2026-03-02T07:00:00.000Z',
        enclosure: { url: 'https://example.com/12.mp3', type: 'audio/mpeg', bytes: 1_048_576 },
      },
      title: 'Episode 12',
      link: 'https://example.com/12',
      summary: 'With Ada.',
      file: 'https://example.com/12.mp3',
    },
  },
});

export const run: RunTrigger<typeof manifest, FeedEvent> = (_ctx, { event: { item } }) => ({
  item,
  title: item.title,
  link: item.link,
  summary: item.summary,
  ...(item.enclosure ? { file: item.enclosure.url } : {}),
});

/**
 * Reads a feed: RSS 0.9x, 1.0 and 2.0, Atom, and podcasts as RSS with enclosures. Pure; what it is given comes from
 * strangers. A document that declares entities of its own is refused, so none can grow; 50 levels of nesting at most.
 * Sources: rssboard.org/rss-specification, RFC 4287, help.apple.com/itc/podcasts_connect (read 2026-11).
 * Errors: FEED_UNREADABLE, FEED_UNSAFE.
 */
import { createHash } from 'node:crypto';
import { XMLParser } from 'fast-xml-parser';
import { type FeedEvent, NodeError } from '../../nodes/contract.ts';

export type FeedItem = FeedEvent['item'];
/** Items as the feed has them, each id once. */
export type Feed = { title: string; items: FeedItem[] };

const MOST_ITEMS = 2_000;
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseTagValue: false,
  parseAttributeValue: false,
  htmlEntities: true,
  processEntities: { enabled: true, maxEntityCount: 1, maxExpandedLength: 64 * 1024 * 1024 },
  maxNestedTags: 50,
});

export function readFeed(text: string): Feed {
  if (/<!ENTITY/i.test(text)) {
    throw new NodeError('FEED_UNSAFE', 'The feed declares entities of its own, which are not read here.');
  }
  let document: Tree;
  try {
    document = tree(parser.parse(text.replace(/^\uFEFF/, '')));
  } catch (error) {
    throw unreadable(`it is no well-formed XML (${(error as Error).message.slice(0, 100)})`);
  }
  const rss = tree(first(document.rss) ?? first(document['rdf:RDF']));
  const channel = tree(first(rss.channel));
  const feed = tree(first(document.feed) ?? first(document['atom:feed']));
  if (document.rss !== undefined || document['rdf:RDF'] !== undefined) {
    // RSS 1.0 has its items beside the channel
    return { title: textOf(channel.title), items: once(list(channel.item ?? rss.item).map(fromRss)) };
  }
  if (document.feed !== undefined || document['atom:feed'] !== undefined) {
    return { title: textOf(feed.title), items: once(list(feed.entry).map(fromAtom)) };
  }
  throw unreadable('it is neither RSS nor Atom');
}

const unreadable = (why: string) =>
  new NodeError('FEED_UNREADABLE', `This address gives no feed: ${why}.`, {
    hint: 'Check the address of the feed; pages often name it in their source as application/rss+xml.',
    retry: 'later',
  });

type Tree = Record<string, unknown>;
const tree = (value: unknown): Tree => (typeof value === 'object' && value !== null ? (value as Tree) : {});
const list = (value: unknown): unknown[] => (value === undefined ? [] : Array.isArray(value) ? value : [value]);
const first = (value: unknown): unknown => list(value)[0];

/** The text of an element that may have attributes. */
function textOf(value: unknown): string {
  const one = first(value);
  const text = typeof one === 'object' && one !== null ? (one as Tree)['#text'] : one;
  return typeof text === 'string' ? text.trim() : '';
}
const attribute = (value: unknown, name: string): string => {
  const found = tree(value)[`@${name}`];
  return typeof found === 'string' ? found.trim() : '';
};

function fromRss(value: unknown): FeedItem {
  const item = tree(value);
  const enclosure = first(item.enclosure) ?? first(item['media:content']);
  return made({
    id: textOf(item.guid) || attribute(item, 'rdf:about'),
    title: textOf(item.title) || textOf(item['itunes:title']),
    link: textOf(item.link),
    summary: textOf(item.description) || textOf(item['itunes:summary']) || textOf(item['content:encoded']),
    author: textOf(item['dc:creator']) || textOf(item['itunes:author']) || textOf(item.author),
    published: textOf(item.pubDate) || textOf(item['dc:date']),
    enclosure: {
      url: attribute(enclosure, 'url'),
      type: attribute(enclosure, 'type'),
      length: attribute(enclosure, 'length') || attribute(enclosure, 'fileSize'),
    },
  });
}

function fromAtom(value: unknown): FeedItem {
  const entry = tree(value);
  const links = list(entry.link);
  const rel = (wanted: string) => links.find((link) => (attribute(link, 'rel') || 'alternate') === wanted);
  const enclosure = rel('enclosure');
  return made({
    id: textOf(entry.id),
    title: textOf(entry.title),
    link: attribute(rel('alternate'), 'href'),
    summary:
      textOf(entry.summary) || textOf(entry.content) || textOf(tree(first(entry['media:group']))['media:description']),
    author: textOf(tree(first(entry.author)).name),
    published: textOf(entry.published) || textOf(entry.updated),
    enclosure: {
      url: attribute(enclosure, 'href'),
      type: attribute(enclosure, 'type'),
      length: attribute(enclosure, 'length'),
    },
  });
}

function made(found: {
  id: string;
  title: string;
  link: string;
  summary: string;
  author: string;
  published: string;
  enclosure: { url: string; type: string; length: string };
}): FeedItem {
  const title = plain(found.title).slice(0, 500);
  const at = new Date(found.published);
  const { url, type, length } = found.enclosure;
  const known = found.id || found.link || url || `${title} ${found.published}`;
  return {
    id: known.length <= 500 ? known : createHash('sha256').update(known).digest('hex'),
    title,
    link: isWeb(found.link) ? found.link : '',
    summary: plain(found.summary).slice(0, 4_000),
    author: plain(found.author).slice(0, 200),
    published: Number.isNaN(at.getTime()) ? null : at.toISOString(),
    enclosure: isWeb(url)
      ? { url, type: type.slice(0, 100), bytes: /^\d{1,15}$/.test(length) ? Number(length) : null }
      : null,
  };
}

const isWeb = (url: string) => /^https?:\/\/\S+$/i.test(url) && url.length <= 2_000;

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/** Looked at of one text; what is shown of it is shorter. */
const LONGEST_TEXT = 100_000;

/** Without markup, on one line. */
function plain(text: string): string {
  return withoutTags(text.slice(0, LONGEST_TEXT))
    .replace(/&(#\d{1,7}|#x[0-9a-f]{1,6}|\w{2,6});/gi, (all, name: string) => {
      if (!name.startsWith('#')) return NAMED[name.toLowerCase()] ?? all;
      const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ' ';
    })
    .replace(/\s+/g, ' ')
    .trim();
}

/** Each character is passed once, whatever is opened and never closed. */
function withoutTags(text: string): string {
  const lower = text.toLowerCase();
  let kept = '';
  for (let at = 0; at < text.length; ) {
    const open = text.indexOf('<', at);
    const close = open < 0 ? -1 : text.indexOf('>', open);
    if (close < 0) return kept + text.slice(at);
    kept += `${text.slice(at, open)} `;
    at = close + 1;
    const silent = /^(script|style)\b/.exec(lower.slice(open + 1, open + 8))?.[1];
    if (silent === undefined) continue;
    const end = lower.indexOf(`</${silent}`, at);
    if (end < 0) return kept;
    at = end;
  }
  return kept;
}

function once(items: FeedItem[]): FeedItem[] {
  return [...new Map(items.slice(0, MOST_ITEMS).map((item) => [item.id, item] as const)).values()];
}

/** In the encoding that the answer or the document names; UTF-8 where neither does. */
export function decodeFeed(bytes: Uint8Array, contentType: string): string {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 200));
  const named = /charset="?([\w-]+)/i.exec(contentType)?.[1] ?? /encoding=["']([\w-]+)/i.exec(head)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(named).decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes);
  }
}

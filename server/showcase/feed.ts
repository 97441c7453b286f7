/** A brand's pages as RSS 2.0 with enclosures, for podcast apps and feed readers. Unlisted pages are not in it. */
import { clipName, recordingName, thumbnailName } from './content.ts';
import { html, type Markup } from './html.ts';
import type { BrandView, PublishedView } from './page.ts';

export type FeedItem = Pick<PublishedView, 'path' | 'mediaPath' | 'publishedAt' | 'content'> & { id: string };

export function renderFeed(feed: { brand: BrandView; items: FeedItem[] }): string {
  const { brand, items } = feed;
  const { origin } = brand;
  const home = `${origin}${brand.path}`;
  const picture = brand.logoPath ?? items.map(pictureOf).find((path) => path !== null) ?? null;
  const image = picture && `${origin}${picture}`;
  const language = items.find((item) => item.content.transcript)?.content.transcript?.language;
  const about = brand.about || `Recordings and clips by ${brand.name}.`;
  return html`<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:podcast="https://podcastindex.org/namespace/1.0">
<channel>
<title>${brand.name}</title>
<link>${home}</link>
<atom:link href="${home}/feed.xml" rel="self" type="application/rss+xml"/>
<description>${about}</description>
${language && language !== 'und' && html`<language>${language}</language>\n`}<generator>Spliceboard</generator>
<itunes:author>${brand.name}</itunes:author>
<itunes:explicit>false</itunes:explicit>
${image && html`<itunes:image href="${image}"/>\n<image><url>${image}</url><title>${brand.name}</title><link>${home}</link></image>\n`}${items[0] && html`<lastBuildDate>${new Date(items[0].publishedAt).toUTCString()}</lastBuildDate>\n`}${items.map((entry) => item(entry, origin))}</channel>
</rss>
`.text;
}

function item(entry: FeedItem, origin: string): Markup {
  const { content } = entry;
  const clip = content.clips[0]?.clip;
  const media = content.recording ?? clip?.video;
  const name = recordingName(content) ?? (clip ? clipName(content, 0) : null);
  const picture = pictureOf(entry);
  return html`<item>
<title>${content.title}</title>
<link>${origin}${entry.path}</link>
<guid isPermaLink="false">${entry.id}</guid>
<pubDate>${new Date(entry.publishedAt).toUTCString()}</pubDate>
<description>${content.summary || content.title}</description>
${media && name && html`<enclosure url="${origin}${entry.mediaPath}${name}" length="${media.bytes}" type="${media.mime}"/>\n`}${media?.duration !== undefined && html`<itunes:duration>${Math.round(media.duration)}</itunes:duration>\n`}${picture && html`<itunes:image href="${origin}${picture}"/>\n`}${content.recording && content.transcript && html`<podcast:transcript url="${origin}${entry.mediaPath}captions.vtt" type="text/vtt"/>\n`}</item>
`;
}

function pictureOf({ content, mediaPath }: FeedItem): string | null {
  const index = content.clips.findIndex((each) => each.thumbnail);
  const name = index < 0 ? null : thumbnailName(content, index);
  return name === null ? null : `${mediaPath}${name}`;
}

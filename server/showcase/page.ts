/**
 * The public pages of a brand as HTML: one page per publication, the list of all, and what stands where one was taken
 * back. Pure: everything is read before. Works without its script (native player, links that seek); the script
 * (`assets/page.js`) adds the drawn controls, find, click-to-seek and clips in place.
 */
import {
  chaptersOf,
  clipName,
  linesOf,
  type PageContent,
  recordingName,
  speakersOf,
  thumbnailName,
} from './content.ts';
import { html, Markup } from './html.ts';
import { themeCss, themeOf } from './theme.ts';

export type BrandView = {
  name: string;
  /** Absolute address of this installation, without a slash at the end: for what leaves the page. */
  origin: string;
  /** Path of the brand's list, without a slash at the end. */
  path: string;
  primary: string;
  about: string;
  links: { label: string; url: string }[];
  logoPath: string | null;
};
export type PublishedView = {
  path: string;
  /** Path of its media, with a slash at the end. */
  mediaPath: string;
  publishedAt: string;
  timeZone: string;
  isListed: boolean;
  content: PageContent;
};

/** The style block of a page; its hash stands in the content security policy. */
export function styleOf(brand: BrandView): string {
  return themeCss(themeOf(brand.primary));
}

const icon = (paths: string, size = 16) =>
  new Markup(
    `<svg class="i" width="${size}" height="${size}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="${size >= 20 ? 1.75 : 2}" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${paths}</svg>`,
  );
// lucide (ISC)
const ICON = {
  rss: icon('<path d="M4 11a9 9 0 0 1 9 9"/><path d="M4 4a16 16 0 0 1 16 16"/><circle cx="5" cy="19" r="1"/>'),
  share: icon(
    '<circle cx="18" cy="5" r="3"/><circle cx="6" cy="12" r="3"/><circle cx="18" cy="19" r="3"/><path d="m8.6 13.5 6.8 4"/><path d="m15.4 6.5-6.8 4"/>',
  ),
  download: icon('<path d="M21 15v4a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-4"/><path d="m7 10 5 5 5-5"/><path d="M12 15V3"/>'),
  search: icon('<circle cx="11" cy="11" r="8"/><path d="m21 21-4.3-4.3"/>', 14),
  close: icon('<path d="M18 6 6 18"/><path d="m6 6 12 12"/>', 20),
  play: icon('<polygon points="6 3 20 12 6 21 6 3"/>', 20),
  pause: icon('<rect x="14" y="4" width="4" height="16" rx="1"/><rect x="6" y="4" width="4" height="16" rx="1"/>', 20),
  captions: icon('<rect width="18" height="14" x="3" y="5" rx="2"/><path d="M7 15h4M15 15h2M7 11h2M13 11h4"/>', 20),
  sound: icon(
    '<path d="M11 5 6 9H2v6h4l5 4V5z"/><path class="on" d="M15.5 8.5a5 5 0 0 1 0 7"/><path class="on" d="M19 5a10 10 0 0 1 0 14"/><path class="off" d="m22 9-6 6"/><path class="off" d="m16 9 6 6"/>',
    20,
  ),
  full: icon(
    '<path d="M8 3H5a2 2 0 0 0-2 2v3"/><path d="M21 8V5a2 2 0 0 0-2-2h-3"/><path d="M3 16v3a2 2 0 0 0 2 2h3"/><path d="M16 21h3a2 2 0 0 0 2-2v-3"/>',
    20,
  ),
};

export function timecode(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** "2 min 28 s" */
export function lengthInWords(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes > 0) return rest > 0 ? `${minutes} min ${rest} s` : `${minutes} min`;
  return `${rest} s`;
}

function day(instant: string, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone }).format(
    new Date(instant),
  );
}

type Frame = {
  title: string;
  brand: BrandView;
  language?: string;
  head?: Markup;
  body: Markup;
  /** Addresses of the style and script files, with a version. */
  assets: { css: string; js: string };
};

function frame({ title, brand, language = 'en', head, body, assets }: Frame): string {
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="${assets.css}">
<style>${new Markup(styleOf(brand))}</style>
<link rel="alternate" type="application/rss+xml" title="${brand.name}" href="${brand.path}/feed.xml">
${head}
<script src="${assets.js}" defer></script>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header class="sh">
<a class="row brand" href="${brand.path}">${mark(brand)}<b class="h-16">${brand.name}</b></a>
<nav class="row" aria-label="${brand.name}"><a href="${brand.path}">Episodes</a><a href="${brand.path}#clips">Clips</a>${brand.links.slice(0, 3).map((link) => html`<a href="${link.url}" rel="noopener">${link.label}</a>`)}</nav>
<span class="grow"></span>
<details class="follow"><summary class="btn">${ICON.rss}Follow</summary>
<div class="pop"><p>Add this address to a podcast app or a feed reader. New episodes come by themselves.</p>
<input class="in" readonly aria-label="Address of the feed" value="${brand.origin}${brand.path}/feed.xml">
<div class="row"><button class="btn" type="button" data-copy="${brand.origin}${brand.path}/feed.xml" hidden>Copy the address</button><a class="btn" href="${brand.path}/feed.xml">Open the feed</a></div></div>
</details>
</header>
${body}
<p class="sr" role="status" aria-live="polite" data-say></p>
</body>
</html>
`.text;
}

function mark(brand: BrandView): Markup {
  if (brand.logoPath) return html`<img class="bm" src="${brand.logoPath}" alt="">`;
  return html`<span class="bm" aria-hidden="true">${[...brand.name][0]?.toUpperCase() ?? '·'}</span>`;
}

// ---------------------------------------------------------------- one publication

export function renderPage(view: {
  brand: BrandView;
  page: PublishedView;
  assets: Frame['assets'];
  /** Where the player begins, seconds: links of a transcript work without the script. */
  start: number;
}): string {
  const { brand, page, assets, start } = view;
  const { content } = page;
  const language = content.transcript?.language;
  const main = content.recording ?? content.clips[0]?.clip.video;
  const mainName = recordingName(content) ?? (content.clips.length > 0 ? clipName(content, 0) : null);
  const poster = posterOf(page);
  const clips = content.recording ? content.clips : content.clips.slice(1);
  const offset = content.recording ? 0 : 1;
  const speakers = content.transcript ? speakersOf(content.transcript) : [];
  const hasTranscript = content.recording && content.transcript && content.transcript.words.length > 0;
  return frame({
    title: `${content.title} · ${brand.name}`,
    brand,
    language: language && language !== 'und' ? language : 'en',
    assets,
    head: head(brand, page, mainName, poster),
    body: html`<main class="sm${!hasTranscript && ' solo'}" id="main">
<article>
${main && mainName && player({ page, media: main, name: mainName, start, poster })}
<h1 class="h-28">${content.title}</h1>
<p class="meta"><time datetime="${page.publishedAt}">${day(page.publishedAt, page.timeZone)}</time>${main?.duration !== undefined && html` <span>${lengthInWords(main.duration)}</span>`}${speakers.length > 0 && html` <span>${speakers.join(', ')}</span>`}</p>
${content.summary !== '' && html`<p class="sum">${content.summary}</p>`}
<div class="row acts"><button class="btn lg" type="button" data-share hidden>${ICON.share}Share</button>${mainName && html`<a class="btn lg" href="${page.mediaPath}${mainName}?download" download>${ICON.download}Download</a>`}</div>
</article>
${hasTranscript && transcript(page)}
${clips.length > 0 && html`<section class="mc" id="clips" aria-labelledby="clips-title"><h2 class="h-16" id="clips-title">Clips from this recording</h2><ul>${clips.map((_clip, index) => clipCard(page, index + offset))}</ul></section>`}
</main>
<dialog class="clip" aria-labelledby="clip-title"><div class="row"><h2 class="h-16 grow" id="clip-title"></h2><form method="dialog"><button class="btn icon" aria-label="Close">${ICON.close}</button></form></div></dialog>`,
  });
}

function head(brand: BrandView, page: PublishedView, mainName: string | null, poster: string | null): Markup {
  const { content } = page;
  const media = content.recording ?? content.clips[0]?.clip.video;
  const description = content.summary || `${content.title}, by ${brand.name}.`;
  const isVideo = media?.kind === 'video';
  return html`<link rel="canonical" href="${brand.origin}${page.path}">
<meta name="description" content="${description.slice(0, 300)}">
${!page.isListed && html`<meta name="robots" content="noindex">`}
<meta property="og:site_name" content="${brand.name}">
<meta property="og:type" content="${isVideo ? 'video.other' : 'article'}">
<meta property="og:title" content="${content.title}">
<meta property="og:description" content="${description.slice(0, 300)}">
<meta property="og:url" content="${brand.origin}${page.path}">
${poster && html`<meta property="og:image" content="${brand.origin}${poster}">`}
${media && mainName && html`<meta property="og:${isVideo ? 'video' : 'audio'}" content="${brand.origin}${page.mediaPath}${mainName}"><meta property="og:${isVideo ? 'video' : 'audio'}:type" content="${media.mime}">`}
${isVideo && media.width !== undefined && html`<meta property="og:video:width" content="${media.width}"><meta property="og:video:height" content="${media.height}">`}
<meta name="twitter:card" content="${poster ? 'summary_large_image' : 'summary'}">
${poster && html`<meta name="twitter:image" content="${brand.origin}${poster}">`}`;
}

/** A wide picture first: it is what links to the page are drawn with. */
function posterOf(page: PublishedView): string | null {
  const { clips } = page.content;
  const isWide = (index: number) => (clips[index]!.thumbnail?.width ?? 0) > (clips[index]!.thumbnail?.height ?? 0);
  const withPicture = clips.map((_clip, index) => index).filter((index) => clips[index]!.thumbnail);
  const chosen = withPicture.find(isWide) ?? withPicture[0];
  return chosen === undefined ? null : `${page.mediaPath}${thumbnailName(page.content, chosen)}`;
}

function player(view: {
  page: PublishedView;
  media: NonNullable<PageContent['recording']>;
  name: string;
  start: number;
  poster: string | null;
}): Markup {
  const { page, media, name, start, poster } = view;
  const { content } = page;
  const chapters = content.recording ? chaptersOf(content) : [];
  const length = media.duration ?? 0;
  const language = content.transcript?.language ?? 'und';
  const source = html`<source src="${page.mediaPath}${name}${start > 0 && `#t=${start}`}" type="${media.mime === 'video/quicktime' ? 'video/mp4' : media.mime}">`;
  const captions =
    content.recording && content.transcript ? 'captions.vtt' : content.clips[0]?.captions ? 'clip-1.vtt' : null;
  const track =
    captions &&
    html`<track kind="captions" srclang="${language === 'und' ? 'en' : language}" label="Captions" src="${page.mediaPath}${captions}"${content.recording && html` default`}>`;
  const isTall = (media.height ?? 0) > (media.width ?? 0);
  return html`<figure class="pl${media.kind === 'audio' && ' sound'}${isTall && ' tall'}" data-player>
${
  media.kind === 'audio'
    ? html`${poster && html`<img src="${poster}" alt="">`}<audio controls preload="metadata">${source}${track}</audio>`
    : html`<video controls playsinline preload="metadata"${isTall && poster && html` poster="${poster}"`}>${source}${track}</video>`
}
<p class="cap" aria-hidden="true" hidden></p>
<div class="ct" hidden>
<button type="button" data-act="play" aria-label="Play"><span class="when-paused">${ICON.play}</span><span class="when-playing">${ICON.pause}</span></button>
<span class="tm" data-now>0:00</span>
<span class="sk"><i class="bf"></i><i class="pg"></i>${chapters.map((chapter) => html`<u data-at="${((chapter.start / (length || 1)) * 100).toFixed(2)}"></u>`)}<input type="range" min="0" max="${Math.max(0.1, length).toFixed(2)}" step="0.1" value="0" aria-label="Position"></span>
<span class="tm">${timecode(Math.round(length))}</span>
${track && html`<button type="button" data-act="captions" aria-label="Captions" aria-pressed="true">${ICON.captions}</button>`}
<button type="button" data-act="sound" aria-label="Sound" aria-pressed="true">${ICON.sound}</button>
${media.kind === 'video' && html`<button type="button" data-act="full" aria-label="Full screen">${ICON.full}</button>`}
</div>
</figure>`;
}

function transcript(page: PublishedView): Markup {
  const lines = linesOf(page.content.transcript!);
  return html`<div class="side"><aside aria-labelledby="transcript-title">
<div class="row th2"><h2 class="h-16 grow" id="transcript-title">Transcript</h2><span class="found" data-found></span><label class="in find" hidden>${ICON.search}<input type="search" placeholder="Find" aria-label="Find in the transcript" data-find></label></div>
<div class="tx" tabindex="0" role="region" aria-labelledby="transcript-title" data-lines>${lines.map(
    (line) =>
      html`<div class="ln" data-start="${line.start.toFixed(2)}" data-end="${line.end.toFixed(2)}">${line.speaker && html`<b>${line.speaker}</b>`}<p><a href="?t=${Math.floor(line.start)}#main" aria-label="Play from ${timecode(line.start)}">${timecode(line.start)}</a><span>${line.text}</span></p></div>`,
  )}</div>
</aside></div>`;
}

function clipCard(page: PublishedView, index: number): Markup {
  const { clip, thumbnail, captions } = page.content.clips[index]!;
  const address = `${page.mediaPath}${clipName(page.content, index)}`;
  const isTall = thumbnail && (thumbnail.height ?? 0) >= (thumbnail.width ?? 1);
  const picture = isTall
    ? html`<img src="${page.mediaPath}${thumbnailName(page.content, index)}" alt="" loading="lazy">`
    : html`<video src="${address}#t=0.5" preload="metadata" muted playsinline tabindex="-1" aria-hidden="true"></video>`;
  return html`<li><a href="${address}" data-clip="${clip.segment.title}"${captions && html` data-captions="${page.mediaPath}clip-${index + 1}.vtt"`}><figure>${picture}<figcaption>${clip.segment.title}<span>${timecode(clip.video.duration ?? clip.segment.end - clip.segment.start)}</span></figcaption></figure></a></li>`;
}

// ---------------------------------------------------------------- all publications, and none

export function renderIndex(view: { brand: BrandView; pages: PublishedView[]; assets: Frame['assets'] }): string {
  const { brand, pages, assets } = view;
  const about = brand.about || `Recordings and clips by ${brand.name}.`;
  const clips = pages.flatMap((page) => page.content.clips.map((_clip, index) => ({ page, index }))).slice(0, 10);
  const picture = pages.map(posterOf).find((url) => url !== null) ?? null;
  return frame({
    title: brand.name,
    brand,
    assets,
    head: html`<link rel="canonical" href="${brand.origin}${brand.path}">
<meta name="description" content="${about.slice(0, 300)}">
<meta property="og:site_name" content="${brand.name}"><meta property="og:type" content="website"><meta property="og:title" content="${brand.name}"><meta property="og:description" content="${about.slice(0, 300)}"><meta property="og:url" content="${brand.origin}${brand.path}">${picture && html`<meta property="og:image" content="${brand.origin}${picture}">`}`,
    body: html`<main class="sm solo" id="main">
<h1 class="h-28">Episodes</h1>
${
  pages.length === 0
    ? html`<p class="sum">Nothing is published yet.</p>`
    : html`<ul class="eps">${pages.map((page) => episode(page))}</ul>`
}
${clips.length > 0 && html`<section class="mc" id="clips" aria-labelledby="clips-title"><h2 class="h-16" id="clips-title">Clips</h2><ul>${clips.map(({ page, index }) => clipCard(page, index))}</ul></section>`}
</main>
<dialog class="clip" aria-labelledby="clip-title"><div class="row"><h2 class="h-16 grow" id="clip-title"></h2><form method="dialog"><button class="btn icon" aria-label="Close">${ICON.close}</button></form></div></dialog>`,
  });
}

function episode(page: PublishedView): Markup {
  const { content } = page;
  const media = content.recording ?? content.clips[0]?.clip.video;
  const poster = posterOf(page);
  const name = recordingName(content);
  return html`<li><a href="${page.path}"><figure>${
    poster
      ? html`<img src="${poster}" alt="" loading="lazy">`
      : media?.kind === 'video' && name
        ? html`<video src="${page.mediaPath}${name}#t=1" preload="metadata" muted playsinline tabindex="-1" aria-hidden="true"></video>`
        : html`<span class="none"></span>`
  }</figure><div><h2 class="h-16">${content.title}</h2><p class="meta"><time datetime="${page.publishedAt}">${day(page.publishedAt, page.timeZone)}</time>${media?.duration !== undefined && html` <span>${lengthInWords(media.duration)}</span>`}${content.clips.length > 0 && html` <span>${content.clips.length} ${content.clips.length === 1 ? 'clip' : 'clips'}</span>`}</p>${content.summary !== '' && html`<p class="sum">${content.summary.slice(0, 240)}</p>`}</div></a></li>`;
}

/** `gone`: it was here and was taken back. Otherwise it never was. */
export function renderMissing(view: { brand: BrandView | null; gone: boolean; assets: Frame['assets'] }): string {
  const brand = view.brand ?? {
    name: 'Spliceboard',
    origin: '',
    path: '/',
    primary: '#2c45e4',
    about: '',
    links: [],
    logoPath: null,
  };
  const title = view.gone ? 'This page was taken back' : 'This page is not here';
  if (!view.brand) {
    return html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><link rel="stylesheet" href="${view.assets.css}"><style>${new Markup(styleOf(brand))}</style></head><body><main class="sm solo" id="main"><h1 class="h-28">${title}</h1><p class="sum">Check the address.</p></main></body></html>\n`
      .text;
  }
  return frame({
    title: `${title} · ${brand.name}`,
    brand,
    assets: view.assets,
    head: html`<meta name="robots" content="noindex">`,
    body: html`<main class="sm solo" id="main"><h1 class="h-28">${title}</h1><p class="sum">${view.gone ? `${brand.name} no longer shows it.` : 'Check the address.'}</p><div class="row acts"><a class="btn lg" href="${brand.path}">All episodes of ${brand.name}</a></div></main>`,
  });
}

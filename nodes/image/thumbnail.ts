/**
 * Makes thumbnails of a clip: the best still of the recording behind it, a template in the brand's colours and fonts,
 * and a title that fits. Faces stay free: text stands on the side away from the largest one and never on it.
 *
 * Each template (`thumbnail/templates.ts`) is a pure function from what is shown to a tree of plain elements with
 * absolute places; the render capability draws it. Text is laid out from measured word widths, line by line
 * (`thumbnail/fit.ts`), so nothing can run out of its box. White text stands only where it reaches 4.5:1, else the ink
 * colour does (`thumbnail/colour.ts`).
 */
import * as z from 'zod';
import { type Asset, type Clip, defineManifest, type ImageAsset, NodeError, port, type Run } from '../contract.ts';
import { measure, words } from './thumbnail/fit.ts';
import type { Content, Still } from './thumbnail/page.ts';
import { compose, TEMPLATES } from './thumbnail/templates.ts';

const SIZES = {
  wide: { width: 1280, height: 720 },
  square: { width: 1080, height: 1080 },
  upright: { width: 1080, height: 1920 },
} as const;

/** What the example's drawing gives. */
const DRAWN: z.infer<typeof ImageAsset> = {
  asset: 'e'.repeat(64),
  kind: 'image',
  mime: 'image/jpeg',
  bytes: 90_000,
  width: 1280,
  height: 720,
  name: 'Ask what you can do (wide).jpg',
};

export const manifest = defineManifest({
  id: 'image.thumbnail',
  version: '1.0.0',
  title: 'Thumbnail',
  help: 'Takes the best still of a clip, sets a title in the brand’s look, and draws it in the sizes platforms ask for. Faces stay free.',
  icon: 'image',
  family: 'shape',
  aliases: ['cover', 'poster', 'preview', 'picture', 'open graph', 'still'],
  shape: 'step',
  effect: 'pure',
  weight: 'heavy',
  inputs: { clip: port.clip({ title: 'Clip' }) },
  outputs: {
    thumbnail: port.image({ title: 'Thumbnail', help: 'The first of the sizes.' }),
    sizes: port.image.list({ title: 'All sizes' }),
  },
  config: z.strictObject({
    template: z.enum(TEMPLATES).default('corner').meta({
      title: 'Template',
      help: 'corner: title over the still. split: title beside it. quote: a sentence over a dark still. number: one large number. tape: title on a strip. frame: like a print.',
    }),
    title: z
      .string()
      .max(160)
      .default('')
      .meta({ title: 'Title', help: 'Empty: the segment’s title, in at most five words.' }),
    sizes: z
      .array(z.enum(['wide', 'square', 'upright']))
      .min(1)
      .max(3)
      .default(['wide', 'square', 'upright'])
      .meta({ title: 'Sizes', help: 'wide 1280 × 720, square 1080 × 1080, upright 1080 × 1920.', group: 'More' }),
    format: z.enum(['jpeg', 'png']).default('jpeg').meta({ title: 'Format', group: 'More' }),
  }),
  capabilities: { media: ['frames'], render: true, brand: ['name', 'colors', 'fonts', 'logo'] },
  fields: ['template', 'title'],
  example: {
    config: { template: 'split', sizes: ['wide'] },
    inputs: {
      clip: {
        id: 'segment-1',
        video: {
          asset: 'c'.repeat(64),
          kind: 'video',
          mime: 'video/mp4',
          bytes: 2_400_000,
          width: 1080,
          height: 1920,
          duration: 10,
        },
        segment: {
          id: 'segment-1',
          title: 'Ask what you can do',
          start: 0,
          end: 10,
          summary: '',
          score: 0.9,
          why: '',
          quotes: [],
          topics: [],
        },
        language: 'en',
        words: [],
        speakers: [],
        aspect: '9:16',
        captions: 'marker',
        framing: 'Follows the person.',
        source: { asset: 'a'.repeat(64), start: 0, end: 10 },
      },
    },
    replies: [
      [
        {
          asset: { asset: 'd'.repeat(64), kind: 'image', mime: 'image/jpeg', bytes: 60_000, width: 1280, height: 720 },
          time: 4,
          sharpness: 1,
          exposure: 0.9,
          faces: [{ x: 0.42, y: 0.1, width: 0.11, height: 0.26, confidence: 0.95 }],
          score: 0.95,
        },
      ],
      {
        width: 3000,
        height: 7000,
        lines: 7,
        wrapped: ['n n', 'nn', 'Ask', 'what', 'you', 'can', 'do'],
        widths: [1450, 1200, 1800, 2300, 1700, 1800, 1200],
      },
      { width: 6000, height: 3000, lines: 3, wrapped: ['n n', 'nn', 'Example brand'], widths: [1400, 1150, 6500] },
      DRAWN,
    ],
    outputs: {
      thumbnail: { ...DRAWN, of: 'segment-1' },
      sizes: [{ ...DRAWN, of: 'segment-1' }],
    },
  },
});

/** At most five words, not ending on one that leans on the next. */
export function shortTitle(title: string): string {
  const all = words(title);
  if (all.length <= 5) return all.join(' ');
  const short = all.slice(0, 5);
  const leaning =
    /^(a|an|the|of|to|in|on|at|for|with|and|or|but|is|are|der|die|das|und|zu|mit|für|le|la|les|de|et|el|los|y)$/i;
  while (short.length > 2 && leaning.test(short.at(-1)!)) short.pop();
  return short.join(' ').replace(/[,;:–-]+$/, '');
}

const clock = (seconds: number) => {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
};

/** The number of a title and what it counts; else the clip's length in seconds. */
export function numberOf(title: string, durationSeconds: number): { value: string; counts: string } {
  const match = /(?:^|\s)([$€£]?\d[\d.,:]{0,6}\s?(?:%|k|m|×)?)(?=\s|$)/iu.exec(title);
  const value = match?.[1]?.replace(/[.,:]$/, '').replace(/\s/g, '');
  const rest = match
    ? words(`${title.slice(0, match.index)} ${title.slice(match.index + match[0].length)}`).join(' ')
    : '';
  if (value && rest) return { value, counts: rest };
  return { value: String(Math.max(1, Math.round(durationSeconds))), counts: `seconds: ${title}` };
}

function mainSpeaker(clip: Clip): string | null {
  const spoken = new Map<string, number>();
  for (const { speaker } of clip.words) if (speaker) spoken.set(speaker, (spoken.get(speaker) ?? 0) + 1);
  const [most] = [...spoken].sort((a, b) => b[1] - a[1]);
  return clip.speakers.find(({ id }) => id === most?.[0])?.name ?? null;
}

const STILLS = 3;

export const run: Run<typeof manifest> = async (ctx, { clip }) => {
  const { template, sizes, format } = ctx.config;
  const { brand } = ctx;
  const from = clip.source ?? { asset: clip.video.asset, start: 0, end: clip.video.duration ?? 1 };
  let still: Still | null = null;
  try {
    const [best] = await ctx.media.frames({ ...from, count: STILLS });
    if (best) {
      still = {
        asset: best.asset.asset,
        width: best.asset.width ?? 1280,
        height: best.asset.height ?? 720,
        faces: best.faces,
      };
      ctx.fact('still', clock(best.time));
    }
  } catch (error) {
    // sound alone: the templates stand on the brand's colours
    if ((error as { code?: string }).code !== 'MEDIA_NO_PICTURE') throw error;
  }
  const own = ctx.config.title.trim();
  const title = own || shortTitle(clip.segment.title) || brand.name;
  if (!title)
    throw new NodeError('THUMBNAIL_NO_TITLE', 'There is neither a title nor a brand name to write.', {
      hint: 'Write a title in this node.',
    });
  const quote = own || clip.segment.quotes.find((each) => each.length <= 110) || clip.segment.title || title;
  const name = mainSpeaker(clip) ?? brand.name;
  const counted = numberOf(own || clip.segment.title, clip.video.duration ?? clip.segment.end - clip.segment.start);
  const initial = [...brand.name.trim()][0]?.toUpperCase() ?? '';
  const written = template === 'quote' ? [quote] : template === 'number' ? [counted.value, counted.counts] : [title];
  const weight = template === 'quote' ? 600 : 700;
  const display = await measure(
    ctx.render,
    template === 'corner' ? [...written, initial] : written,
    brand.fonts.display,
    weight,
  );
  const text = await measure(ctx.render, [name], brand.fonts.text, 600);
  const content: Content = {
    title,
    quote,
    name,
    time: clock(clip.segment.start),
    number: counted,
    still,
    brand,
    display,
    text,
  };
  const drawn: z.infer<typeof ImageAsset>[] = [];
  for (const [index, size] of [...new Set(sizes)].entries()) {
    const { width, height } = SIZES[size];
    const { root } = compose(template, { width, height }, content);
    const asset: Asset = await ctx.render.image({
      root,
      width,
      height,
      name: `${title.slice(0, 120)} (${size})`,
      format,
    });
    drawn.push({ ...asset, kind: 'image', of: clip.id });
    ctx.progress((index + 1) / sizes.length);
  }
  ctx.fact('sizes', String(drawn.length));
  return { thumbnail: drawn[0]!, sizes: drawn };
};

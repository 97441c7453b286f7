/** The local engine: needs no key and gives the same answer every time. */
import type { Segment } from '../../contract.ts';
import { type Border, bordersOf, similarities } from './borders.ts';
import { describe, phrasesAmong } from './describe.ts';
import { type Sentence, timesOf } from './sentences.ts';
import { bestSpans, type Limits } from './spans.ts';

/** `vectors`: one unit vector a sentence, or undefined where only shared words are to be used. */
export function chunkLocally(sentences: Sentence[], limits: Limits, vectors?: number[][]): Segment[] {
  const similar = similarities(sentences, vectors);
  const borders = bordersOf(sentences, similar);
  const spans = bestSpans(sentences, borders, similar, limits);
  const phrases = phrasesAmong(sentences);
  return spans.map((span, index) => {
    const inside = sentences.slice(span.first, span.last + 1);
    return {
      id: `segment-${index + 1}`,
      ...timesOf(inside),
      ...describe(inside, phrases, index),
      score: Math.round(span.score * 100) / 100,
      why: whyOf(inside, borders[span.first]!, borders[span.last + 1]),
    };
  });
}

function whyOf(inside: Sentence[], opens: Border, closes: Border | undefined): string {
  const said = (border: Border, verb: string) => {
    const reasons = [
      border.subject > 0.5 && border.subject < 1 ? 'where the subject changes' : null,
      border.pauseMs >= 700
        ? `${verb === 'Begins' ? 'after' : 'before'} a pause of ${(border.pauseMs / 1000).toFixed(1)} s`
        : null,
      border.turned ? 'where the speaker changes' : null,
    ].filter((reason) => reason !== null);
    return reasons.length > 0 ? `${verb} ${reasons.join(', ')}.` : null;
  };
  const length = Math.round((inside.at(-1)!.end - inside[0]!.start) / 1000);
  const spoken = inside.some((sentence) => sentence.text !== '');
  return [
    said(opens, 'Begins'),
    closes ? said(closes, 'Ends') : 'Ends with the recording.',
    spoken
      ? `${inside.length} ${inside.length === 1 ? 'sentence' : 'whole sentences'}, ${length} s.`
      : `${length} s of speech; no words are known.`,
  ]
    .filter((sentence) => sentence !== null)
    .join(' ');
}

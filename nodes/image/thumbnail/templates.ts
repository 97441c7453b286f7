/**
 * The templates by name. Each is a pure function from what is shown to a drawing; sizes are given for a picture whose
 * shorter side is 720 pixels and grow with it.
 */
import { corner } from './corner.ts';
import { frame } from './frame.ts';
import { number } from './number.ts';
import { type Content, type Drawing, type Make, Page } from './page.ts';
import { quote } from './quote.ts';
import { split } from './split.ts';
import { tape } from './tape.ts';

export const TEMPLATES = ['corner', 'split', 'quote', 'number', 'tape', 'frame'] as const;
export type Template = (typeof TEMPLATES)[number];

const MAKERS: Record<Template, Make> = { corner, split, quote, number, tape, frame };

/** One thumbnail as a tree, with where its texts and faces come to lie. */
export function compose(template: Template, size: { width: number; height: number }, content: Content): Drawing {
  return MAKERS[template](new Page(size.width, size.height, content), content, Math.min(size.width, size.height) / 720);
}

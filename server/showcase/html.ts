/**
 * HTML and XML as templates that escape whatever is put into them. A string becomes text; only another `html` value
 * stays markup, so nothing a person typed can become a tag or leave its attribute (attributes are always quoted).
 */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}
export type Part = string | number | Markup | null | undefined | false | readonly Part[];

const SIGNS: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
/** Control characters but tab and line ends: XML 1.0 forbids them even when escaped. */
const CONTROL = /[^\P{Cc}\t\n\r]|[\ufffe\uffff]/gu;

export function escapeText(text: string): string {
  return text
    .toWellFormed()
    .replace(CONTROL, '')
    .replace(/[&<>"']/g, (sign) => SIGNS[sign]!);
}

function render(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Markup) return part.text;
  if (Array.isArray(part)) return part.map(render).join('');
  return escapeText(String(part));
}

export function html(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  return new Markup(strings.reduce((text, string, index) => text + render(parts[index - 1]) + string));
}

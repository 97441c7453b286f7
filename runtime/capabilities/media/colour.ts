/**
 * Colours as captions need them: WCAG contrast, mixing, and how much shade a picture wants behind its text.
 * Colours are `#rrggbb`; luminance and alpha are in [0, 1]. Source: WCAG 2.2, relative luminance.
 */
export type Rgb = readonly [number, number, number];

export function parseColour(hex: string): Rgb {
  const value = Number.parseInt(/^#([0-9a-f]{6})$/i.exec(hex)?.[1] ?? '000000', 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

const linear = (channel: number) => {
  const value = channel / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
};
export const luminance = ([red, green, blue]: Rgb) =>
  0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);

export function contrast(a: Rgb, b: Rgb): number {
  const [high, low] = [luminance(a), luminance(b)].sort((one, two) => two - one) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** `share` of b in a, as a display mixes them. */
export const mix = (a: Rgb, b: Rgb, share: number): Rgb =>
  a.map((channel, index) => Math.round(channel + (b[index]! - channel) * share)) as unknown as Rgb;

export const WHITE: Rgb = [255, 255, 255];
export const BLACK: Rgb = [0, 0, 0];
export const READABLE = 4.5;

/** The tone itself, or made lighter until it could be read on a fully shaded picture. */
export function lightEnough(tone: Rgb): Rgb {
  for (let share = 0; share < 1; share += 0.1) {
    const lighter = mix(tone, WHITE, share);
    if (luminance(lighter) >= 0.5) return lighter;
  }
  return WHITE;
}

/** White where it can be read on the colour, else the dark ink, else whichever is better of white and black. */
export function textOn(ground: Rgb, ink: Rgb): Rgb {
  if (contrast(WHITE, ground) >= READABLE) return WHITE;
  if (contrast(ink, ground) >= READABLE) return ink;
  return contrast(WHITE, ground) >= contrast(BLACK, ground) ? WHITE : BLACK;
}

/** The least black over `bright` on which `text` reads at 4.5:1, in steps of 0.04; null where even 0.88 is too little. */
export function shadeFor(bright: Rgb, text: Rgb): number | null {
  for (let alpha = 0; alpha <= 0.88; alpha += 0.04) {
    if (contrast(text, mix(bright, BLACK, alpha)) >= READABLE * 1.06) return Math.round(alpha * 100) / 100;
  }
  return null;
}

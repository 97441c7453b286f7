/** Contrast of colours by WCAG 2.2 (relative luminance, read 2026-11). Colours are `#rrggbb`. Pure. */

export const isColor = (text: string): boolean => /^#[0-9a-f]{6}$/i.test(text);

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** From 1 (the same) to 21 (black on white). */
export function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** Reading text needs this much. */
export const READABLE = 4.5;

/** The text that reads better on a ground: white, or the brand's ink. */
export const textOn = (ground: string, ink: string): string =>
  contrast('#ffffff', ground) >= READABLE || contrast('#ffffff', ground) >= contrast(ink, ground) ? '#ffffff' : ink;

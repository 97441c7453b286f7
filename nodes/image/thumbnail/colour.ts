/** Colours as `#rrggbb`: which of a brand's reads on which. Source for contrast: WCAG 2.2. */

type Rgb = [number, number, number];
const parse = (hex: string): Rgb => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as Rgb;
export function luminance(hex: string): number {
  const [red, green, blue] = parse(hex).map((channel) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
export function contrast(a: string, b: string): number {
  const [one, two] = [luminance(a), luminance(b)];
  return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}
export const WHITE = '#ffffff';
export const DARK = '#1a1714';
/** The first of these that reaches 4.5:1 on the ground, else the better of black and white. */
export function textOn(ground: string, ...wanted: string[]): string {
  const good = wanted.find((colour) => contrast(colour, ground) >= 4.6);
  return good ?? (contrast(WHITE, ground) >= contrast('#000000', ground) ? WHITE : '#000000');
}
/** The tone, or darker until it can be read on the ground. */
export function darkTone(hex: string, ground: string, ink: string): string {
  for (let share = 0; share <= 0.35; share += 0.05) {
    const darker = `#${parse(hex)
      .map((channel) =>
        Math.round(channel * (1 - share))
          .toString(16)
          .padStart(2, '0'),
      )
      .join('')}`;
    if (contrast(darker, ground) >= 4.6) return darker;
  }
  return ink; // a light tone made that dark is another colour
}
/** The tone, or lighter until it can be seen on black. */
export function lightTone(hex: string): string {
  for (let share = 0; share < 1; share += 0.1) {
    const lighter = `#${parse(hex)
      .map((channel) =>
        Math.round(channel + (255 - channel) * share)
          .toString(16)
          .padStart(2, '0'),
      )
      .join('')}`;
    if (luminance(lighter) >= 0.4) return lighter;
  }
  return WHITE;
}

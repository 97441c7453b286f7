/**
 * A brand's colour made readable: the tone itself for grounds, darker or lighter ones where it is text. Ratios are
 * WCAG 2's; 4.5 is what text needs. Pure.
 */
type Rgb = [number, number, number];

const parse = (hex: string): Rgb => {
  const value = /^#[0-9a-f]{6}$/i.test(hex) ? Number.parseInt(hex.slice(1), 16) : 0x2c45e4;
  return [value >> 16, (value >> 8) & 255, value & 255];
};
const print = (rgb: Rgb) => `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;
const mix = (a: Rgb, b: Rgb, share: number): Rgb => a.map((part, index) => part + (b[index]! - part) * share) as Rgb;

function luminance(rgb: Rgb): number {
  const [red, green, blue] = rgb.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
export function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(parse(a)), luminance(parse(b))].sort((one, other) => other - one) as [
    number,
    number,
  ];
  return (light + 0.05) / (dark + 0.05);
}

/** `color` moved towards `towards` until it can be read on `ground`. */
function readable(color: Rgb, towards: Rgb, ground: string): string {
  for (let share = 0; share < 1; share += 0.05) {
    const tone = print(mix(color, towards, share));
    if (contrast(tone, ground) >= 4.6) return tone;
  }
  return print(towards);
}

/** A ground in the colour's tone on which the muted text of the page can still be read. */
function softened(color: Rgb, ground: Rgb, from: number, muted: string): string {
  for (let share = from; share < 1; share += 0.02) {
    const tone = print(mix(color, ground, share));
    if (contrast(muted, tone) >= 4.5) return tone;
  }
  return print(ground);
}

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];
/** Grounds of the page, light and dark: `--surface` and `--raised` of the product's tokens. */
const PAPER = '#fbfaf9';
const NIGHT = '#232221';

export type Theme = { accent: string; onAccent: string; light: Tones; dark: Tones };
type Tones = { text: string; soft: string; bar: string };

export function themeOf(primary: string): Theme {
  const color = parse(primary);
  const accent = print(color);
  const lightSoft = softened(color, WHITE, 0.88, '#5e5b55');
  const darkSoft = softened(color, [24, 24, 23], 0.74, '#aca8a1');
  const lightText = readable(color, BLACK, lightSoft);
  const darkText = readable(color, WHITE, darkSoft);
  return {
    accent,
    onAccent:
      contrast(accent, '#ffffff') >= 4.5 ? '#ffffff' : contrast(accent, '#1c1b19') >= 4.5 ? '#1c1b19' : '#ffffff',
    light: {
      text: contrast(lightText, PAPER) >= 4.5 ? lightText : readable(color, BLACK, PAPER),
      soft: lightSoft,
      bar: readable(color, WHITE, '#2a2825'),
    },
    dark: {
      text: contrast(darkText, NIGHT) >= 4.5 ? darkText : readable(color, WHITE, NIGHT),
      soft: darkSoft,
      bar: readable(color, WHITE, '#2a2825'),
    },
  };
}

/** As custom properties; every value was printed by us, so nothing of it is a person's text. */
export function themeCss(theme: Theme): string {
  return `:root{--brand:${theme.accent};--on-brand:${theme.onAccent};--accent-text:light-dark(${theme.light.text},${theme.dark.text});--accent-soft:light-dark(${theme.light.soft},${theme.dark.soft});--bar:${theme.light.bar}}`;
}

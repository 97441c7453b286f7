/** What a kit looks like: its captions on a clip and a thumbnail, drawn by the browser as a promise of the real ones. */
import '@fontsource-variable/bricolage-grotesque/index.css';
import '@fontsource/noto-sans/latin-400.css';
import '@fontsource/noto-sans/latin-700.css';
import type { BrandKit } from '../../nodes/contract.ts';
import { contrast, isColor, READABLE, textOn } from './contrast.ts';

const SAMPLE = ['Ask', 'what', 'you', 'can', 'do'];

export function KitLook({ kit, name, logo }: { kit: BrandKit; name: string; logo: string | null }) {
  const { colors, fonts } = kit;
  const color = (text: string, other: string) => (isColor(text) ? text : other);
  const primary = color(colors.primary, '#2c45e4');
  const light = color(colors.light, '#c9d1ff');
  const ink = color(colors.ink, '#1c1b19');
  const onPrimary = textOn(primary, ink);
  const display = { fontFamily: `"${fonts.display} Variable", "${fonts.display}", var(--sans)` };
  const text = { fontFamily: `"${fonts.text} Variable", "${fonts.text}", var(--sans)` };
  const { style } = kit.captions;
  return (
    <aside className="look" aria-label="How it looks">
      <div className="tall">
        {style === 'plain' && <div className="plainbg" />}
        {style === 'marker' && (
          <p className="cap marker" style={display}>
            {SAMPLE.slice(0, 2).join(' ')} <span style={{ background: primary, color: onPrimary }}>you</span>{' '}
            {SAMPLE.slice(3).join(' ')}
          </p>
        )}
        {style === 'plain' && (
          <p className="cap plain" style={text}>
            {SAMPLE.join(' ')}
          </p>
        )}
        {style === 'box' && (
          <p className="cap box" style={text}>
            <span>{SAMPLE.join(' ')}</span>
          </p>
        )}
        {style === 'stack' && (
          <p className="cap stack" style={display}>
            Ask what
            <br />
            <span style={{ color: light }}>you</span> can do
          </p>
        )}
      </div>
      <div className="thumb" style={{ background: primary, color: onPrimary }}>
        <b style={display}>Ask what you can do</b>
        <span className="row" style={text}>
          {logo && <img src={logo} alt="" className="h-5 w-auto" />}
          {name}
        </span>
      </div>
      {isColor(colors.primary) && contrast('#ffffff', primary) < READABLE && (
        <p className="t-12 muted">White does not read on this primary, so its text is drawn in ink.</p>
      )}
    </aside>
  );
}

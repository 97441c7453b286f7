/** What a node type is for, what it takes and gives, and where it reaches. */
import type { ManifestJson } from '../../nodes/contract.ts';
import { portLabel } from '../canvas/ports.ts';
import { PortGlyph } from '../ui/parts.tsx';

const EFFECT_WORDS = {
  pure: 'Same inputs give the same result, so unchanged work is reused.',
  'reads-external': 'Asks a service outside this machine.',
  'writes-external': 'Changes something outside. A rehearsal only shows what it would do.',
};

export function HelpTab({ manifest }: { manifest: ManifestJson }) {
  const reach = (manifest.capabilities.http ?? []).map((grant) => `${grant.host ?? 'its own account'}, ${grant.why}`);
  return (
    <div className="p-4 grid gap-4">
      <p>{manifest.help}</p>
      <p className="muted t-12">{EFFECT_WORDS[manifest.effect]}</p>
      {(['inputs', 'outputs'] as const).map((side) => {
        const ports = Object.entries(manifest[side]);
        return (
          ports.length > 0 && (
            <section key={side}>
              <h3 className="eyebrow mb-1">{side === 'inputs' ? 'Takes in' : 'Gives'}</h3>
              <ul className="grid gap-1.5">
                {ports.map(([name, port]) => (
                  <li key={name} className="row">
                    <PortGlyph type={port.type} list={port.list} />
                    <span>{portLabel(name, port)}</span>
                    <span className="faint t-12">
                      {[port.list ? 'list' : null, port.optional ? 'optional' : null].filter(Boolean).join(', ')}
                    </span>
                  </li>
                ))}
              </ul>
            </section>
          )
        );
      })}
      {reach.length > 0 && (
        <section>
          <h3 className="eyebrow mb-1">May contact</h3>
          <ul className="t-12 muted">
            {reach.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </section>
      )}
      {manifest.aliases.length > 0 && <p className="t-12 muted">Also found as {manifest.aliases.join(', ')}.</p>}
      <p className="faint mono">
        {manifest.id} {manifest.version}
      </p>
    </div>
  );
}

/** That a node's outputs are fixed in the draft, what they are, and the way out. */
import type { ManifestJson } from '../../nodes/contract.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { holds } from '../../runtime/graph/pins.ts';
import { portLabel } from '../canvas/ports.ts';
import { usePin } from '../canvas/use-pin.ts';
import { Button } from '../ui/button.tsx';
import { bytes } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';

export function PinBox({ node, manifest }: { node: GraphNode; manifest: ManifestJson }) {
  const { canPin, unpin, edit } = usePin();
  if (!node.pin) return null;
  const isUsed = holds(node.pin, manifest);
  return (
    <section className="insp-pin" aria-label="Pin">
      <p className="insp-why">
        <Icon name="pin" size={14} />
        <span>
          {isUsed
            ? 'Pinned. Runs of the draft take this instead of running the node; a published version never does.'
            : 'This pin is not used: what the node gives has changed since.'}
        </span>
      </p>
      <dl className="insp-facts mb-3">
        {Object.entries(node.pin.outputs).map(([name, stored]) => {
          const port = Object.hasOwn(manifest.outputs, name) ? manifest.outputs[name] : undefined;
          return (
            <div key={name} className="contents">
              <dt>{port ? portLabel(name, port) : name}</dt>
              <dd>{inShort(stored)}</dd>
            </div>
          );
        })}
      </dl>
      {canPin && (
        <div className="row">
          <Button size="xs" onClick={() => edit(node.id)}>
            Edit
          </Button>
          <Button size="xs" look="quiet" onClick={() => unpin(node.id)}>
            Take the pin away
          </Button>
        </div>
      )}
    </section>
  );
}

const LONGEST = 140;

function inShort({ value, preview, count, bytes: size }: NonNullable<GraphNode['pin']>['outputs'][string]): string {
  const shown = value ?? preview;
  const text = typeof shown === 'string' ? shown : JSON.stringify(shown);
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return count === null ? `${cut} (${bytes(size)})` : `${count} ${count === 1 ? 'item' : 'items'}: ${cut}`;
}

/** What a plugin asks for, in plain words, with the reason its author gives: read before it is allowed, and on its page. */
import type { ReactNode } from 'react';
import type { Outputs } from '../api.ts';
import { Switch } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';

type AskedRight = Pick<
  Outputs['plugins']['look']['rights'][number],
  'id' | 'title' | 'why' | 'touches' | 'host' | 'isAllowed'
>;
type Touches = AskedRight['touches'];

/** What weighs most comes first. */
const ORDER: readonly Touches[] = ['world', 'money', 'hosts', 'data', 'none'];
const GROUPS: Record<Touches, { title: string; icon: string }> = {
  world: { title: 'Changes things outside', icon: 'send' },
  money: { title: 'May cost money', icon: 'coins' },
  hosts: { title: 'Reaches other servers', icon: 'globe' },
  data: { title: 'Sees or keeps something of yours', icon: 'eye' },
  none: { title: 'Also', icon: 'circle-check' },
};

type Props<R extends AskedRight> = {
  rights: readonly R[];
  /** Ids of those that are allowed. */
  allowed: ReadonlySet<string>;
  onChange?: ((allowed: ReadonlySet<string>) => void) | undefined;
  /** Beside a right, such as what was done with it. */
  more?: (right: R) => ReactNode;
};

export function Rights<R extends AskedRight>({ rights, allowed, onChange, more }: Props<R>) {
  return (
    <div className="rights">
      {ORDER.map((touches) => {
        const group = rights.filter((right) => right.touches === touches);
        if (group.length === 0) return null;
        return (
          <section key={touches} aria-label={GROUPS[touches].title}>
            <h3 className="rights-head">
              <Icon name={GROUPS[touches].icon} size={14} />
              {GROUPS[touches].title}
            </h3>
            <ul>
              {group.map((right) => (
                <li key={right.id}>
                  <div className="grow min-w-0">
                    <p className="rights-title">{right.title}</p>
                    {right.why.map((reason) => (
                      <p key={reason} className="muted t-12">
                        “{reason}”
                      </p>
                    ))}
                    {more?.(right)}
                  </div>
                  {onChange && (
                    <Switch
                      checked={allowed.has(right.id)}
                      label={`Allow: ${right.title}`}
                      onChange={(isOn) => {
                        const next = new Set(allowed);
                        if (isOn) next.add(right.id);
                        else next.delete(right.id);
                        onChange(next);
                      }}
                    />
                  )}
                </li>
              ))}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

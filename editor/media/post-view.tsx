/** Something published: where it is, when it went out, or what a dry run would have done. */
import type { Post } from '../../nodes/contract.ts';
import { dateTime } from '../shell/dates.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge } from '../ui/parts.tsx';

export function PostView({ value }: { value: Post }) {
  return (
    <article className="card p-3 grid gap-1">
      <div className="row">
        <Icon name="globe" size={14} className="text-muted" />
        <b className="grow cut font-[550]">{value.title}</b>
        {value.simulated ? <Badge tone="info">Rehearsal</Badge> : <Badge tone="ok">Live</Badge>}
      </div>
      <p className="t-12 muted">
        {value.simulated ? 'Would be published to' : 'Published to'} {value.platform}
        {!value.simulated && `, ${dateTime(value.publishedAt)}`}
      </p>
      {!value.simulated && (
        <a
          href={value.url}
          target="_blank"
          rel="noreferrer"
          className="t-12 cut inline-flex items-center gap-1 w-fit max-w-full"
        >
          <span className="cut">{value.url}</span>
          <Icon name="external-link" size={12} />
        </a>
      )}
    </article>
  );
}

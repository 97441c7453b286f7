/** The way to what has failed for good, with how many runs that are. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client } from '../api.ts';
import { atLeast, useRole } from '../session/session.ts';
import { Icon } from '../ui/icon.tsx';

export function FailuresLink({ workspaceId }: { workspaceId: string }) {
  const role = useRole(workspaceId);
  const { data } = useQuery({
    queryKey: ['failures', workspaceId, 'count'],
    enabled: atLeast(role, 'analyst'),
    queryFn: () => client.failures.count.query({ workspaceId }),
    refetchInterval: 20_000,
  });
  if (!atLeast(role, 'analyst')) return null;
  const count = data?.runs ?? 0;
  const words = count >= 100 ? '99+' : String(count);
  return (
    <Link to="/w/$workspaceId/failures" params={{ workspaceId }} className="btn sm">
      <Icon name="circle-x" size={14} className={count > 0 ? 'text-danger' : ''} />
      Failed{count > 0 && <span className="muted">{words}</span>}
    </Link>
  );
}

/** A line below the bar while the disk is nearly full: before uploads are refused, and while they are. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client } from '../api.ts';
import { atLeast, useRole } from '../session/session.ts';
import { bytes } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';

export function RoomNotice({ workspaceId }: { workspaceId: string }) {
  const role = useRole(workspaceId);
  const { data } = useQuery({
    queryKey: ['room', workspaceId],
    queryFn: () => client.storage.room.query({ workspaceId }),
    enabled: atLeast(role, 'editor'),
    staleTime: 60_000,
    refetchInterval: 300_000,
  });
  if (!data || data.state === 'ok') return null;
  const isFull = data.state === 'full';
  return (
    <div className="flex items-center gap-2 flex-wrap px-4 py-2 bg-warning-soft" role="status">
      <Icon name="triangle-alert" size={14} className="text-warning" />
      <span>
        {isFull
          ? 'The disk is full: new uploads are refused.'
          : `The disk is nearly full: ${bytes(data.freeBytes)} are left.`}
      </span>
      {atLeast(role, 'admin') && (
        <Link className="link" to="/w/$workspaceId/storage" params={{ workspaceId }}>
          See what takes up space
        </Link>
      )}
    </div>
  );
}

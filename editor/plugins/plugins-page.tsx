/** The plugins of a workspace: what each brings, who made it, and what it may do. */
import './plugins.css';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { atLeast, useRole } from '../session/session.ts';
import { Page } from '../shell/page.tsx';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { InstallDialog } from './install-dialog.tsx';

type Plugin = Outputs['plugins']['list'][number];

export function PluginsPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const mayInstall = atLeast(useRole(workspaceId), 'admin');
  const [isOpen, setOpen] = useState(false);
  const found = useQuery({
    queryKey: ['plugins', workspaceId],
    queryFn: () => client.plugins.list.query({ workspaceId }),
  });
  const install = mayInstall && (
    <Button look="main" onClick={() => setOpen(true)}>
      <Icon name="plus" size={14} />
      Install a plugin
    </Button>
  );
  const isEmpty = found.data?.length === 0;
  return (
    <Page
      title="Plugins"
      lead="Nodes that others made, and what each of them may do here."
      actions={isEmpty ? null : install}
    >
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={180} className="rounded-3" />
        </Loading>
      )}
      {isEmpty && (
        <Empty
          icon="puzzle"
          title="No plugins yet"
          text={
            mayInstall
              ? 'A plugin brings new nodes. You see what it wants to do before it does anything, and can take it back at any time.'
              : 'A plugin brings new nodes. An owner or admin can install one.'
          }
          action={install}
        />
      )}
      <ul className="plugin-list" aria-label="Plugins">
        {(found.data ?? []).map((plugin) => (
          <PluginCard key={plugin.name} workspaceId={workspaceId} plugin={plugin} />
        ))}
      </ul>
      <InstallDialog workspaceId={workspaceId} open={isOpen} onClose={() => setOpen(false)} />
    </Page>
  );
}

function PluginCard({ workspaceId, plugin }: { workspaceId: string; plugin: Plugin }) {
  return (
    <li>
      <Link
        to="/w/$workspaceId/plugins/$name"
        params={{ workspaceId, name: plugin.name }}
        className={`card plugin-card ${plugin.state === 'removed' ? 'gone' : ''}`}
      >
        <div className="row">
          <span className="plugin-icon">
            <Icon name={plugin.nodes[0]?.icon ?? 'puzzle'} size={16} />
          </span>
          <div className="grow min-w-0">
            <p className="row gap-2 flex-wrap">
              <b className="truncate">{plugin.title}</b>
              <StateBadge plugin={plugin} />
            </p>
            <p className="muted t-12 truncate">
              {plugin.publisher}, version {plugin.version}
            </p>
          </div>
        </div>
        <p className="muted t-12 plugin-help">{plugin.nodes.map(({ help }) => help).join(' ')}</p>
        <p className="t-12 row gap-3 flex-wrap">
          <span className="row">
            <Icon name="workflow" size={12} />
            {plural(plugin.nodes.length, 'node')}
          </span>
          <span className="row">
            <Icon name="shield" size={12} />
            {plugin.asked === 0 ? 'asks for nothing' : `may do ${plugin.allowed} of ${plugin.asked}`}
          </span>
        </p>
      </Link>
    </li>
  );
}

export function StateBadge({ plugin }: { plugin: Pick<Plugin, 'state' | 'isDev'> }) {
  if (plugin.state === 'removed') return <Badge tone="bad">removed</Badge>;
  if (plugin.state === 'deprecated') return <Badge tone="warn">should not be used</Badge>;
  return plugin.isDev ? <Badge tone="info">in development</Badge> : null;
}

/** The frame around every page of a workspace but the canvas: bar, navigation, uploads, drop anywhere. */
import './shell.css';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate, useParams } from '@tanstack/react-router';
import { useEffect } from 'react';
import { BrandSwitcher } from '../brands/brand-switcher.tsx';
import { RunNews } from '../runs/run-news.tsx';
import { Guard } from '../session/guard.tsx';
import { meQuery } from '../session/session.ts';
import { RoomNotice } from '../storage/room-notice.tsx';
import { ErrorBoundary, ErrorOf } from '../ui/error-card.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { Empty, Logo } from '../ui/parts.tsx';
import { DropAnywhere } from '../uploads/drop-anywhere.tsx';
import { UploadDock } from '../uploads/upload-dock.tsx';
import { UserMenu } from './user-menu.tsx';
import { WorkspaceSwitcher } from './workspace-switcher.tsx';

export const NAV = [
  { to: '/w/$workspaceId', label: 'Pipelines', icon: 'workflow', exact: true },
  { to: '/w/$workspaceId/gallery', label: 'Gallery', icon: 'layout-template', exact: false },
  { to: '/w/$workspaceId/runs', label: 'Runs', icon: 'list-video', exact: false },
  { to: '/w/$workspaceId/approvals', label: 'Approvals', icon: 'user-check', exact: false },
  { to: '/w/$workspaceId/recordings', label: 'Recordings', icon: 'film', exact: false },
  { to: '/w/$workspaceId/brands', label: 'Brands', icon: 'palette', exact: false },
  { to: '/w/$workspaceId/connections', label: 'Connections', icon: 'plug', exact: false },
  { to: '/w/$workspaceId/plugins', label: 'Plugins', icon: 'puzzle', exact: false },
  { to: '/w/$workspaceId/members', label: 'Members', icon: 'users', exact: false },
  { to: '/w/$workspaceId/settings', label: 'Settings', icon: 'settings', exact: false },
] as const;

export function AppShell() {
  return (
    <Guard>
      <Frame />
    </Guard>
  );
}

function Frame() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const { data: me } = useQuery(meQuery);
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const params = { workspaceId };
  useEffect(() => localStorage.setItem('spliceboard.workspace', workspaceId), [workspaceId]);
  const known = me?.workspaces.some(({ id }: { id: string }) => id === workspaceId);
  const later = NAV.slice(4);
  return (
    <div className="shell">
      <a href="#content" className="btn skip">
        Skip to the content
      </a>
      <header className="top">
        <Link to="/w/$workspaceId" params={params} aria-label="Spliceboard, all pipelines" className="rounded-2">
          <Logo />
        </Link>
        <WorkspaceSwitcher workspaceId={workspaceId} />
        <nav className="nav" aria-label="Main">
          {NAV.map(({ to, label, exact }) => (
            <Link
              key={to}
              to={to}
              params={params}
              activeOptions={{ exact, includeSearch: false }}
              activeProps={{ className: 'on', 'aria-current': 'page' }}
            >
              {label}
            </Link>
          ))}
        </nav>
        <span className="grow" />
        <BrandSwitcher workspaceId={workspaceId} />
        <UserMenu />
      </header>
      {known !== false && <RoomNotice workspaceId={workspaceId} />}
      <div className="under">
        {known === false ? (
          <main className="page" id="content">
            <Empty
              icon="lock"
              title="This workspace is not yours"
              text="It does not exist, or your access has ended. An admin of it can invite you."
              action={
                <Link to="/" className="btn main">
                  My workspaces
                </Link>
              }
            />
          </main>
        ) : (
          <ErrorBoundary
            resetKey={pathname}
            fallback={(error, reset) => (
              <main className="page max-w-[560px]" id="content">
                <ErrorOf error={error} onRetry={reset} />
              </main>
            )}
          >
            <Outlet />
          </ErrorBoundary>
        )}
      </div>
      <nav className="phonetabs" aria-label="Main">
        {NAV.slice(0, 4).map(({ to, label, icon, exact }) => (
          <Link
            key={to}
            to={to}
            params={params}
            activeOptions={{ exact, includeSearch: false }}
            activeProps={{ className: 'on', 'aria-current': 'page' }}
          >
            <Icon name={icon} size={20} />
            {label}
          </Link>
        ))}
        <Menu
          align="end"
          side="top"
          trigger={
            <button
              type="button"
              className={later.some(({ to }) => pathname.endsWith(to.split('/').at(-1) ?? '')) ? 'on' : ''}
            >
              <Icon name="ellipsis" size={20} />
              More
            </button>
          }
          items={later.map(({ to, label, icon }) => ({
            label,
            icon,
            onSelect: () => void navigate({ to, params }),
          }))}
        />
      </nav>
      <RunNews workspaceId={workspaceId} />
      <UploadDock workspaceId={workspaceId} />
      <DropAnywhere workspaceId={workspaceId} />
    </div>
  );
}

/** Every address of the editor. `/w/$workspaceId` is one workspace; the canvas of a pipeline stands below it. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from '@tanstack/react-router';
import { NotFound } from './shell/not-found.tsx';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

const front = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: lazyRouteComponent(() => import('./shell/front-page.tsx'), 'FrontPage'),
});

/** `to` is where to go after signing in; `ready` says that an account was just made. */
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>): { to?: string; ready?: boolean } => ({
    ...(typeof search.to === 'string' ? { to: search.to } : {}),
    ...(search.ready === true ? { ready: true } : {}),
  }),
  component: lazyRouteComponent(() => import('./session/sign-in-page.tsx'), 'SignInPage'),
});

const invitation = createRoute({
  getParentRoute: () => root,
  path: '/invitation/$token',
  component: lazyRouteComponent(() => import('./session/invitation-page.tsx'), 'InvitationPage'),
});

/** A signed link to one question: no account is needed. */
const approve = createRoute({
  getParentRoute: () => root,
  path: '/approve/$token',
  component: lazyRouteComponent(() => import('./waits/approve-page.tsx'), 'ApprovePage'),
});

/** `view=outline` is the canvas's text twin; `run` shows that run on the canvas; `node` opens it in the inspector. */
const pipeline = createRoute({
  getParentRoute: () => root,
  path: '/w/$workspaceId/p/$pipelineId',
  validateSearch: (
    search: Record<string, unknown>,
  ): { view?: 'canvas' | 'outline'; run?: string; node?: string; brand?: string } => ({
    ...(search.view === 'canvas' || search.view === 'outline' ? { view: search.view } : {}),
    ...(typeof search.run === 'string' ? { run: search.run } : {}),
    ...(typeof search.node === 'string' ? { node: search.node } : {}),
    ...(typeof search.brand === 'string' ? { brand: search.brand } : {}),
  }),
  component: lazyRouteComponent(() => import('./shell/canvas-frame.tsx'), 'CanvasFrame'),
});

const workspace = createRoute({
  getParentRoute: () => root,
  path: '/w/$workspaceId',
  component: lazyRouteComponent(() => import('./shell/app-shell.tsx'), 'AppShell'),
  notFoundComponent: NotFound,
});

const pipelines = createRoute({
  getParentRoute: () => workspace,
  path: '/',
  component: lazyRouteComponent(() => import('./pipelines/pipelines-page.tsx'), 'PipelinesPage'),
});

const gallery = createRoute({
  getParentRoute: () => workspace,
  path: '/gallery',
  component: lazyRouteComponent(() => import('./gallery/gallery-page.tsx'), 'GalleryPage'),
});

/** `state` and `pipeline` narrow the list; `$runId` opens one beside it, `node` one step of it. */
const runSearch = (search: Record<string, unknown>): { state?: string; pipeline?: string; node?: string } => ({
  ...(typeof search.state === 'string' ? { state: search.state } : {}),
  ...(typeof search.pipeline === 'string' ? { pipeline: search.pipeline } : {}),
  ...(typeof search.node === 'string' ? { node: search.node } : {}),
});
const runs = createRoute({
  getParentRoute: () => workspace,
  path: '/runs',
  validateSearch: runSearch,
  component: lazyRouteComponent(() => import('./runs/runs-page.tsx'), 'RunsPage'),
});
const run = createRoute({
  getParentRoute: () => workspace,
  path: '/runs/$runId',
  validateSearch: runSearch,
  component: lazyRouteComponent(() => import('./runs/runs-page.tsx'), 'RunsPage'),
});

const outbox = createRoute({
  getParentRoute: () => workspace,
  path: '/outbox',
  component: lazyRouteComponent(() => import('./outbox/outbox-page.tsx'), 'OutboxPage'),
});

const failures = createRoute({
  getParentRoute: () => workspace,
  path: '/failures',
  component: lazyRouteComponent(() => import('./failures/failures-page.tsx'), 'FailuresPage'),
});

const approvals = createRoute({
  getParentRoute: () => workspace,
  path: '/approvals',
  component: lazyRouteComponent(() => import('./waits/waiting-page.tsx'), 'WaitingPage'),
});

const recordings = createRoute({
  getParentRoute: () => workspace,
  path: '/recordings',
  component: lazyRouteComponent(() => import('./uploads/recordings-page.tsx'), 'RecordingsPage'),
});

const brands = createRoute({
  getParentRoute: () => workspace,
  path: '/brands',
  component: lazyRouteComponent(() => import('./brands/brands-page.tsx'), 'BrandsPage'),
});

const members = createRoute({
  getParentRoute: () => workspace,
  path: '/members',
  component: lazyRouteComponent(() => import('./members/members-page.tsx'), 'MembersPage'),
});

const plugins = createRoute({
  getParentRoute: () => workspace,
  path: '/plugins',
  component: lazyRouteComponent(() => import('./plugins/plugins-page.tsx'), 'PluginsPage'),
});
const plugin = createRoute({
  getParentRoute: () => workspace,
  path: '/plugins/$name',
  component: lazyRouteComponent(() => import('./plugins/plugin-page.tsx'), 'PluginPage'),
});

/** `attempt` names one that came back from a service. */
const connections = createRoute({
  getParentRoute: () => workspace,
  path: '/connections',
  validateSearch: (search: Record<string, unknown>): { attempt?: string } => ({
    ...(typeof search.attempt === 'string' ? { attempt: search.attempt } : {}),
  }),
  component: lazyRouteComponent(() => import('./connections/connections-page.tsx'), 'ConnectionsPage'),
});

const operations = createRoute({
  getParentRoute: () => workspace,
  path: '/operations',
  component: lazyRouteComponent(() => import('./operations/operations-page.tsx'), 'OperationsPage'),
});

const storage = createRoute({
  getParentRoute: () => workspace,
  path: '/storage',
  component: lazyRouteComponent(() => import('./storage/storage-page.tsx'), 'StoragePage'),
});

const settings = createRoute({
  getParentRoute: () => workspace,
  path: '/settings',
  component: lazyRouteComponent(() => import('./settings/settings-page.tsx'), 'SettingsPage'),
});

export const router = createRouter({
  routeTree: root.addChildren([
    front,
    signIn,
    invitation,
    approve,
    pipeline,
    workspace.addChildren([
      pipelines,
      gallery,
      runs,
      run,
      outbox,
      failures,
      approvals,
      recordings,
      brands,
      members,
      plugins,
      plugin,
      connections,
      operations,
      storage,
      settings,
    ]),
  ]),
  defaultPreload: 'intent',
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

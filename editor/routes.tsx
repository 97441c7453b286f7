/** Every address of the editor. `/w/$workspaceId` is one workspace; the canvas of a pipeline stands below it. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from '@tanstack/react-router';

const root = createRootRoute({ component: Outlet });

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
  component: lazyRouteComponent(() => import('./canvas/pipeline-page.tsx'), 'PipelinePage'),
});

export const router = createRouter({ routeTree: root.addChildren([pipeline]), defaultPreload: 'intent' });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

/**
 * The one way to the server: a tRPC client with React Query, and subscriptions over an event stream.
 * Types come from the server's router; nothing of it is bundled.
 */
import { QueryClient } from '@tanstack/react-query';
import { createTRPCClient, httpBatchLink, httpSubscriptionLink, splitLink } from '@trpc/client';
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server';
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query';
import type { AppRouter } from '../server/router.ts';
import { problemOf } from './problem.ts';

export type Outputs = inferRouterOutputs<AppRouter>;
export type Inputs = inferRouterInputs<AppRouter>;
export type RunView = Outputs['runs']['get'];
export type NodeView = RunView['nodes'][number];
export type StepView = Outputs['runs']['steps']['items'][number];
export type PreviewView = NonNullable<NodeView['preview']>;
export type PipelineView = Outputs['pipelines']['get'];

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      retry: (count, error) => count < 2 && problemOf(error).retry === 'later',
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});

/** For calls outside components. */
export const client = createTRPCClient<AppRouter>({
  links: [
    splitLink({
      condition: (operation) => operation.type === 'subscription',
      true: httpSubscriptionLink({ url: '/api/trpc' }),
      false: httpBatchLink({ url: '/api/trpc', maxURLLength: 4000 }),
    }),
  ],
});

/** For components: `useQuery(trpc.runs.get.queryOptions({…}))`, `useMutation(trpc.runs.start.mutationOptions())`. */
export const trpc = createTRPCOptionsProxy<AppRouter>({ client, queryClient });

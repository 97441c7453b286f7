/** Starts the editor: theme before the first paint, then the router inside the providers. */
import './main.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { queryClient } from './api.ts';
import { problemOf } from './problem.ts';
import { router } from './routes.tsx';
import { ErrorBoundary, ErrorCard } from './ui/error-card.tsx';
import { LiveRegions } from './ui/live.tsx';
import { applyTheme } from './ui/theme.ts';
import { Toasts } from './ui/toast.tsx';
import { TipProvider } from './ui/tooltip.tsx';

applyTheme();

const element = document.getElementById('root');
if (!element) throw new Error('index.html has no #root');
createRoot(element).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <TipProvider>
        <ErrorBoundary fallback={(error) => <ErrorCard problem={problemOf(error)} className="m-6 max-w-[480px]" />}>
          <RouterProvider router={router} />
        </ErrorBoundary>
        <Toasts />
        <LiveRegions />
      </TipProvider>
    </QueryClientProvider>
  </StrictMode>,
);

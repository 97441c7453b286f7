/** The canvas has a bar of its own; here it only gets the guard, its uploads and files dropped anywhere. */
import { useParams } from '@tanstack/react-router';
import { lazy, Suspense, useEffect } from 'react';
import { RunNews } from '../runs/run-news.tsx';
import { Guard } from '../session/guard.tsx';
import { Loading, Skeleton } from '../ui/parts.tsx';
import { DropAnywhere } from '../uploads/drop-anywhere.tsx';
import { UploadDock } from '../uploads/upload-dock.tsx';

const PipelinePage = lazy(() =>
  import('../canvas/pipeline-page.tsx').then((module) => ({ default: module.PipelinePage })),
);

export function CanvasFrame() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  useEffect(() => localStorage.setItem('spliceboard.workspace', workspaceId), [workspaceId]);
  return (
    <Guard>
      <Suspense
        fallback={
          <Loading>
            <Skeleton height={48} className="w-full" />
          </Loading>
        }
      >
        <PipelinePage />
      </Suspense>
      <RunNews workspaceId={workspaceId} />
      <UploadDock workspaceId={workspaceId} />
      <DropAnywhere workspaceId={workspaceId} />
    </Guard>
  );
}

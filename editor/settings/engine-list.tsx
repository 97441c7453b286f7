/** Speech and language engines: which can be used now, where the sound goes, and a button for what can be installed. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { bytes, duration } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Loading, Skeleton } from '../ui/parts.tsx';
import { Bar } from '../ui/progress.tsx';
import { toast } from '../ui/toast.tsx';

type Engine = Outputs['engines']['list'][number];
type Progress = { bytes?: number | undefined; total?: number | undefined; message?: string | undefined };

const TASKS: Record<string, string> = { transcribe: 'words', diarize: 'speakers', json: 'titles and summaries' };

export const enginesQuery = (workspaceId: string) => ({
  queryKey: ['engines', workspaceId],
  queryFn: () => client.engines.list.query({ workspaceId }),
});

export function EngineList({ workspaceId, mayInstall }: { workspaceId: string; mayInstall: boolean }) {
  const found = useQuery(enginesQuery(workspaceId));
  if (found.error) return <ErrorOf error={found.error} onRetry={() => found.refetch()} />;
  if (!found.data)
    return (
      <Loading>
        <Skeleton height={180} />
      </Loading>
    );
  if (found.data.length === 0)
    return <p className="muted">No worker is running, so nobody can tell which engines there are.</p>;
  return (
    <ul className="card rows">
      {found.data.map((engine) => (
        <EngineRow key={engine.id} workspaceId={workspaceId} engine={engine} mayInstall={mayInstall} />
      ))}
    </ul>
  );
}

type EngineRowProps = { workspaceId: string; engine: Engine; mayInstall: boolean };

function EngineRow({ workspaceId, engine, mayInstall }: EngineRowProps) {
  const install = useInstall(workspaceId, engine);
  const makes = engine.task.map((task) => TASKS[task] ?? task).join(', ');
  const offer = engine.install;
  const size = offer?.bytes ? bytes(offer.bytes) : null;
  const time = offer?.seconds ? `about ${duration(offer.seconds)}` : null;
  return (
    <li className="flex-wrap">
      <Icon name={engine.available ? 'check' : 'minus'} className={engine.available ? 'text-success' : 'text-faint'} />
      <div className="grow min-w-52">
        <div className="font-[550]">{engine.label}</div>
        <div className="t-12 muted">
          Gives {makes}. Sound goes to: {engine.goesTo}.
          {!engine.available && engine.missing ? ` ${engine.missing}` : ''}
        </div>
        {install.running && (
          <div className="mt-2 max-w-[320px]">
            {install.progress.total ? (
              <Bar
                value={(install.progress.bytes ?? 0) / install.progress.total}
                label={`Installing ${engine.label}`}
                of={engine.id}
              />
            ) : null}
            <p className="t-12 muted mt-1">
              {install.progress.message ?? 'Begins'}
              {install.progress.total
                ? ` ${bytes(install.progress.bytes ?? 0)} of ${bytes(install.progress.total)}`
                : ''}
            </p>
          </div>
        )}
        {install.error !== null && <ErrorOf error={install.error} onRetry={install.start} className="mt-2" />}
      </div>
      {engine.available ? (
        <Badge tone="ok">Ready</Badge>
      ) : offer && mayInstall ? (
        <div className="ml-7 sm:ml-0 sm:text-right">
          <Button size="sm" icon="download" busy={install.running} onClick={install.start}>
            {install.running ? 'Installing' : 'Install'}
          </Button>
          <div className="t-12 faint mt-1">{[size, time, `from ${offer.from}`].filter(Boolean).join(', ')}</div>
        </div>
      ) : (
        <Badge>Not here</Badge>
      )}
    </li>
  );
}

function useInstall(workspaceId: string, engine: Engine) {
  const cache = useQueryClient();
  const [running, setRunning] = useState(false);
  const [progress, setProgress] = useState<Progress>({});
  const [error, setError] = useState<unknown>(null);
  const subscription = useRef<{ unsubscribe: () => void } | null>(null);
  useEffect(() => () => subscription.current?.unsubscribe(), []);
  const start = () => {
    setRunning(true);
    setError(null);
    setProgress({});
    const end = () => {
      subscription.current?.unsubscribe();
      subscription.current = null;
      setRunning(false);
      void cache.invalidateQueries({ queryKey: ['engines', workspaceId] });
      void cache.invalidateQueries({ queryKey: ['doctor', workspaceId] });
    };
    subscription.current = client.speech.install.subscribe(
      { workspaceId, engine: engine.id },
      {
        onData: (news) => {
          setProgress(news);
          if (!news.done) return;
          end();
          toast({ title: `${engine.label} is installed`, tone: 'success' });
        },
        onError: (refused) => {
          end();
          setError(refused);
        },
        onComplete: end,
      },
    );
  };
  return { running, progress, error, start };
}

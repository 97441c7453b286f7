/** The pipelines of a workspace: open, make, rename, duplicate, export, import, delete with a way back. */
import './pipelines.css';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { type FormEvent, Fragment, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { saveText } from '../media/save-text.ts';
import { problemOf } from '../problem.ts';
import { runLook } from '../runs/run-state.ts';
import { StartDialog } from '../runs/start-dialog.tsx';
import { atLeast, useRole } from '../session/session.ts';
import { dateTime, exact } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { FormDialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input } from '../ui/field.tsx';
import { ago, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { useFileChooser } from '../uploads/drop-anywhere.tsx';

type PipelineRow = Outputs['pipelines']['list'][number];

/** What a failed act says, in a toast. */
export function sayProblem(error: unknown): void {
  const { message, hint } = problemOf(error);
  toast({ title: message, text: hint ?? undefined, tone: 'danger' });
}

export const pipelinesQuery = (workspaceId: string) => ({
  queryKey: ['pipelines', workspaceId],
  queryFn: () => client.pipelines.list.query({ workspaceId }),
  refetchInterval: 10_000,
});

export function PipelinesPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const cache = useQueryClient();
  const navigate = useNavigate();
  const role = useRole(workspaceId);
  const mayEdit = atLeast(role, 'editor');
  const [query, setQuery] = useState('');
  const { brand } = useCurrentBrand(workspaceId);
  const [starting, setStarting] = useState<PipelineRow | null>(null);
  const [naming, setNaming] = useState<PipelineRow | null>(null);
  const found = useQuery(pipelinesQuery(workspaceId));
  const refresh = () => cache.invalidateQueries({ queryKey: ['pipelines', workspaceId] });
  const open = (pipelineId: string) =>
    navigate({ to: '/w/$workspaceId/p/$pipelineId', params: { workspaceId, pipelineId }, search: {} });

  const create = useMutation({
    mutationFn: () => client.pipelines.create.mutate({ workspaceId, name: 'Untitled pipeline' }),
    onSuccess: ({ id }) => open(id),
    onError: sayProblem,
  });
  const importFile = useMutation({
    mutationFn: async (file: File) => client.pipelines.import.mutate({ workspaceId, json: await file.text() }),
    onSuccess: ({ id }) => open(id),
    onError: sayProblem,
  });
  const choose = useFileChooser('.json,application/json', false, ([file]) => file && importFile.mutate(file));
  const duplicate = useMutation({
    mutationFn: (row: PipelineRow) => client.pipelines.duplicate.mutate({ workspaceId, pipelineId: row.id }),
    onSuccess: (_made, row) => {
      toast({ title: `${row.name} is duplicated`, icon: 'copy' });
      void refresh();
    },
    onError: sayProblem,
  });
  const restore = useMutation({
    mutationFn: (row: PipelineRow) => client.pipelines.restore.mutate({ workspaceId, pipelineId: row.id }),
    onSuccess: refresh,
    onError: sayProblem,
  });
  const remove = useMutation({
    mutationFn: (row: PipelineRow) => client.pipelines.remove.mutate({ workspaceId, pipelineId: row.id }),
    onSuccess: (_nothing, row) => {
      void refresh();
      toast({
        title: `${row.name} is deleted`,
        text: 'Its runs stay in the list.',
        icon: 'trash-2',
        action: { label: 'Undo', onSelect: () => restore.mutate(row) },
      });
    },
    onError: sayProblem,
  });
  const save = async (row: PipelineRow) => {
    try {
      const { json } = await client.pipelines.export.query({ workspaceId, pipelineId: row.id });
      saveText(`${row.name}.json`, json, 'application/json');
    } catch (error) {
      sayProblem(error);
    }
  };

  const wanted = query.trim().toLowerCase();
  const rows: PipelineRow[] = (found.data ?? []).filter(
    (row: PipelineRow) => wanted === '' || `${row.name} ${row.description}`.toLowerCase().includes(wanted),
  );
  const none = found.data !== undefined && found.data.length === 0;
  return (
    <Page
      title="Pipelines"
      actions={
        <>
          {(found.data?.length ?? 0) > 5 && (
            <Input
              icon="search"
              type="search"
              placeholder="Find"
              aria-label="Find a pipeline"
              className="w-[200px]"
              value={query}
              onChange={(event) => setQuery(event.target.value)}
            />
          )}
          {mayEdit && (
            <>
              <Button icon="upload" busy={importFile.isPending} onClick={choose}>
                Import
              </Button>
              <Link to="/w/$workspaceId/gallery" params={{ workspaceId }} className="btn">
                <Icon name="layout-template" size={14} />
                From a template
              </Link>
              <Button look="main" icon="plus" busy={create.isPending} onClick={() => create.mutate()}>
                New pipeline
              </Button>
            </>
          )}
        </>
      }
    >
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} className="mb-4" />}
      {found.isPending && (
        <Loading>
          <div className="card p-4 grid gap-5">
            {['a', 'b', 'c'].map((key) => (
              <div key={key} className="row">
                <Skeleton width="32%" />
                <Skeleton width="24%" />
                <Skeleton width="14%" />
              </div>
            ))}
          </div>
        </Loading>
      )}
      {none && (
        <Empty
          icon="workflow"
          title="No pipelines yet"
          text="A template with the sample recording shows in two minutes what a pipeline makes, and costs nothing."
          action={
            <Link to="/w/$workspaceId/gallery" params={{ workspaceId }} className="btn main">
              Choose a template
            </Link>
          }
        />
      )}
      {!none && found.data && rows.length === 0 && (
        <Empty icon="search" title={`Nothing is named “${query.trim()}”`} text="Try another word of its name." />
      )}
      {rows.length > 0 && (
        <ul className="card plist">
          {rows.map((row) => (
            <li key={row.id}>
              <div className="min-w-0">
                <Link
                  to="/w/$workspaceId/p/$pipelineId"
                  params={{ workspaceId, pipelineId: row.id }}
                  search={{}}
                  className="name cut block"
                >
                  {row.name}
                </Link>
                <p className="t-12 muted cut">
                  {row.publishedVersion !== null && `Version ${row.publishedVersion} · `}
                  {row.description || (row.nodeCount === 0 ? 'Nothing on it yet' : plural(row.nodeCount, 'node'))}
                </p>
              </div>
              <Chain row={row} />
              <LastRun row={row} workspaceId={workspaceId} />
              <time className="when muted t-12" dateTime={row.updatedAt} title={exact(row.updatedAt)}>
                changed {ago(row.updatedAt)}
              </time>
              <span className="menu-cell over">
                <Menu
                  align="end"
                  trigger={<IconButton icon="ellipsis" label={`More for ${row.name}`} />}
                  items={[
                    { label: 'Open', icon: 'workflow', onSelect: () => void open(row.id) },
                    {
                      label: 'Its runs',
                      icon: 'list-video',
                      onSelect: () =>
                        void navigate({
                          to: '/w/$workspaceId/runs',
                          params: { workspaceId },
                          search: { pipeline: row.id },
                        }),
                    },
                    ...(mayEdit && brand
                      ? ([{ label: 'Run', icon: 'play', onSelect: () => setStarting(row) }] as const)
                      : []),
                    ...(mayEdit
                      ? ([
                          { label: 'Rename', icon: 'pencil', onSelect: () => setNaming(row) },
                          { label: 'Duplicate', icon: 'copy', onSelect: () => duplicate.mutate(row) },
                        ] as const)
                      : []),
                    { label: 'Export', icon: 'download', onSelect: () => void save(row) },
                    ...(mayEdit
                      ? ([
                          'line',
                          { label: 'Delete', icon: 'trash-2', danger: true, onSelect: () => remove.mutate(row) },
                        ] as const)
                      : []),
                  ]}
                />
              </span>
            </li>
          ))}
        </ul>
      )}
      {starting && brand && (
        <StartDialog
          workspaceId={workspaceId}
          pipelineId={starting.id}
          pipelineName={starting.name}
          brandId={brand.id}
          onClose={() => setStarting(null)}
        />
      )}
      {naming && <Rename row={naming} workspaceId={workspaceId} onClose={() => setNaming(null)} onDone={refresh} />}
    </Page>
  );
}

/** The first nodes as their icons, in the order they work. */
function Chain({ row }: { row: PipelineRow }) {
  const shown = row.thumbnailNodes.slice(0, 7);
  const more = row.nodeCount - shown.length;
  return (
    <div className="chain" title={row.thumbnailNodes.map(({ name }: { name: string }) => name).join(', ')}>
      {shown.map(({ icon, name }: { icon: string; name: string }, place: number) => (
        <Fragment key={name}>
          {place > 0 && <i />}
          <span>
            <Icon name={icon} size={14} />
          </span>
        </Fragment>
      ))}
      {more > 0 && <span className="t-12 faint">+{more}</span>}
    </div>
  );
}

function LastRun({ row, workspaceId }: { row: PipelineRow; workspaceId: string }) {
  if (!row.lastRun) return <span className="run faint t-12">Not run yet</span>;
  const look = runLook(row.lastRun.state);
  return (
    <Link
      to="/w/$workspaceId/runs/$runId"
      params={{ workspaceId, runId: row.lastRun.id }}
      search={{}}
      className="run over w-fit no-underline"
      title={row.lastRun.endedAt ? exact(row.lastRun.endedAt) : undefined}
    >
      <span className={`row gap-1.5 t-12 ${look.tone === 'plain' ? 'text-muted' : look.color}`}>
        <Icon name={look.icon} size={14} className={look.color} />
        {look.word}
      </span>
      {row.lastRun.endedAt && <span className="t-12 faint block pl-5">{dateTime(row.lastRun.endedAt)}</span>}
    </Link>
  );
}

type RenameProps = { row: PipelineRow; workspaceId: string; onClose: () => void; onDone: () => void };

function Rename({ row, workspaceId, onClose, onDone }: RenameProps) {
  const [name, setName] = useState(row.name);
  const [description, setDescription] = useState(row.description);
  const rename = useMutation({
    mutationFn: () =>
      client.pipelines.rename.mutate({
        workspaceId,
        pipelineId: row.id,
        name: name.trim(),
        description: description.trim(),
      }),
    onSuccess: () => {
      onDone();
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== '') rename.mutate();
  };
  return (
    <FormDialog
      open={true}
      onClose={onClose}
      title="Rename the pipeline"
      act="Rename"
      busy={rename.isPending}
      ready={name.trim() !== ''}
      error={rename.error}
      onSubmit={submit}
    >
      <Field label="Name">
        {({ id }) => <Input id={id} maxLength={120} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <Field label="What it is for" help="One sentence, shown in the list.">
        {({ id, describedBy }) => (
          <Input
            id={id}
            aria-describedby={describedBy}
            maxLength={300}
            value={description}
            onChange={(event) => setDescription(event.target.value)}
          />
        )}
      </Field>
    </FormDialog>
  );
}

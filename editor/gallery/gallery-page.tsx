/** Where one begins: the sample recording and what becomes of it, then all templates as they really are. */
import './gallery.css';
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { mediaAddress } from '../media/address.ts';
import { VideoPlayer } from '../media/video-player.tsx';
import { pipelinesQuery, sayProblem } from '../pipelines/pipelines-page.tsx';
import type { NodeView } from '../run-view.ts';
import { madeVideos } from '../runs/made-videos.ts';
import { offerToNotify } from '../runs/notify.ts';
import { atLeast, useRole } from '../session/session.ts';
import { useTitle } from '../shell/page.tsx';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Input } from '../ui/field.tsx';
import { plural, timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { takeFiles, useFileChooser } from '../uploads/drop-anywhere.tsx';
import { ACCEPT, TAKES } from '../uploads/plan.ts';
import { recordingsPage, type StoredRecording } from '../uploads/recordings.ts';
import { SAMPLE } from '../uploads/sample.ts';
import { uploaded } from '../uploads/uploads.ts';
import { GraphDrawing } from './graph-drawing.tsx';
import { withRecording } from './with-recording.ts';

type Template = Outputs['templates']['list'][number];

export function GalleryPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const role = useRole(workspaceId);
  const mayEdit = atLeast(role, 'editor');
  const navigate = useNavigate();
  const [query, setQuery] = useState('');
  useTitle('Gallery');
  const templates = useQuery({
    queryKey: ['templates', workspaceId],
    queryFn: () => client.templates.list.query({ workspaceId }),
    staleTime: 300_000,
  });
  const use = useMutation({
    mutationFn: (template: Template) =>
      client.pipelines.create.mutate({
        workspaceId,
        name: template.name,
        templateId: template.id,
        graph: withRecording(template.graph, template.sampleIncluded ? (sample?.asset.asset ?? null) : null),
      }),
    onSuccess: ({ id }) =>
      navigate({ to: '/w/$workspaceId/p/$pipelineId', params: { workspaceId, pipelineId: id }, search: {} }),
    onError: sayProblem,
  });
  const sample = useSample(workspaceId);
  const all: Template[] = templates.data ?? [];
  const wanted = query.trim().toLowerCase();
  const shown = all.filter(
    ({ name, description }) => wanted === '' || `${name} ${description}`.toLowerCase().includes(wanted),
  );
  return (
    <main className="page" id="content" tabIndex={-1}>
      <First workspaceId={workspaceId} template={all.find(({ sampleIncluded }) => sampleIncluded) ?? all[0]} />
      <div className="row gap-3 mb-4 flex-wrap">
        <h2 className="h-20 grow">Templates</h2>
        {all.length > 4 && (
          <Input
            icon="search"
            type="search"
            placeholder={`Search ${all.length} templates`}
            aria-label="Search templates"
            className="w-[220px]"
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
        )}
      </div>
      {templates.error && <ErrorOf error={templates.error} onRetry={() => templates.refetch()} />}
      {templates.isPending && (
        <Loading>
          <div className="gg">
            {['a', 'b', 'c', 'd'].map((key) => (
              <Skeleton key={key} height={230} />
            ))}
          </div>
        </Loading>
      )}
      {templates.data && shown.length === 0 && (
        <Empty icon="layout-template" title="No template is like this" text="Try another word." />
      )}
      <ul className="gg">
        {shown.map((template) => (
          <li key={template.id} className="card gc">
            <div className="gp">
              <GraphDrawing workspaceId={workspaceId} graph={template.graph} />
            </div>
            <div className="gt">
              <h3>{template.name}</h3>
              <p>{template.description}</p>
              <div className="row t-12 faint">
                <span className="grow">
                  {plural(template.graph.nodes.length, 'node')}
                  {template.sampleIncluded && sample ? ', with the sample' : ', needs a recording'}
                </span>
                {mayEdit && (
                  <Button
                    size="sm"
                    busy={use.isPending && use.variables?.id === template.id}
                    onClick={() => use.mutate(template)}
                  >
                    Use template
                  </Button>
                )}
              </div>
            </div>
          </li>
        ))}
      </ul>
    </main>
  );
}

/** The sample on the left, its clips on the right: those of a real run once there is one. */
function First({ workspaceId, template }: { workspaceId: string; template: Template | undefined }) {
  const role = useRole(workspaceId);
  const navigate = useNavigate();
  const { brand } = useCurrentBrand(workspaceId);
  const sample = useSample(workspaceId);
  const made = useMade(workspaceId);
  const mayEdit = atLeast(role, 'editor');
  const openRun = (pipelineId: string, run?: string) =>
    navigate({ to: '/w/$workspaceId/p/$pipelineId', params: { workspaceId, pipelineId }, search: run ? { run } : {} });
  /** A pipeline from the template, with this recording where one is given, and its first run. */
  const begin = useMutation({
    mutationFn: async (recording: string | null) => {
      if (!template) throw new Error('There is no template to begin with.');
      const { id } = await client.pipelines.create.mutate({
        workspaceId,
        name: template.name,
        templateId: template.id,
        graph: withRecording(template.graph, recording),
      });
      if (!brand) return { id };
      try {
        const { runId } = await client.runs.start.mutate({
          workspaceId,
          pipelineId: id,
          brandId: brand.id,
          version: 'draft',
        });
        offerToNotify();
        return { id, runId };
      } catch (error) {
        // The pipeline is there all the same; the canvas shows what is missing.
        sayProblem(error);
        return { id };
      }
    },
    onSuccess: ({ id, runId }) => openRun(id, runId),
    onError: sayProblem,
  });
  const choose = useFileChooser(ACCEPT, true, async (files) => {
    const [first] = takeFiles(workspaceId, files);
    if (!first) return;
    try {
      const { asset, name } = await uploaded(first);
      toast({
        title: `${name ?? 'The recording'} is uploaded`,
        tone: 'success',
        action: { label: 'Make clips', onSelect: () => begin.mutate(asset) },
      });
    } catch {
      // The card of the upload says what happened.
    }
  });
  return (
    <section className="first" aria-label="Begin with the sample">
      <div className="ftx">
        <h1 className="h-40">
          One recording,
          <br />a week of posts.
        </h1>
        <p className="lead">
          {made
            ? 'Ours is done already: look at what each step made, then use your own.'
            : 'Start with ours. It takes about two minutes, costs nothing and goes nowhere until you say so.'}
        </p>
        {mayEdit && (
          <div className="row gap-3">
            {made ? (
              <Button look="main" size="lg" icon="workflow" onClick={() => openRun(made.pipelineId, made.runId)}>
                See how it was made
              </Button>
            ) : (
              <Button
                look="main"
                size="lg"
                icon="play"
                busy={begin.isPending}
                disabled={!template || !sample}
                onClick={() => begin.mutate(sample?.asset.asset ?? null)}
              >
                Make clips from it
              </Button>
            )}
            <Button size="lg" icon="upload" onClick={choose}>
              Use my own
            </Button>
          </div>
        )}
        <p className="t-12 faint">{TAKES}</p>
      </div>
      <div className="fim">
        <figure className="src">
          {sample ? (
            <VideoPlayer workspaceId={workspaceId} asset={sample.asset} title="Sample recording" />
          ) : (
            <div className="rounded-3 bg-well aspect-video grid place-items-center text-faint">
              <Icon name="film" size={24} />
            </div>
          )}
          <figcaption title={sample?.attribution ?? undefined}>
            <span className="line-clamp-3">Sample recording{sample?.attribution ? `. ${sample.attribution}` : ''}</span>
            <span>{sample?.asset.duration ? timecode(sample.asset.duration) : ''}</span>
          </figcaption>
        </figure>
        <svg viewBox="0 0 72 272" className="fan" aria-hidden="true">
          <path className="p-video" d="M0 124H18" />
          <path className="p-clip" d="M18 124C52 124 34 66 72 66M18 124C52 124 34 206 72 206" />
        </svg>
        <div className="fcl">
          {made
            ? made.clips.map((clip) => (
                <figure key={clip.asset}>
                  <video
                    src={`${mediaAddress(workspaceId, clip.asset)}#t=0.5`}
                    preload="metadata"
                    muted={true}
                    playsInline={true}
                    tabIndex={-1}
                    aria-hidden="true"
                  />
                  <span className="t">{clip.title}</span>
                </figure>
              ))
            : ['a', 'b', 'c', 'd', 'e'].map((key) => (
                <span key={key} className="todo" aria-hidden="true">
                  <Icon name="scissors" />
                </span>
              ))}
          <span className="say">
            {made ? `${plural(made.total, 'clip')}, captioned, with thumbnails` : 'Clips, captioned, with thumbnails'}
          </span>
        </div>
      </div>
    </section>
  );
}

/** The recording that came with the product. */
function useSample(workspaceId: string): StoredRecording | null {
  const { data } = useInfiniteQuery(recordingsPage(workspaceId, ''));
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  return items.find(({ asset }) => asset.asset === SAMPLE.sha256) ?? null;
}

/** The clips of the oldest finished run that has some. */
function useMade(workspaceId: string) {
  const { data: rows } = useQuery(pipelinesQuery(workspaceId));
  const done = (rows ?? []).findLast(
    (row: Outputs['pipelines']['list'][number]) =>
      row.lastRun?.state === 'succeeded' || row.lastRun?.state === 'problems',
  );
  const runId = done?.lastRun?.id ?? null;
  const { data: run } = useQuery({
    queryKey: ['run', workspaceId, runId],
    enabled: runId !== null,
    staleTime: 60_000,
    queryFn: () => client.runs.get.query({ workspaceId, runId: runId ?? '' }),
  });
  if (!run || !done) return null;
  const clips = run.nodes.map((node: NodeView) => madeVideos(node)).findLast((videos) => videos.length > 0) ?? [];
  if (clips.length === 0) return null;
  return { pipelineId: done.id, runId: run.id, clips: clips.slice(0, 5), total: clips.length };
}

/** The recording and the transcript that a step's output refers to: what players and sentence borders are made from. */
import { useQuery } from '@tanstack/react-query';
import { type Asset, Clip, MediaAsset, type PortType, Transcript } from '../../nodes/contract.ts';
import { analyseFrames } from '../../runtime/graph/frames.ts';
import { client } from '../api.ts';
import type { RunView } from '../run-view.ts';
import { nearestUpstream } from './upstream.ts';

export const catalogueQuery = (workspaceId: string) => ({
  queryKey: ['catalogue', workspaceId],
  queryFn: () => client.catalogue.list.query({ workspaceId }),
  staleTime: 300_000,
});

const MEDIA: readonly PortType[] = ['media', 'video', 'audio', 'clip'];
const WORDS: readonly PortType[] = ['transcript'];

function useUpstreamValue(
  workspaceId: string,
  run: RunView,
  nodeId: string,
  path: readonly number[],
  types: readonly PortType[],
): unknown {
  const { data: catalogue } = useQuery(catalogueQuery(workspaceId));
  const source = catalogue ? nearestUpstream(run.graph, catalogue, nodeId, types) : null;
  // What comes from outside the lists this step lies within has a shorter path.
  const depth = catalogue && source ? (analyseFrames(run.graph, catalogue).nodes.get(source.node)?.length ?? 0) : 0;
  const from = source ? { nodeId: source.node, port: source.port, path: path.slice(0, depth) } : null;
  const { data } = useQuery({
    queryKey: ['run-value', workspaceId, run.id, from, sourceState(run, source?.node)],
    enabled: from !== null && from.path.length === depth,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    queryFn: async () => {
      if (!from) return null;
      const { value } = await client.runs.value.query({ workspaceId, runId: run.id, ...from });
      return value;
    },
  });
  return data;
}

/** A corrected or repeated step has another value. */
function sourceState(run: RunView, nodeId: string | undefined): string {
  const view = run.nodes.find((node: RunView['nodes'][number]) => node.nodeId === nodeId);
  return view ? `${view.state} ${view.counts.done}` : '';
}

export function useSource(
  workspaceId: string,
  run: RunView,
  nodeId: string,
  path: readonly number[],
): { recording: Asset | null; transcript: Transcript | null } {
  const media = useUpstreamValue(workspaceId, run, nodeId, path, MEDIA);
  const words = useUpstreamValue(workspaceId, run, nodeId, path, WORDS);
  const asset = MediaAsset.safeParse(media);
  const clip = Clip.safeParse(media);
  const transcript = Transcript.safeParse(words);
  return {
    recording: asset.success ? asset.data : clip.success ? clip.data.video : null,
    transcript: transcript.success ? transcript.data : null,
  };
}

/**
 * What a run that ended came to, in one short line: "6 clips, published." Counts what its nodes gave, made or reused.
 * Clips say most; a run without any is told by the last countable thing it made. Pure.
 */
import type { ManifestJson, PortType } from '../nodes/contract.ts';
import type { NodeView, RunView } from './run-view.ts';

const NOUNS: Partial<Record<PortType, [one: string, many: string]>> = {
  clip: ['clip', 'clips'],
  image: ['picture', 'pictures'],
  captions: ['caption file', 'caption files'],
  segment: ['segment', 'segments'],
  transcript: ['transcript', 'transcripts'],
  text: ['text', 'texts'],
  video: ['video', 'videos'],
  audio: ['sound', 'sounds'],
  media: ['recording', 'recordings'],
};

type Ended = Pick<RunView, 'state' | 'dryRun' | 'summary' | 'graph'> & {
  nodes: readonly Pick<NodeView, 'nodeId' | 'counts' | 'preview'>[];
};

export function outcomeOf(run: Ended, manifests: ReadonlyMap<string, ManifestJson>): string {
  if (run.state === 'running') return run.summary;
  const what = madeOf(run, manifests);
  const sentence = what === '' ? '' : `${what[0]!.toUpperCase()}${what.slice(1)}`;
  switch (run.state) {
    case 'succeeded':
      return sentence === '' ? run.summary : `${sentence}.`;
    case 'problems':
      // "Finished; Clip failed." says which; what was made all the same stands before it.
      return sentence === '' ? run.summary : `${sentence}; ${run.summary.replace(/^Finished(; | )/, '')}`;
    case 'cancelled':
    case 'stopped':
    case 'failed':
      return sentence === '' ? run.summary : `${run.summary.replace(/\.$/, '')}; kept: ${what}.`;
    default:
      return run.state satisfies never;
  }
}

function madeOf(run: Ended, manifests: ReadonlyMap<string, ManifestJson>): string {
  const typeOf = new Map(run.graph.nodes.map((node) => [node.id, node.type]));
  const counted = new Map<PortType, number>();
  for (const node of run.nodes) {
    const [port] = Object.values(manifests.get(typeOf.get(node.nodeId) ?? '')?.outputs ?? {});
    const finished = node.counts.done + node.counts.reused;
    if (!port || finished === 0) continue;
    const count = port.list && node.preview ? node.preview.items.length + node.preview.more : finished;
    if (count === 0) continue;
    const before = counted.get(port.type) ?? 0;
    counted.delete(port.type); // the last one made stands last
    counted.set(port.type, before + count);
  }
  const countable = [...counted.keys()].filter((type) => NOUNS[type]);
  const type = countable.includes('clip') ? 'clip' : countable.at(-1);
  const parts: string[] = [];
  if (type) {
    const count = type === 'media' ? 1 : counted.get(type)!; // cleaned sound is the same recording
    const [one, many] = NOUNS[type]!;
    parts.push(`${count} ${count === 1 ? one : many}`);
  }
  if (counted.has('post')) parts.push(run.dryRun ? 'nothing published' : 'published');
  return parts.join(', ');
}

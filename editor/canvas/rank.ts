/** Which node types answer a search, best first; where a wire's loose end is given, only those that fit it. Pure. */
import type { ManifestJson } from '../../nodes/contract.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { fittingPort, type LooseEnd } from '../commands/add-node.ts';

/** How well `words` matches, 0 to 1: title before alias before help. Every word must be found somewhere. */
export function matchScore(manifest: ManifestJson, words: string): number {
  const query = words.trim().toLowerCase();
  if (query === '') return 0.5;
  const title = manifest.title.toLowerCase();
  if (title === query) return 1;
  if (title.startsWith(query)) return 0.95;
  if (title.split(/\s+/).some((part) => part.startsWith(query))) return 0.85;
  if (manifest.aliases.some((alias) => alias.toLowerCase().startsWith(query))) return 0.75;
  const haystack = [title, ...manifest.aliases, manifest.family, manifest.id].join(' ').toLowerCase();
  if (query.split(/\s+/).every((part) => haystack.includes(part))) return 0.6;
  const help = manifest.help.toLowerCase();
  if (query.length > 2 && query.split(/\s+/).every((part) => haystack.includes(part) || help.includes(part)))
    return 0.3;
  return 0;
}

export type Candidate = { manifest: ManifestJson; port: string | null; converts: boolean };

export function candidates(
  graph: Graph,
  catalogue: ReadonlyMap<string, ManifestJson>,
  words: string,
  end: LooseEnd | null,
): Candidate[] {
  const used = new Set(graph.nodes.map((node) => node.type));
  return [...catalogue.values()]
    .flatMap((manifest, index): (Candidate & { rank: number })[] => {
      const score = matchScore(manifest, words);
      if (score === 0) return [];
      const lacking = used.has(manifest.id) ? 0 : 5;
      if (!end) return [{ manifest, port: null, converts: false, rank: score * 100 + lacking - index / 1000 }];
      const fit = fittingPort(graph, catalogue, manifest, end);
      if (!fit) return [];
      // What fits as it is stands before what must be converted; what the pipeline lacks before what it has.
      const rank = score * 100 + (fit.converts ? 0 : 20) + lacking - index / 1000;
      return [{ manifest, port: fit.port, converts: fit.converts, rank }];
    })
    .sort((one, other) => other.rank - one.rank)
    .map(({ rank: _rank, ...candidate }) => candidate);
}

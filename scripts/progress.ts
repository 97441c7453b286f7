/**
 * A run as it goes on, on a terminal: one bar for each node, drawn in place; plain lines where the output is a file.
 * What is shown is the server's view of the run; nothing is computed here but widths.
 */
export type NodeState = {
  nodeId: string;
  state: string;
  counts: { total: number | null; done: number; reused: number; failed: number };
  progress: number | null;
  etaMs: number | null;
  note: string | null;
  reason: string | null;
  error: { message: string; hint?: string | null } | null;
  elapsedMs: number | null;
};

export type ProgressView = {
  update(nodes: NodeState[]): void;
  /** Leaves the last drawing where it is. */
  end(): void;
};

const ENDED = new Set(['done', 'reused', 'failed', 'blocked', 'skipped', 'cancelled']);
const BAR = 20;

/** `names`: node id → shown name, in the order of drawing. */
export function progressView(names: Map<string, string>, output: NodeJS.WriteStream): ProgressView {
  return output.isTTY ? bars(names, output) : lines(names, output);
}

function lines(names: Map<string, string>, output: NodeJS.WritableStream): ProgressView {
  const said = new Map<string, string>();
  return {
    update(nodes) {
      for (const node of nodes) {
        const line = sentence(node);
        if (line === null || said.get(node.nodeId) === line) continue;
        said.set(node.nodeId, line);
        output.write(`${names.get(node.nodeId) ?? node.nodeId}: ${line}\n`);
      }
    },
    end() {},
  };
}

/** Progress inside a step would be a line twice a second, so lines name states, items and reasons only. */
function sentence(node: NodeState): string | null {
  const { state, counts, reason, error } = node;
  const finished = counts.done + counts.reused;
  if (state === 'idle' || state === 'queued') return null;
  const items = counts.total !== null && counts.total > 1 ? `${finished} of ${counts.total}` : null;
  switch (state) {
    case 'running':
      return items ? `running, ${items}` : 'running';
    case 'failed':
      return `failed${items ? ` (${items} done)` : ''}: ${error?.message ?? reason ?? 'no reason given'}${error?.hint ? ` ${error.hint}` : ''}`;
    case 'done':
    case 'reused':
      return [state, items, took(node), reason].filter(Boolean).join(', ');
    default:
      return [state, reason ?? node.note].filter(Boolean).join(': ');
  }
}

function took(node: NodeState): string | null {
  return node.elapsedMs === null || node.state === 'reused' ? null : seconds(node.elapsedMs);
}

export function seconds(milliseconds: number): string {
  if (milliseconds < 9_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const whole = Math.round(milliseconds / 1000);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function bars(names: Map<string, string>, output: NodeJS.WriteStream): ProgressView {
  const width = Math.max(...[...names.values()].map((name) => name.length), 4);
  let drawn = 0;
  return {
    update(nodes) {
      const byId = new Map(nodes.map((node) => [node.nodeId, node]));
      const rows = [...names].map(([id, name]) => row(name.padEnd(width), byId.get(id), output.columns || 80));
      output.write(`${drawn > 0 ? `\x1b[${drawn}A` : ''}${rows.map((text) => `\x1b[2K${text}\n`).join('')}`);
      drawn = rows.length;
    },
    end() {},
  };
}

function row(name: string, node: NodeState | undefined, columns: number): string {
  if (!node) return name;
  const part = ENDED.has(node.state) ? (['done', 'reused'].includes(node.state) ? 1 : 0) : share(node);
  const filled = Math.round(part * BAR);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)}`;
  const left = node.state === 'running' && node.etaMs !== null ? `, ${seconds(node.etaMs)} left` : '';
  const words = node.state === 'idle' ? '' : (sentence(node) ?? node.state);
  return `${name}  ${bar}  ${words}${left}`.slice(0, columns - 1);
}

function share(node: NodeState): number {
  if (node.progress !== null) return Math.min(1, Math.max(0, node.progress));
  const { total, done, reused } = node.counts;
  return total ? (done + reused) / total : 0;
}

/** One bar for bytes sent. On a file: a line at each tenth. */
export function bytesView(label: string, output: NodeJS.WriteStream): (done: number, total: number) => void {
  let shown = -1;
  const startedAt = performance.now();
  return (done, total) => {
    const tenth = total === 0 ? 10 : Math.floor((done / total) * 10);
    const size = `${megabytes(done)} of ${megabytes(total)}`;
    if (output.isTTY) {
      const rate = done / Math.max(1, performance.now() - startedAt);
      const left = rate > 0 && done < total ? `, ${seconds((total - done) / rate)} left` : '';
      output.write(`\r\x1b[2K${label}: ${size}${left}${done >= total ? '\n' : ''}`);
    } else if (tenth > shown && (tenth === 10 || shown < 0)) {
      shown = tenth;
      output.write(`${label}: ${size}\n`);
    }
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

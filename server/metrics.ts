/**
 * `GET /metrics` in the Prometheus text format, for operators: figures over all workspaces, without ids or names of any.
 * With SPLICEBOARD_METRICS_TOKEN, for whoever sends it as a bearer token; without one, only for programs on this machine
 * that ask the server itself, not through a proxy. docs/operators.md lists the figures.
 *
 * Written by hand: all that is not of this process is counted in the database, and a client library that counts in memory
 * takes no histogram from there.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BUCKETS, type Figures, readFigures } from '../db/metrics.ts';
import type { Services } from './deps.ts';
import { Problem } from './problem.ts';

const KEPT_MS = 2_000;

export function registerMetrics(app: FastifyInstance, services: Services): void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  app.addHook('onClose', async () => void delay.disable());
  let kept: { at: number; figures: Promise<Figures> } | undefined;
  app.get('/metrics', async (request, reply) => {
    if (!mayRead(request, process.env.SPLICEBOARD_METRICS_TOKEN)) {
      throw new Problem('FORBIDDEN', 'METRICS_REFUSED', 'Figures are for the operator of this installation.', {
        hint: 'Ask on this machine itself, or set SPLICEBOARD_METRICS_TOKEN and send it as a bearer token.',
      });
    }
    if (!kept || performance.now() - kept.at > KEPT_MS) {
      kept = { at: performance.now(), figures: readFigures(services.metricsPool) };
      kept.figures.catch(() => {
        kept = undefined;
      });
    }
    const figures = await kept.figures;
    const own = {
      version: services.version,
      memoryBytes: process.memoryUsage.rss(),
      cpuSeconds: process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
      loopDelaySeconds: delay.percentile(99) / 1e9,
      diskFreeBytes: (await services.disk()).freeBytes,
    };
    delay.reset();
    return reply
      .header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(exposition(figures, own));
  });
}

function mayRead(request: FastifyRequest, token: string | undefined): boolean {
  if (token) {
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const digest = (text: string) => createHash('sha256').update(text).digest();
    return timingSafeEqual(digest(given), digest(token));
  }
  const isForwarded = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'via'].some((name) => request.headers[name]);
  const isLocal = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/.test(request.socket.remoteAddress ?? '');
  const isOwnName = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(request.headers.host ?? '');
  return isLocal && isOwnName && !isForwarded;
}

type Labels = Record<string, string>;
type Sample = [labels: Labels, value: number];

export function exposition(
  figures: Figures,
  own: { version: string; memoryBytes: number; cpuSeconds: number; loopDelaySeconds: number; diskFreeBytes: number },
): string {
  const lines: string[] = [];
  const write = (name: string, type: 'gauge' | 'counter' | 'histogram', help: string, samples: Iterable<Sample>) => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value] of samples) lines.push(lineOf(name, labels, value));
  };
  const { workers } = figures;
  const places = workers.flatMap(({ name, lanes }) => lanes.map((lane) => ({ worker: name, ...lane })));
  write('spliceboard_info', 'gauge', 'The version of this server; always 1.', [[{ version: own.version }, 1]]);
  write(
    ...(['spliceboard_queue_steps', 'gauge', 'Steps that are not settled, by lane and state.'] as const),
    figures.queue.map(({ lane, state, steps }) => [{ lane, state }, steps]),
  );
  const lanes = new Set([...figures.lag, ...figures.queue, ...places].map(({ lane }) => lane));
  write(
    ...([
      'spliceboard_queue_lag_seconds',
      'gauge',
      'How long the oldest step that could begin has been waiting.',
    ] as const),
    [...lanes].sort().map((lane) => [{ lane }, figures.lag.find((each) => each.lane === lane)?.seconds ?? 0]),
  );
  write('spliceboard_workers', 'gauge', 'Workers that beat within the last 4 seconds.', [
    [{}, workers.filter(({ isAlive }) => isAlive).length],
  ]);
  write(
    ...(['spliceboard_worker_slots', 'gauge', 'Places of a worker, by lane.'] as const),
    places.flatMap(({ worker, lane, places: all }): Sample[] => (all === null ? [] : [[{ worker, lane }, all]])),
  );
  write(
    ...(['spliceboard_worker_slots_used', 'gauge', 'Strands that a worker holds, by lane.'] as const),
    places.map(({ worker, lane, taken }) => [{ worker, lane }, taken]),
  );
  write(
    ...(['spliceboard_worker_sandbox_children', 'gauge', 'Processes in which plugins run.'] as const),
    workers.map(({ name, sandboxes }) => [{ worker: name }, sandboxes]),
  );
  write(
    ...(['spliceboard_worker_memory_bytes', 'gauge', 'Resident memory of a worker, in steps of 16 MB.'] as const),
    workers.flatMap(({ name, memoryBytes }): Sample[] =>
      memoryBytes === null ? [] : [[{ worker: name }, memoryBytes]],
    ),
  );
  write(
    ...(['spliceboard_steps_total', 'counter', 'Steps that workers have settled, by node type and end.'] as const),
    figures.tally.map(({ type, state, count }) => [{ type, state }, count]),
  );
  lines.push(
    '# HELP spliceboard_step_seconds How long an attempt that ended its step took.',
    '# TYPE spliceboard_step_seconds histogram',
  );
  for (const { type, state, count, seconds, buckets } of figures.tally) {
    if (state !== 'done' && state !== 'failed') continue;
    const labels = { type, state };
    for (const [index, end] of BUCKETS.entries())
      lines.push(lineOf('spliceboard_step_seconds_bucket', { ...labels, le: String(end) }, buckets[index] ?? 0));
    lines.push(lineOf('spliceboard_step_seconds_bucket', { ...labels, le: '+Inf' }, count));
    lines.push(
      lineOf('spliceboard_step_seconds_sum', labels, seconds),
      lineOf('spliceboard_step_seconds_count', labels, count),
    );
  }
  write(
    ...(['spliceboard_runs_day', 'gauge', 'Runs that began within 24 hours, by state.'] as const),
    figures.runs.map(({ state, count }) => [{ state }, count]),
  );
  write(
    ...([
      'spliceboard_effects',
      'gauge',
      'Acts in the outside world: open ones, and those of 24 hours, by state.',
    ] as const),
    withZeros(figures.effects, ['intended', 'sending', 'unknown']).map(({ state, count }) => [{ state }, count]),
  );
  write(
    ...(['spliceboard_waits', 'gauge', 'Open waits for a time, a call or a person.'] as const),
    figures.waits.map(({ kind, count }) => [{ kind }, count]),
  );
  write('spliceboard_disk_free_bytes', 'gauge', 'Free on the disk of the data folder of this server.', [
    [{}, own.diskFreeBytes],
  ]);
  write('spliceboard_database_bytes', 'gauge', 'Size of the database.', [[{}, figures.databaseBytes]]);
  write('process_resident_memory_bytes', 'gauge', 'Resident memory of this server.', [[{}, own.memoryBytes]]);
  write('process_cpu_seconds_total', 'counter', 'Processor time of this server.', [[{}, own.cpuSeconds]]);
  write('nodejs_eventloop_delay_p99_seconds', 'gauge', 'Since the last time it was read.', [
    [{}, own.loopDelaySeconds],
  ]);
  return `${lines.join('\n')}\n`;
}

/** What an alert looks at is there before it first happens. */
function withZeros(rows: Figures['effects'], states: readonly string[]): Figures['effects'] {
  return [
    ...rows,
    ...states.filter((state) => !rows.some((row) => row.state === state)).map((state) => ({ state, count: 0 })),
  ];
}

function lineOf(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(
    ([key, text]) => `${key}="${text.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
  );
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${Number.isFinite(value) ? value : 0}`;
}

/**
 * What every emulator is made of: a loopback server with strict routes, a clock that is moved and never waited for, a
 * plan of faults, and a record of every request, so that tests assert on the wire.
 *
 * In process a test uses the `Emulator` object; from another process the same is reached under `/__emulator/`:
 * GET requests · POST faults {method, path, kind, …} · POST clock {advanceMs} · POST reset · POST control {…}.
 * An unknown path gets the platform's own 404, by the platform's own `notFound`.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type RequestRecord = {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  /** Bytes of the body that arrived, and their SHA-256. */
  bytes: number;
  sha256: string;
  /** The body where it is JSON. */
  json: unknown;
  /** What was answered; null where the connection was cut instead. */
  status: number | null;
  at: number;
};

/**
 * drop-before-read   the connection is cut before anything is looked at
 * drop-mid-body      cut after `afterBytes` of the request's body
 * commit-then-drop   the request is carried out, the answer never leaves
 * status             answered with `status`, `headers` and `body` instead of being carried out
 * slow               carried out; the answer's body comes in pieces with `delayMs` between them
 * hang               never answered
 */
export type Fault = {
  method?: string;
  /** Exact path, or a prefix that ends in `*`. */
  path: string;
  kind: 'drop-before-read' | 'drop-mid-body' | 'commit-then-drop' | 'status' | 'slow' | 'hang';
  /** How often; default once. */
  times?: number;
  /** How many requests pass first. */
  skip?: number;
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
  afterBytes?: number;
  delayMs?: number;
};

type Planned = Fault & { times: number; skip: number };

export type Answer = { status: number; headers?: Record<string, string>; json?: unknown; bytes?: Uint8Array };
export type Asked = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Record<string, string>;
  body: Buffer;
  /** The path's `{name}` parts. */
  params: Record<string, string>;
};
export type Route = { method: string; path: string; answer(asked: Asked): Answer | Promise<Answer> };

export type Emulator<S> = {
  name: string;
  /** `http://127.0.0.1:port` */
  origin: string;
  /** The platform's real origin: `{ [realOrigin]: origin }` is the operator's map for it. */
  realOrigin: string;
  requests: RequestRecord[];
  faults: { add(...faults: Fault[]): void; clear(): void };
  clock: { now(): number; advance(ms: number): void };
  /** What this platform remembers; tests set answers here. */
  state: S;
  reset(): void;
  close(): Promise<void>;
};

export type EmulatorDefinition<S> = {
  name: string;
  realOrigin: string;
  fresh(clock: { now(): number }): S;
  routes(state: () => S, clock: { now(): number }): Route[];
  notFound(asked: Asked): Answer;
  /** Called before a route, for keys and scopes; an answer refuses. */
  guard?(state: S, asked: Asked): Answer | undefined;
  /** What another process may set, by POST /__emulator/control. */
  control?(state: S, command: Record<string, unknown>): unknown;
  maxBytes?: number;
};

export async function startEmulator<S>(definition: EmulatorDefinition<S>, port = 0): Promise<Emulator<S>> {
  let offset = 0;
  const clock = {
    now: () => Date.now() + offset,
    advance(ms: number) {
      offset += ms;
    },
  };
  let state = definition.fresh(clock);
  const routes = definition.routes(() => state, clock);
  const requests: RequestRecord[] = [];
  let plan: Planned[] = [];
  const sockets = new Set<Socket>();

  const faults = {
    add(...added: Fault[]) {
      plan.push(...added.map((fault) => ({ times: 1, skip: 0, ...fault })));
    },
    clear() {
      plan = [];
    },
  };
  function reset() {
    offset = 0;
    state = definition.fresh(clock);
    requests.length = 0;
    faults.clear();
  }

  function faultFor(method: string, path: string): Fault | undefined {
    for (const fault of plan) {
      const fits = fault.path.endsWith('*') ? path.startsWith(fault.path.slice(0, -1)) : path === fault.path;
      if (!fits || (fault.method && fault.method !== method) || fault.times <= 0) continue;
      if (fault.skip > 0) {
        fault.skip--;
        return undefined;
      }
      fault.times--;
      return fault;
    }
    return undefined;
  }

  const server = createServer({ maxHeaderSize: 65_536 }, (request, response) => {
    const { socket } = request; // it is taken off a request whose body was not read to its end
    void serve(request, response, socket).catch(() => socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  async function serve(request: IncomingMessage, response: ServerResponse, socket: Socket): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://emulator');
    const method = request.method ?? 'GET';
    const headers = Object.fromEntries(Object.entries(request.headers).map(([key, value]) => [key, String(value)]));
    if (url.pathname.startsWith('/__emulator/')) {
      write(response, manage(method, url.pathname, await readAll(request)));
      return;
    }

    const record: RequestRecord = {
      method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers,
      bytes: 0,
      sha256: '',
      json: undefined,
      status: null,
      at: clock.now(),
    };
    requests.push(record);
    const fault = faultFor(method, url.pathname);
    if (fault?.kind === 'drop-before-read') return void socket.destroy();
    const body = await readAll(
      request,
      fault?.kind === 'drop-mid-body' ? (fault.afterBytes ?? 1) : undefined,
      definition.maxBytes,
    );
    record.bytes = body.length;
    record.sha256 = createHash('sha256').update(body).digest('hex');
    if (/json/.test(headers['content-type'] ?? '')) record.json = parsed(body);
    if (fault?.kind === 'drop-mid-body') return void socket.destroy();
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'status') {
      const { status = 500, headers: extra = {}, body: json = {} } = fault;
      record.status = status;
      return write(response, { status, headers: extra, json });
    }
    const asked: Asked = { method, path: url.pathname, query: url.searchParams, headers, body, params: {} };
    const answer = await answerTo(asked);
    if (fault?.kind === 'commit-then-drop') return void socket.destroy();
    record.status = answer.status;
    if (fault?.kind === 'slow') return writeSlowly(response, answer, fault.delayMs ?? 100);
    write(response, answer);
  }

  async function answerTo(asked: Asked): Promise<Answer> {
    const route = routes.find((one) => one.method === asked.method && matched(one.path, asked));
    if (!route) return definition.notFound(asked);
    return definition.guard?.(state, asked) ?? route.answer(asked);
  }

  function manage(method: string, path: string, body: Buffer): Answer {
    const command = (parsed(body) ?? {}) as Record<string, unknown>;
    switch (`${method} ${path}`) {
      case 'GET /__emulator/requests':
        return { status: 200, json: requests };
      case 'POST /__emulator/faults':
        faults.add(command as Fault);
        return { status: 200, json: {} };
      case 'POST /__emulator/clock':
        clock.advance(Number(command.advanceMs ?? 0));
        return { status: 200, json: { now: clock.now() } };
      case 'POST /__emulator/reset':
        reset();
        return { status: 200, json: {} };
      case 'POST /__emulator/control':
        return { status: 200, json: definition.control?.(state, command) ?? {} };
      default:
        return { status: 404, json: { error: 'unknown control' } };
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    name: definition.name,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    realOrigin: definition.realOrigin,
    requests,
    faults,
    clock,
    get state() {
      return state;
    },
    reset,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** `/v2/transcript/{id}` against a path; fills `params`. */
function matched(pattern: string, asked: Asked): boolean {
  const [wanted, given] = [pattern.split('/'), asked.path.split('/')];
  if (wanted.length !== given.length) return false;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    if (name && given[index] !== '') params[name] = decodeURIComponent(given[index]!);
    else if (part !== given[index]) return false;
  }
  asked.params = params;
  return true;
}

async function readAll(request: IncomingMessage, stopAfter?: number, limit = 300 * 1024 * 1024): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if ((stopAfter !== undefined && size >= stopAfter) || size > limit) break;
  }
  return Buffer.concat(chunks);
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function write(response: ServerResponse, answer: Answer): void {
  const body = answer.bytes ?? Buffer.from(answer.json === undefined ? '' : JSON.stringify(answer.json));
  response.writeHead(answer.status, {
    ...(answer.bytes ? {} : { 'content-type': 'application/json' }),
    'content-length': String(body.length),
    ...answer.headers,
  });
  response.end(body);
}

function writeSlowly(response: ServerResponse, answer: Answer, delayMs: number): void {
  const body = Buffer.from(answer.bytes ?? JSON.stringify(answer.json ?? null));
  const piece = Math.max(1, Math.ceil(body.length / 4));
  response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
  let at = 0;
  const timer = setInterval(() => {
    if (at >= body.length) {
      clearInterval(timer);
      response.end();
      return;
    }
    response.write(body.subarray(at, at + piece));
    at += piece;
  }, delayMs);
  response.on('close', () => clearInterval(timer));
}

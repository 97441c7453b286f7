/**
 * Asks what a plugin knows of its platform, outside of its `run`: who an account is, what would be refused, what a webhook
 * means, how posts do, and to take one away. `validate` and `events` may ask for nothing; of the others only `remove` may change
 * anything; all are held to the plugin's rights of the moment.
 *
 * Errors: POST_REFUSED, PLATFORM_UNCLEAR, those of the sandbox, of http.ts and of plugins.ts.
 */
import * as z from 'zod';
import { keepPost } from '../../db/posts.ts';
import { inWorkspace } from '../../db/workspace.ts';
import {
  type BrandKit,
  type ErrorJson,
  type HttpRequest,
  type ManifestJson,
  NodeError,
  Post,
} from '../../nodes/contract.ts';
import type { AssetStore } from '../assets.ts';
import type { Call } from '../broker.ts';
import { CapabilityError, type StepConnection, type StepScope } from '../capabilities/capability.ts';
import { HttpRequestSchema, sendHttp, takeHttpTurn } from '../capabilities/http.ts';
import type { Plugin } from '../catalogue.ts';
import type { Fetcher } from '../fetch.ts';
import { problemsOf } from '../graph/posts.ts';
import { accountRight, onlyAsks } from '../graph/rights.ts';
import type { ForeignPlugin, Plugins } from '../plugins.ts';
import type { Json, Sandbox, SandboxResult } from '../sandbox/sandbox.ts';
import { NO_TURNS } from '../turns.ts';
import type { Accounts } from './account.ts';

export type PlatformHost = Accounts & { sandbox: Sandbox; fetcher: Fetcher; plugins: Plugins };
export type PlatformEntry = 'account' | 'validate' | 'remove' | 'metrics' | 'events';

const LIMITS = { wallMs: 60_000, cpuMs: 5_000, memoryMb: 64 };
const PROBLEMS = z
  .array(
    z.object({
      input: z.string().max(40).optional(),
      message: z.string().max(500),
      hint: z.string().max(500).optional(),
    }),
  )
  .max(50);

export const ctxConnection = (connection: StepConnection | null): Json => {
  if (!connection) return null;
  const { id, name, platform, account, server } = connection;
  return { id, name, platform, account, server };
};

/** What the entry gave back, as it is; throws what it threw. */
export async function askPlatform(
  host: PlatformHost,
  of: {
    workspaceId: string;
    brandId: string;
    plugin: Plugin | ForeignPlugin;
    entry: PlatformEntry;
    connection: StepConnection | null;
    config?: Json;
    inputs: Json;
    assets: AssetStore;
    signal?: AbortSignal;
  },
): Promise<unknown> {
  const { plugin, entry, connection } = of;
  const { manifest } = plugin;
  const isQuiet = entry === 'validate' || entry === 'events';
  const abort = new AbortController();
  const signal = of.signal ? AbortSignal.any([abort.signal, of.signal]) : abort.signal;
  const held = 'plugin' in plugin ? await host.plugins.hold(of.workspaceId, plugin, () => abort.abort()) : null;
  if (held && 'code' in held) throw asError(held);
  try {
    const right = accountRight(manifest);
    if (held && !isQuiet && right) held.demand(right);
    const scope = scopeOf(of, signal);
    const answer = async (call: Call) => {
      if (isQuiet || call.capability !== 'http' || call.method !== 'request') {
        throw new CapabilityError(
          'CAPABILITY_READ_ONLY',
          `${entry} may not ask for ${call.capability}.${call.method}.`,
        );
      }
      const request: HttpRequest = HttpRequestSchema.parse(call.args);
      if (entry !== 'remove' && !onlyAsks(manifest, request)) {
        throw new CapabilityError(
          'CAPABILITY_READ_ONLY',
          `${entry} may only ask, and ${request.method} changes things.`,
        );
      }
      const entered = held?.enter(call, JSON.stringify(call.args ?? null).length);
      let received = 0;
      try {
        await takeHttpTurn(scope, request);
        const reply = await sendHttp(scope, request, host.fetcher);
        received = JSON.stringify(reply).length;
        return reply;
      } finally {
        entered?.done(received);
      }
    };
    const result: SandboxResult = await host.sandbox.run({
      workspaceId: of.workspaceId,
      contextKey: `platform ${of.brandId}`,
      plugin: { digest: plugin.digest, code: plugin.code },
      entry,
      ctx: {
        config: of.config ?? {},
        now: scope.now,
        seed: `${entry} ${connection?.id ?? ''}`,
        brand: NO_BRAND as unknown as Json,
        connection: ctxConnection(connection),
      },
      inputs: of.inputs,
      limits: LIMITS,
      onCall: answer,
      signal,
    });
    if (held?.ended) throw asError(held.ended);
    if (!result.ok) throw asError(result.error);
    return result.value;
  } finally {
    held?.release();
  }
}

/** Throws POST_REFUSED with all that the platform would refuse: by its rules as data, then by what its plugin says beyond. */
export async function requirePostable(
  host: PlatformHost,
  of: Omit<Parameters<typeof askPlatform>[1], 'entry'>,
): Promise<void> {
  const { manifest } = of.plugin;
  const rules = manifest.platform?.post;
  if (!rules) return;
  const problems = problemsOf(rules, (of.inputs ?? {}) as Record<string, unknown>);
  if (problems.length === 0 && manifest.exports.includes('validate')) {
    const said = PROBLEMS.safeParse(await askPlatform(host, { ...of, entry: 'validate' }));
    if (!said.success) throw unclear(manifest, 'validate');
    problems.push(...said.data);
  }
  if (problems.length === 0) return;
  const message = problems.map((problem) => problem.message).join(' ');
  throw new CapabilityError(
    'POST_REFUSED',
    `${manifest.platform!.title} would refuse this: ${message}`.slice(0, 1_900),
    {
      hint:
        problems
          .flatMap(({ hint }) => hint ?? [])
          .join(' ')
          .slice(0, 900) || 'Change it, then retry.',
      retry: 'never',
    },
  );
}

/** Writes down what was published, for its figures and its end. */
export async function keepPublished(
  { db }: Pick<PlatformHost, 'db'>,
  of: {
    workspaceId: string;
    brandId: string;
    runId: string;
    node: string;
    manifest: ManifestJson;
    connection: StepConnection;
    outputs: unknown;
  },
): Promise<void> {
  const port = Object.entries(of.manifest.outputs).find(([, { type, list }]) => type === 'post' && !list)?.[0];
  const post = Post.safeParse(port === undefined ? null : (of.outputs as Record<string, unknown> | null)?.[port]);
  if (!post.success || post.data.simulated) return;
  const row = { brandId: of.brandId, runId: of.runId, node: of.node, type: of.manifest.id, post: post.data };
  await inWorkspace(db, of.workspaceId, (tx) => keepPost(tx, { ...row, connectionId: of.connection.id }));
}

export const unclear = (manifest: ManifestJson, entry: PlatformEntry) =>
  new NodeError('PLATFORM_UNCLEAR', `${manifest.title} gave something else for "${entry}" than the contract says.`, {
    hint: 'Its author has to mend it.',
  });

export const asError = ({ code, message, hint, retry, notBefore }: ErrorJson) =>
  new CapabilityError(code, message, {
    ...(hint !== null && { hint }),
    retry,
    ...(notBefore != null && { notBefore }),
  });

const NO_BRAND: BrandKit = {
  name: '',
  colors: { primary: '#000000', light: '#ffffff', ink: '#000000', paper: '#ffffff' },
  fonts: { display: '', text: '' },
  logo: null,
  voice: '',
  captions: { style: 'plain' },
  links: [],
};

function scopeOf(of: Parameters<typeof askPlatform>[1], signal: AbortSignal): StepScope {
  return {
    workspaceId: of.workspaceId,
    brandId: of.brandId,
    runId: '',
    stepId: `platform ${of.entry}`,
    nodeId: '',
    path: [],
    attempt: 1,
    now: new Date().toISOString(),
    manifest: of.plugin.manifest,
    brand: NO_BRAND,
    connection: of.connection,
    assets: of.assets,
    signal,
    turns: NO_TURNS,
    progress: () => {},
    log: () => {},
  };
}

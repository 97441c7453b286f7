/**
 * Plugins of workspaces as a worker holds them: the node types a run is pinned to, and what each plugin may do now.
 *
 * Rights are read anew each second while anything runs under them. One that a person takes back ends the calls made under it,
 * and the step with them; a plugin that is removed ends all its steps. What was recorded earlier helps nobody: a call is held
 * to the rights of now before the journal is asked.
 *
 * Errors: GRANT_MISSING, GRANT_REVOKED, PLUGIN_REMOVED.
 */
import type { Database } from '../db/connect.ts';
import { addPluginUse, grantsOf, type PluginUse, packageFile, pinnedTypes, typesInUse } from '../db/plugins.ts';
import { keepTrial, type Trial } from '../db/trials.ts';
import { inWorkspace, type WorkspaceTx } from '../db/workspace.ts';
import { type ErrorJson, ManifestJson, PackedPlugin } from '../nodes/contract.ts';
import type { Call } from './broker.ts';
import { CapabilityError } from './capabilities/capability.ts';
import { type Catalogue, installedTypes, type Plugin } from './catalogue.ts';
import { rightFor } from './graph/rights.ts';
import type { InstalledTypes } from './graph/triggers.ts';
import { pinnedOtherwise, withPlugins } from './graph/types.ts';
import { isStack, stackReader } from './trial.ts';

/** A node type of a plugin; `plugin` is the plugin's name, `packed` where in which package it lies. */
export type ForeignPlugin = Plugin & { plugin: string; packed: { digest: string; place: number } };
/** One execution under a plugin's rights. */
export type Held = {
  /** Throws where the plugin may not; else the call runs under its right until `done`. */
  enter(call: Call, sentBytes: number): { done(receivedBytes: number): void };
  /** Throws where it has not this right; else all of the execution is under it. */
  demand(right: string): void;
  /** Why it was ended, once it was. */
  readonly ended: ErrorJson | null;
  /** Whether its author is at work on it: what it does is kept for them. */
  readonly isDev: boolean;
  release(): void;
};
export type Plugins = {
  /** Of a run, by node type; what is gone, or never was, is not among them. */
  pinned(
    workspaceId: string,
    pins: Record<string, { digest?: string | undefined }>,
  ): Promise<ReadonlyMap<string, ForeignPlugin>>;
  /** Begins an execution under a plugin's rights of now; `end` is called when one that it uses is taken back. */
  hold(workspaceId: string, plugin: ForeignPlugin, end: () => void): Promise<Held | ErrorJson>;
  /** Keeps what an execution of one in the making did, with its stacks as its author wrote them. Does not wait for it. */
  keepTrial(workspaceId: string, plugin: ForeignPlugin, row: Trial): void;
  stop(): Promise<void>;
};

const FRESH_MS = 1_000;
const USE_MS = 5_000;
const MOST_KNOWN = 200;

type Rights = { state: 'on' | 'removed'; isDev: boolean; rights: ReadonlySet<string>; readAt: number };
type Execution = {
  workspaceId: string;
  plugin: string;
  /** The rights of its calls that are on their way, each as often as it is used. */
  uses: Map<string, number>;
  end(error: ErrorJson): void;
};

const grantMissing = (title: string, right: string) =>
  new CapabilityError('GRANT_MISSING', `${title} is not allowed to do this here: ${right}.`, {
    hint: 'An owner or admin can allow it under Plugins; then retry.',
    retry: 'person',
  });
const removed = (title: string): ErrorJson => ({
  code: 'PLUGIN_REMOVED',
  message: `The plugin of ${title} was removed from this workspace.`,
  hint: 'Install it again, then retry.',
  retry: 'person',
});
const revoked = (title: string, right: string): ErrorJson => ({
  code: 'GRANT_REVOKED',
  message: `While ${title} was running, it was no longer allowed to do this: ${right}.`,
  hint: 'An owner or admin can allow it again under Plugins; then retry.',
  retry: 'person',
});

export function createPlugins(options: {
  db: Database;
  log(line: string, details: Record<string, unknown>): void;
}): Plugins {
  /** By workspace, type and behaviour; a package is never changed. */
  const loaded = new Map<string, ForeignPlugin>();
  const rights = new Map<string, Rights>();
  const reading = new Map<string, Promise<Rights>>();
  const running = new Set<Execution>();
  const writing = new Set<Promise<void>>();
  const used = new Map<string, PluginUse & { workspaceId: string }>();
  const inside = <T>(workspaceId: string, work: (tx: WorkspaceTx) => Promise<T>) =>
    inWorkspace(options.db, workspaceId, work);
  const place = (...parts: string[]) => parts.join('\n');

  async function load(workspaceId: string, pins: { type: string; behaviour: string }[]): Promise<void> {
    await inside(workspaceId, async (tx) => {
      for (const row of await pinnedTypes(tx, pins)) {
        const manifest = ManifestJson.safeParse(row.manifest);
        const file = PackedPlugin.safeParse(JSON.parse((await packageFile(tx, row.digest)) ?? 'null'));
        const node = file.success ? file.data.nodes[row.place] : undefined;
        if (!manifest.success || !node) continue;
        loaded.set(place(workspaceId, row.type, row.behaviour), {
          manifest: manifest.data,
          digest: row.behaviour,
          code: node.run,
          behaviourDigest: row.behaviour,
          plugin: row.plugin,
          packed: { digest: row.digest, place: row.place },
        });
        if (loaded.size > MOST_KNOWN) loaded.delete(loaded.keys().next().value!);
      }
    });
  }

  async function readRights(workspaceId: string, names: readonly string[]): Promise<void> {
    const found = new Map((await inside(workspaceId, (tx) => grantsOf(tx, names))).map((row) => [row.name, row]));
    for (const name of names) {
      const row = found.get(name);
      const isThere = row !== undefined && row.state !== 'removed';
      rights.set(place(workspaceId, name), {
        state: isThere ? 'on' : 'removed',
        isDev: row?.isDev ?? false,
        rights: new Set(isThere ? row.rights : []),
        readAt: performance.now(),
      });
    }
  }

  async function rightsOf(workspaceId: string, name: string): Promise<Rights> {
    const key = place(workspaceId, name);
    const known = rights.get(key);
    if (known && performance.now() - known.readAt < FRESH_MS) return known;
    let coming = reading.get(key);
    if (!coming) {
      coming = readRights(workspaceId, [name])
        .then(() => rights.get(key)!)
        .finally(() => reading.delete(key));
      reading.set(key, coming);
    }
    return coming;
  }

  /** Reads the rights under which something runs, and ends what lost its own. */
  async function look(): Promise<void> {
    const names = new Map<string, Set<string>>();
    for (const { workspaceId, plugin } of running) {
      names.set(workspaceId, (names.get(workspaceId) ?? new Set()).add(plugin));
    }
    for (const [workspaceId, plugins] of names) await readRights(workspaceId, [...plugins]);
    for (const execution of running) {
      const now = rights.get(place(execution.workspaceId, execution.plugin));
      if (!now) continue;
      if (now.state === 'removed') execution.end(removed(execution.plugin));
      for (const right of execution.uses.keys()) {
        if (!now.rights.has(right)) execution.end(revoked(execution.plugin, right));
      }
    }
  }

  function count(workspaceId: string, plugin: string, right: string, what: Partial<PluginUse>): void {
    const key = place(workspaceId, plugin, right);
    const sum = used.get(key) ?? { workspaceId, plugin, right, calls: 0, refused: 0, sentBytes: 0, receivedBytes: 0 };
    for (const name of ['calls', 'refused', 'sentBytes', 'receivedBytes'] as const) sum[name] += what[name] ?? 0;
    used.set(key, sum);
  }

  async function writeUses(): Promise<void> {
    const byWorkspace = Map.groupBy(used.values(), ({ workspaceId }) => workspaceId);
    used.clear();
    for (const [workspaceId, uses] of byWorkspace) await inside(workspaceId, (tx) => addPluginUse(tx, uses));
  }

  /** Null where it was packed without one. */
  const mapOf = (workspaceId: string, { packed }: ForeignPlugin) =>
    inside(workspaceId, async (tx) => {
      const file = PackedPlugin.safeParse(JSON.parse((await packageFile(tx, packed.digest)) ?? 'null'));
      return (file.success && file.data.nodes[packed.place]?.map) || null;
    });

  async function writeTrial(workspaceId: string, plugin: ForeignPlugin, row: Trial): Promise<void> {
    const leads = row.said.some((entry) => entry.kind === 'log' && isStack(entry.line));
    const map = leads ? await mapOf(workspaceId, plugin) : null;
    const read = map !== null && stackReader(map);
    const said = row.said.map((entry) =>
      read && entry.kind === 'log' && isStack(entry.line) ? { ...entry, line: read(entry.line) } : entry,
    );
    await inside(workspaceId, (tx) => keepTrial(tx, { ...row, said }));
  }

  const say = (what: string) => (error: unknown) => options.log(what, { err: error });
  let looking: Promise<void> = Promise.resolve();
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking || running.size === 0) return;
    isLooking = true;
    looking = look()
      .catch(say('Rights of plugins could not be read.'))
      .finally(() => {
        isLooking = false;
      });
  }, FRESH_MS);
  const useTimer = setInterval(() => void writeUses().catch(say('Uses of plugins were not written.')), USE_MS);

  return {
    async pinned(workspaceId, pins) {
      const wanted = Object.entries(pins).flatMap(([type, { digest }]) =>
        digest ? [{ type, behaviour: digest }] : [],
      );
      const unknown = wanted.filter(({ type, behaviour }) => !loaded.has(place(workspaceId, type, behaviour)));
      if (unknown.length > 0) await load(workspaceId, unknown);
      return new Map(
        wanted.flatMap(({ type, behaviour }) => {
          const plugin = loaded.get(place(workspaceId, type, behaviour));
          return plugin ? [[type, plugin] as const] : [];
        }),
      );
    },

    async hold(workspaceId, { plugin, manifest }, end) {
      const now = await rightsOf(workspaceId, plugin);
      if (now.state === 'removed') return removed(manifest.title);
      let ended: ErrorJson | null = null;
      const execution: Execution = {
        workspaceId,
        plugin,
        uses: new Map(),
        end(error) {
          if (ended) return;
          ended = { ...error, message: error.message.replace(plugin, manifest.title) };
          end();
        },
      };
      running.add(execution);
      const begin = (right: string, sentBytes: number) => {
        const current = rights.get(place(workspaceId, plugin)) ?? now;
        if (!current.rights.has(right)) {
          count(workspaceId, plugin, right, { refused: 1 });
          throw grantMissing(manifest.title, right);
        }
        execution.uses.set(right, (execution.uses.get(right) ?? 0) + 1);
        count(workspaceId, plugin, right, { calls: 1, sentBytes });
      };
      return {
        demand: (right) => begin(right, 0),
        enter(call, sentBytes) {
          const right = rightFor(manifest, call);
          // what is declared nowhere is refused by who knows the declaration
          if (right === null) return { done: () => {} };
          begin(right, sentBytes);
          return {
            done(receivedBytes) {
              const left = execution.uses.get(right)! - 1;
              if (left === 0) execution.uses.delete(right);
              else execution.uses.set(right, left);
              count(workspaceId, plugin, right, { receivedBytes });
            },
          };
        },
        get ended() {
          return ended;
        },
        isDev: now.isDev,
        release: () => void running.delete(execution),
      };
    },

    keepTrial(workspaceId, plugin, row) {
      const written = writeTrial(workspaceId, plugin, row)
        .catch(say('What a plugin in the making did was not kept.'))
        .finally(() => writing.delete(written));
      writing.add(written);
    },

    async stop() {
      clearInterval(timer);
      clearInterval(useTimer);
      await looking;
      await Promise.all(writing);
      await writeUses().catch(() => {}); // figures only
    },
  };
}

/** All node types of a workspace, for who starts runs; `pins` (node type → behaviour) stand before what is installed now. */
export async function typesOf(tx: WorkspaceTx, catalogue: Catalogue, pins?: unknown): Promise<InstalledTypes> {
  const own = installedTypes(catalogue);
  const inUse = await typesInUse(tx);
  const types = withPlugins(own, inUse);
  const others = pinnedOtherwise(types, own, pins);
  return others.length === 0 ? types : withPlugins(own, [...inUse, ...(await pinnedTypes(tx, others))]);
}

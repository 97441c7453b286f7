/**
 * The production shape. There is no container engine where the tests run: the file is read as Compose reads it, and what
 * its services start is started here, each with its own login, on a PostgreSQL prepared by its own script.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Postgres, startPostgres } from '../../scripts/postgres.ts';
import { freePort, freshFolder, removeFolder } from '../support/product.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const SOURCE = readFileSync(path.join(ROOT, 'docker-compose.yml'), 'utf8').replace(/^\s*#.*$/gm, '');
const EXAMPLE = readFileSync(path.join(ROOT, '.env.example'), 'utf8');

type Service = {
  image: string;
  build?: string;
  command?: string[];
  environment: Record<string, string>;
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  stop_grace_period?: string;
  restart?: string;
};
type Compose = { services: Record<string, Service>; volumes: Record<string, unknown> };

const VARIABLE = /\$\{(\w+)(?::([?-])([^}]*))?\}/g;

/** Interpolates as Compose does: an empty required variable stops it with its sentence. */
function compose(environment: Record<string, string>): Compose {
  const filled = SOURCE.replace(VARIABLE, (_all, name: string, kind: string | undefined, rest: string) => {
    const value = environment[name] ?? '';
    if (value === '' && kind === '?') throw new Error(rest);
    return value === '' && kind === '-' ? rest : value;
  });
  return parse(filled, { merge: true }) as Compose;
}

const required = [...SOURCE.matchAll(VARIABLE)].filter(([, , kind]) => kind === '?').map(([, name]) => name!);
const FILLED = Object.fromEntries(required.map((name) => [name, `${name.toLowerCase()}1`]));
FILLED.SPLICEBOARD_PUBLIC_URL = 'https://board.example.org';
FILLED.SPLICEBOARD_KEY = '5e'.repeat(32);

describe('the file', () => {
  const { services, volumes } = compose(FILLED);
  const ours = Object.entries(services).filter(([, { build }]) => build !== undefined);

  test('has no secret of its own: each one that is not set stops the start with a sentence that names it', () => {
    expect(() => compose({})).toThrow();
    for (const name of required) {
      const { [name]: _, ...others } = FILLED;
      expect(() => compose(others)).toThrow(new RegExp(`^Set ${name}\\b.*\\.$`));
    }
    const secrets = [...SOURCE.matchAll(/^\s*(\w*(?:PASSWORD|SECRET|_KEY)\w*): (.*)$/gm)];
    expect(secrets.length).toBeGreaterThan(4);
    for (const [, name, value] of secrets)
      expect([name, value]).toEqual([name, expect.stringMatching(/^\$\{\w+:(\?|-\})/)]);
    for (const [, login] of SOURCE.matchAll(/postgres:\/\/\w+:(.*?)@/g)) expect(login).toMatch(/^\$\{\w+\}$/);
  });

  test('asks for what .env.example lists, and for nothing that it does not explain', () => {
    const listed = [...EXAMPLE.matchAll(/^(#?)(\w+)=(.*)$/gm)];
    expect(listed.filter(([, off]) => off === '').map(([, , name]) => name)).toEqual(expect.arrayContaining(required));
    expect(listed.filter(([, off]) => off === '')).toHaveLength(new Set(required).size);
    for (const [, , name, value] of listed) expect([name, value]).toEqual([name, '']);
    const known = new Set([...SOURCE.matchAll(VARIABLE)].map(([, name]) => name));
    for (const [, , name] of listed) expect(known).toContain(name);
  });

  test('starts files that are there, and mounts what is there', () => {
    const docker = readFileSync(path.join(ROOT, 'Dockerfile'), 'utf8');
    const started = [
      ...ours.map(([, { command }]) => command!),
      ...ours.flatMap(([, { healthcheck }]) => (healthcheck ? [healthcheck.test.slice(1)] : [])),
      ...[...docker.matchAll(/^CMD (.*)$/gm)].map(([, json]) => JSON.parse(json!) as string[]),
    ].filter(([, first]) => first !== '-e');
    expect(started.length).toBeGreaterThanOrEqual(5);
    for (const [program, file] of started) {
      expect(program).toBe('node');
      expect([file, existsSync(path.join(ROOT, file!))]).toEqual([file, true]);
    }
    for (const [, sources] of docker.matchAll(/^COPY (?!--from)(.*) \S+$/gm)) {
      for (const source of sources!.split(' '))
        expect([source, existsSync(path.join(ROOT, source))]).toEqual([source, true]);
    }
    for (const [, { volumes: mounted = [] }] of Object.entries(services)) {
      for (const [from] of mounted.map((mount) => mount.split(':'))) {
        if (from!.startsWith('.')) expect([from, existsSync(path.join(ROOT, from!))]).toEqual([from, true]);
        else expect(Object.keys(volumes)).toContain(from);
      }
    }
    expect(docker).toMatch(/FFMPEG_PATH=\/usr\/bin\/ffmpeg/);
    expect(docker).toMatch(/apt-get install.*\bffmpeg\b/s);
  });

  test('has one migrator that all others wait for, a login for each job, and health checks', () => {
    const migrators = ours.filter(([, { command }]) => command!.includes('scripts/migrate.ts'));
    expect(migrators.map(([name]) => name)).toEqual(['migrate']);
    expect(services.migrate!.restart).toBe('on-failure');
    expect(services.migrate!.depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
    for (const [name, service] of ours.filter(([name]) => name !== 'migrate')) {
      expect([name, service.depends_on]).toEqual([name, { migrate: { condition: 'service_completed_successfully' } }]);
      expect([name, service.healthcheck?.test[0]]).toEqual([name, 'CMD']);
    }
    const logins = ours.map(([, { environment }]) => new URL(environment.DATABASE_URL!).username);
    expect(new Set(logins).size).toBe(ours.length);
    const script = readFileSync(path.join(ROOT, 'scripts/production/logins.sh'), 'utf8');
    for (const login of logins) expect(script).toContain(`create role ${login} login`);
    expect(services.postgres!.healthcheck).toBeDefined();
  });

  test('gives a worker longer to stop than it takes to drain', () => {
    const { stop_grace_period: grace, environment } = services.worker!;
    expect(Number(/^(\d+)s$/.exec(grace!)![1])).toBeGreaterThanOrEqual(
      Number(environment.SPLICEBOARD_DRAIN_SECONDS) + 5,
    );
  });
});

describe('what it starts', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-compose-'));
  const cluster = freshFolder();
  let postgres: Postgres | undefined;
  const children: ChildProcess[] = [];
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await postgres?.stop();
    removeFolder(cluster);
    rmSync(folder, { recursive: true, force: true });
  });

  /** As the image would prepare it: no role and no database of ours, then scripts/production/logins.sh. */
  async function prepare(): Promise<Postgres> {
    const started = await startPostgres(path.join(cluster, 'postgres'), { settings: { fsync: 'off' } });
    const script = readFileSync(path.join(ROOT, 'scripts/production/logins.sh'), 'utf8');
    const sql = /<<'SQL'\n([\s\S]*)\nSQL/.exec(script)![1]!.replace(/:'(\w+)'/g, (_all, name: string) => {
      const variable = new RegExp(`--set ${name}="\\$(\\w+)"`).exec(script)![1]!;
      return `'${FILLED[variable]}'`;
    });
    const admin = new pg.Client({ connectionString: started.adminUrl });
    await admin.connect();
    for (const role of ['owner', 'app', 'auth', 'router', 'metrics', 'spliceboard']) {
      if (role === 'owner') await admin.query('drop database spliceboard');
      await admin.query(`drop owned by ${role}`);
    }
    await admin.query('drop role owner, app, auth, router, metrics, spliceboard');
    await admin.query('create database spliceboard');
    await admin.end();
    const inside = new pg.Client({ connectionString: started.adminUrl.replace(/\/postgres\?/, '/spliceboard?') });
    await inside.connect();
    await inside.query(sql);
    await inside.end();
    return started;
  }

  test('the migrator migrates, server and worker are healthy with their own logins, and SIGTERM ends both', async () => {
    postgres = await prepare();
    const port = await freePort();
    const { services } = compose(FILLED);
    const socket = new URL(postgres.adminUrl).searchParams.get('host')!;
    /** The service's own login and settings; the address, the port and the folder are of this machine. */
    const environmentOf = (name: string) => {
      const { environment } = services[name]!;
      const { username, password, pathname } = new URL(environment.DATABASE_URL!);
      return {
        ...process.env,
        // Compose fills in after reading: what is empty is an empty text
        ...Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, value ?? ''])),
        DATABASE_URL: `postgres://${username}:${password}@${pathname}?host=${encodeURIComponent(socket)}`,
        SPLICEBOARD_DATA: path.join(folder, 'data'),
        SPLICEBOARD_HOST: '127.0.0.1',
        SPLICEBOARD_PORT: String(port),
        FFMPEG_PATH: '',
      };
    };
    const begin = (name: string, command: string[]) => {
      const child = spawn(
        process.execPath,
        command.slice(1).map((part) => part.replaceAll(':4400', `:${port}`)),
        {
          cwd: ROOT,
          env: environmentOf(name),
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      children.push(child);
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk));
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
      return { child, ended, said: () => said };
    };
    const finish = async (name: string, command: string[]) => {
      const { ended, said } = begin(name, command);
      return { code: await ended, said: said() };
    };
    const health = (name: string) => finish(name, services[name]!.healthcheck!.test.slice(1));

    // before the migrator: a sentence, and Compose tries again
    const early = await finish('worker', services.worker!.command!);
    expect(early).toMatchObject({ code: 1, said: expect.stringMatching(/The worker cannot start: .+/) });

    const migrated = await finish('migrate', services.migrate!.command!);
    expect(migrated).toMatchObject({ code: 0, said: expect.stringMatching(/^Applied 0001/) });
    expect(await finish('migrate', services.migrate!.command!)).toMatchObject({
      code: 0,
      said: 'The schema is up to date.\n',
    });

    const server = begin('server', services.server!.command!);
    await expect.poll(server.said, { timeout: 30_000 }).toContain('listens at');
    expect((await health('server')).code).toBe(1); // nobody works yet
    expect(await health('worker')).toMatchObject({
      code: 1,
      said: expect.stringContaining('No worker of this machine'),
    });
    const worker = begin('worker', services.worker!.command!);
    await expect.poll(async () => (await health('worker')).code, { timeout: 60_000, interval: 500 }).toBe(0);
    expect(await health('server')).toMatchObject({ code: 0 });

    // one login's rights are not another's
    const may = async (name: string, role: string) => {
      const client = new pg.Client({ connectionString: environmentOf(name).DATABASE_URL });
      await client.connect();
      try {
        return await client.query(`set role ${role}`).then(
          () => true,
          () => false,
        );
      } finally {
        await client.end();
      }
    };
    expect([await may('server', 'owner'), await may('worker', 'auth'), await may('server', 'app')]).toEqual([
      false,
      false,
      true,
    ]);

    for (const { child } of [worker, server]) child.kill('SIGTERM');
    expect(await worker.ended).toBe(0);
    expect(await server.ended).toBe(0);
  }, 150_000);
});

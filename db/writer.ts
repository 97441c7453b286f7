/**
 * A connection down which queries go at once, without waiting for the answers to those before: the database works on them
 * in their order, each in a transaction of its own. Connects when it is first used, and again after it was lost.
 */
import pg from 'pg';
import { clientConfig, type Role } from './connect.ts';

export type Writer = {
  /** Rejects where the connection is lost: whether the query was carried out is not known then. */
  query<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<Row[]>;
  end(): Promise<void>;
};

export function createWriter(url: string, role: Role, name: string): Writer {
  let current: Promise<pg.Client> | null = null;

  function connected(): Promise<pg.Client> {
    if (current) return current;
    const client = new pg.Client({ ...clientConfig(url, role, name), pipeline: true, connectionTimeoutMillis: 10_000 });
    const connecting = client.connect().then(() => client);
    const forget = () => {
      if (current === connecting) current = null;
    };
    client.on('error', forget); // its queries reject
    client.on('end', forget);
    connecting.catch(forget);
    current = connecting;
    return connecting;
  }

  return {
    async query<Row extends pg.QueryResultRow>(query: pg.QueryConfig) {
      const client = await connected();
      return (await client.query<Row>(query)).rows;
    },
    async end() {
      const last = current;
      current = null;
      await last?.then((client) => client.end()).catch(() => {}); // it was lost already
    },
  };
}

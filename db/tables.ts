/**
 * The tables as Kysely knows them. Kept by hand; `tables.test.ts` holds them equal to the migrated database.
 * jsonb is `unknown` until the room that reads it has parsed it.
 */
import type { ColumnType, Generated } from 'kysely';

/** Written as JSON text, read as parsed JSON. */
export type Json = ColumnType<unknown, string, string>;
export type JsonOrNull = ColumnType<unknown, string | null, string | null>;
type InstantOrNull = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;

export type Tables = {
  workspace: {
    id: Generated<string>;
    name: string;
    created_at: Generated<Date>;
  };
  brand: {
    id: Generated<string>;
    workspace_id: Generated<string>;
    name: string;
    slug: string;
    kit: Json;
    time_zone: Generated<string>;
    created_at: Generated<Date>;
    removed_at: InstantOrNull;
  };
  member: {
    workspace_id: Generated<string>;
    user_id: string;
    role: string;
    brands: ColumnType<string[] | null, string[] | null | undefined, string[] | null>;
    created_at: Generated<Date>;
  };
};

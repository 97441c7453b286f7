/** What is sealed about accounts, and where each belongs: server and workers seal and open the same. Pure. */
import * as z from 'zod';

export const Secrets = z.union([
  z.strictObject({
    access: z.string(),
    refresh: z.string().nullable(),
    client: z.strictObject({ id: z.string(), secret: z.string() }),
  }),
  z.strictObject({ keys: z.record(z.string(), z.string()) }),
]);
export type Secrets = z.infer<typeof Secrets>;

/** What an attempt holds while it is on its way. */
export const Underway = z.strictObject({
  state: z.string().optional(),
  verifier: z.string().optional(),
  code: z.string().optional(),
  keys: z.record(z.string(), z.string()).optional(),
});
/** Of an account's webhooks: `path` ends the address they come to, `secret` signs them. */
export const Hook = z.strictObject({ path: z.string(), secret: z.string() });

type App = { plugin: string | null; platform: string; server: string; redirectUri: string };
export const secretsPlace = (workspace: string, id: string) => ({ row: `connection/${id}`, workspace });

export const connectingPlace = (workspace: string, id: string) => ({ row: `connecting/${id}`, workspace });
export const appPlace = (workspace: string, { plugin, platform, server, redirectUri }: App) => ({
  row: `platform_app/${plugin ?? ''}/${platform}/${server}/${redirectUri}`,
  workspace,
});
export const hookPlace = (workspace: string, id: string) => ({ row: `connection_hook/${id}`, workspace });

/**
 * Begins a run when another program sends a request to the pipeline's own address. Who may send, the answer and the key
 * that recognises repeats are kept by the server before this runs; here the request becomes outputs.
 * Errors: WEBHOOK_BODY.
 */
import * as z from 'zod';
import { defineManifest, NodeError, port, type RunTrigger, type WebhookEvent } from '../contract.ts';

export const manifest = defineManifest({
  id: 'trigger.webhook',
  version: '1.0.0',
  title: 'Webhook',
  help: 'Begins the pipeline when another program sends a request to its own address. Turn the pipeline on to get the address.',
  icon: 'webhook',
  family: 'source',
  aliases: ['http', 'request', 'trigger', 'zapier', 'form', 'api', 'callback', 'start'],
  shape: 'trigger',
  trigger: { kind: 'webhook' },
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: {},
  outputs: {
    body: port.json.optional({ title: 'Body' }),
    text: port.text.optional({ title: 'Body as text', help: 'Only where the body is text.' }),
    headers: port.json({ title: 'Headers' }),
    query: port.json({ title: 'Query' }),
    raw: port.any.optional({ title: 'Raw body', help: 'The bytes as they came, as a file.' }),
  },
  config: z.strictObject({
    method: z.enum(['POST', 'PUT', 'GET', 'any']).default('POST').meta({ title: 'Method' }),
    answer: z.enum(['at once', 'when done']).default('at once').meta({
      title: 'Answer',
      help: 'At once: 202 as soon as the run is stored. When done: what a Respond node says.',
    }),
    auth: z.enum(['none', 'bearer', 'signature']).default('none').meta({
      title: 'Who may send',
      help: 'None: whoever knows the address. Bearer: with the secret in the Authorization header. Signature: HMAC-SHA-256 of the body with the secret.',
    }),
    keyHeader: z
      .string()
      .max(80)
      .regex(/^[A-Za-z0-9-]*$/)
      .default('Idempotency-Key')
      .meta({ title: 'Key in the header', help: 'Requests with one key start one run.', group: 'Repeats' }),
    keyField: z.string().max(200).default('').meta({
      title: 'or in the body at',
      help: 'A field such as event.id.',
      placeholder: 'event.id',
      group: 'Repeats',
    }),
    signatureHeader: z
      .string()
      .max(80)
      .regex(/^[A-Za-z0-9-]+$/)
      .default('X-Signature-256')
      .meta({ title: 'Signature in the header', help: 'Hex, with or without sha256= in front.', group: 'Signature' }),
    timestampHeader: z
      .string()
      .max(80)
      .regex(/^[A-Za-z0-9-]*$/)
      .default('')
      .meta({
        title: 'Time in the header',
        help: 'Unix seconds. Where set, the signature is that of time.body, and old requests are refused.',
        group: 'Signature',
      }),
    toleranceSeconds: z.int().min(10).max(3600).default(300).meta({ title: 'Oldest', unit: 's', group: 'Signature' }),
    mostPerMinute: z.int().min(1).max(60_000).default(600).meta({ title: 'Most requests a minute', group: 'Limits' }),
  }),
  capabilities: { assets: ['read'] },
  fields: ['method', 'answer', 'auth'],
  example: {
    inputs: {
      event: {
        at: '2026-03-02T08:00:00.000Z',
        method: 'POST',
        query: {},
        headers: { 'content-type': 'application/json' },
        type: 'application/json',
        body: { title: 'Episode 12', guest: 'Ada' },
        long: false,
        raw: null,
      },
    },
    outputs: {
      body: { title: 'Episode 12', guest: 'Ada' },
      headers: { 'content-type': 'application/json' },
      query: {},
    },
  },
});

export const run: RunTrigger<typeof manifest, WebhookEvent> = async (ctx, { event }) => {
  const { headers, query, raw, type } = event;
  const body = event.long && raw ? parsed(await ctx.assets.readText(raw), type) : event.body;
  return {
    headers,
    query,
    ...(body === null ? {} : { body: body as never }),
    ...(typeof body === 'string' ? { text: body } : {}),
    ...(raw === null ? {} : { raw: raw as never }),
  };
};

function parsed(text: string, type: string): unknown {
  if (!/[/+]json$/.test(type)) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new NodeError('WEBHOOK_BODY', 'The body says that it is JSON and is not.');
  }
}

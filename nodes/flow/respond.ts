/**
 * Says what the sender of a webhook is answered, where its trigger answers when done. The server sends the first one
 * that is settled in a run.
 * Errors: RESPOND_HEADER, RESPOND_NO_FILE.
 */
import * as z from 'zod';
import { defineManifest, NodeError, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.respond',
  version: '1.0.0',
  title: 'Respond',
  help: 'Answers whoever started the pipeline through its webhook, where that is set to answer when done.',
  icon: 'reply',
  family: 'flow',
  aliases: ['answer', 'reply', 'webhook', 'response', 'return', 'http'],
  shape: 'step',
  effect: 'pure',
  stateless: true,
  cheap: true,
  inputs: { body: port.any.optional({ title: 'Body' }) },
  outputs: { answer: port.json({ title: 'Answer' }) },
  config: z.strictObject({
    status: z.int().min(200).max(599).default(200).meta({ title: 'Status' }),
    as: z.enum(['data', 'text', 'file']).default('data').meta({ title: 'Body as' }),
    text: z.string().max(10_000).default('').meta({
      title: 'Text',
      help: 'The body where nothing is wired in.',
      multiline: true,
    }),
    headers: z
      .array(z.strictObject({ name: z.string().max(80), value: z.string().max(1000) }))
      .max(20)
      .default([])
      .meta({ title: 'Headers' }),
  }),
  fields: ['status', 'as'],
  example: {
    inputs: { body: { posted: 3 } },
    outputs: { answer: { status: 200, headers: {}, kind: 'data', body: { posted: 3 } } },
  },
});

/** What belongs to the connection or would speak for our own site is not a node's to say. */
const OURS =
  /^(?:connection|content-length|content-security-policy.*|keep-alive|proxy-.*|set-cookie.*|strict-transport-security|te|trailer|transfer-encoding|upgrade|x-content-type-options|access-control-.*|clear-site-data|service-worker-allowed)$/;

export const run: Run<typeof manifest> = ({ config }, { body }) => {
  const headers: Record<string, string> = {};
  for (const { name, value } of config.headers) {
    const key = name.trim().toLowerCase();
    if (!/^[a-z0-9-]+$/.test(key) || /[\r\n\0]/.test(value) || OURS.test(key)) {
      throw new NodeError('RESPOND_HEADER', `The header ${name.slice(0, 80)} cannot be set here.`, {
        hint: 'Take it out of the settings of Respond.',
      });
    }
    headers[key] = value;
  }
  const given = body ?? (config.text === '' ? null : config.text);
  if (config.as === 'file' && !isFile(given)) {
    throw new NodeError('RESPOND_NO_FILE', 'What is wired into Respond is no file.', {
      hint: 'Wire in a recording, a picture or another file, or send it as data.',
    });
  }
  return { answer: { status: config.status, headers, kind: config.as, body: given } };
};

function isFile(value: unknown): boolean {
  const { asset, mime } = (value ?? {}) as { asset?: unknown; mime?: unknown };
  return typeof asset === 'string' && /^[0-9a-f]{64}$/.test(asset) && typeof mime === 'string';
}

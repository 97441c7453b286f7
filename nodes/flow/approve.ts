/**
 * A person looks at the item, may change the texts that are offered, and chooses an outcome; each outcome is an output.
 * Nobody in time: the outcome set for that is taken, or the step fails and says so.
 */
import * as z from 'zod';
import { Decision, defineManifest, NodeError, type OutputsOf, partOf, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'flow.approve',
  version: '1.0.0',
  title: 'Approve',
  help: 'Asks a person before going on. They see the media and the text, may edit what you offer, and choose.',
  icon: 'user-check',
  family: 'flow',
  aliases: ['review', 'approval', 'human', 'check', 'confirm', 'ask'],
  shape: 'wait',
  effect: 'reads-external',
  inputs: { item: port.any({ title: 'To look at', same: 'item' }) },
  outputs: {},
  morePorts: { outputs: { field: 'outcomes', type: 'any', optional: true, same: 'item' } },
  config: z.strictObject({
    title: z.string().max(200).default('Please have a look').meta({ title: 'Question' }),
    message: z.string().max(4_000).default('').meta({ title: 'More about it', 'x-widget': 'textarea' }),
    outcomes: z
      .array(
        z.strictObject({
          name: z.string().max(40).meta({ 'x-widget': 'port' }),
          title: z.string().max(60).default('').meta({ title: 'Outcome' }),
        }),
      )
      .min(1)
      .max(8)
      .default([
        { name: 'approved', title: 'Approve' },
        { name: 'rejected', title: 'Reject' },
      ])
      .meta({ title: 'Outcomes' }),
    fields: z.array(z.string().max(200)).max(12).default([]).meta({
      title: 'Texts to edit',
      help: 'Fields of the item that may be changed: title, segment.title, summary.',
    }),
    reviewers: z
      .enum(['editor', 'admin', 'owner'])
      .default('editor')
      .meta({
        title: 'Who may decide',
        labels: { editor: 'editors', admin: 'admins', owner: 'owners' },
      }),
    remind: z.number().positive().max(8_760).nullable().default(24).meta({
      title: 'Remind after',
      unit: 'hours',
      help: 'By e-mail, where a mail server is set up, and in the list of approvals.',
    }),
    hours: z.number().positive().max(8_760).nullable().default(72).meta({ title: 'Expires after', unit: 'hours' }),
    expired: z.string().max(40).default('').meta({
      title: 'If it expires',
      help: 'The outcome to take, such as Reject. Empty: the step fails.',
    }),
  }),
  capabilities: { wait: true },
  fields: ['reviewers'],
  example: {
    config: { fields: ['title'] },
    inputs: { item: { title: 'Darft', score: 0.8 } },
    replies: [
      {
        state: 'answered',
        value: { outcome: 'approved', edits: { title: 'Draft' }, comment: '' },
        by: null,
        at: '2026-01-15T09:30:00.000Z',
      },
    ],
    outputs: { approved: { title: 'Draft', score: 0.8 } },
  },
});

type Item = Parameters<Run<typeof manifest>>[1]['item'];

export const run: Run<typeof manifest> = async (ctx, { item }) => {
  const { title, message, outcomes, fields, reviewers, remind, hours, expired } = ctx.config;
  const inHours = (count: number) => new Date(Date.parse(ctx.now) + count * 3_600_000).toISOString();
  const offered = fields.flatMap((name) => {
    const value = partOf(item, name);
    return typeof value === 'string' ? [{ name, title: name, value }] : [];
  });
  const answer = await ctx.wait('review', {
    kind: 'person',
    why: 'Waits for a person to decide.',
    ...(hours === null ? {} : { until: inHours(hours) }),
    ...(remind === null || remind >= (hours ?? Number.POSITIVE_INFINITY) ? {} : { remindAt: inHours(remind) }),
    title,
    message,
    outcomes: outcomes.map((outcome) => ({ name: outcome.name, title: outcome.title || outcome.name })),
    fields: offered,
    reviewers,
    item,
  });
  if (answer.state === 'expired') {
    const taken = outcomes.find(({ name, title }) => expired !== '' && (title === expired || name === expired));
    if (!taken) {
      throw new NodeError('APPROVAL_EXPIRED', `Nobody decided within ${hours} hours.`, {
        hint: 'Try this step again to ask once more, or name an outcome to take when it expires.',
        retry: 'person',
      });
    }
    ctx.fact('decided', `${taken.title || taken.name}: nobody answered in time`);
    return { [taken.name]: item } as OutputsOf<typeof manifest.outputs>;
  }
  const { outcome, edits, comment } = Decision.parse(answer.value);
  ctx.fact('decided', outcomes.find(({ name }) => name === outcome)?.title || outcome);
  if (comment !== '') ctx.fact('comment', comment.slice(0, 500));
  const changed = Object.keys(edits).filter((name) => fields.includes(name));
  if (changed.length > 0) ctx.fact('edited', changed.join(', '));
  const result = changed.reduce<Item>((at, name) => withPart(at, name.split('.'), edits[name]!), item);
  return { [outcome]: result } as OutputsOf<typeof manifest.outputs>;
};

/** A copy of the value with one text changed; names that lead nowhere change nothing. */
function withPart(value: Item, names: string[], text: string): Item {
  const [name, ...rest] = names;
  if (name === undefined) return typeof value === 'string' ? text : value;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return value;
  if (Array.isArray(value))
    return value.map((member, at) => (String(at) === name ? withPart(member, rest, text) : member));
  return { ...value, [name]: withPart(value[name]!, rest, text) };
}

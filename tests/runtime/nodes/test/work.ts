/** Heavy work by a capability that leaves a mark for every call (tests/runtime/marks.ts). */
import * as z from 'zod';
import { defineManifest, port, type Run } from '../contract.ts';

export const manifest = defineManifest({
  id: 'test.work',
  version: '1.0.0',
  title: 'Work',
  help: 'Measures for a while.',
  shape: 'step',
  effect: 'reads-external',
  weight: 'heavy',
  reuseForSeconds: 3600,
  inputs: { text: port.text() },
  outputs: { text: port.text() },
  config: z.strictObject({ label: z.string().default('work'), calls: z.int().min(1).max(5).default(1) }),
  capabilities: { media: ['waveform'], brand: ['colors'] },
  limits: { attempts: 4 },
  example: { inputs: { text: 'a' }, outputs: { text: 'a' } },
});

export const run: Run<typeof manifest> = async (ctx, { text }) => {
  for (let index = 0; index < ctx.config.calls; index++) {
    ctx.progress(index / ctx.config.calls, `part ${index + 1}`);
    await ctx.media.waveform({ asset: `${ctx.config.label}/${text}/${index}`, bins: 1 });
  }
  ctx.fact('label', ctx.config.label);
  return { text: `${text} ${ctx.brand.colors.primary}` };
};

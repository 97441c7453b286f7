/**
 * Looks for people in files of raw RGB frames with the product's models: what a person who cuts by hand would run too.
 *
 *   node bench/by-hand/detect.ts WIDTH HEIGHT FILE…      faces as well in files called *.faces
 */
import { readFileSync } from 'node:fs';
import { startDetector } from '../../runtime/capabilities/media/people.ts';

const [width, height] = process.argv.slice(2, 4).map(Number) as [number, number];
const bytes = width * height * 3;
const detector = await startDetector(true);
for (const file of process.argv.slice(4)) {
  const frames = readFileSync(file);
  for (let at = 0; at + bytes <= frames.length; at += bytes) {
    const { header } = await detector.request(
      { frame: true, width, height, faces: file.endsWith('.faces') },
      frames.subarray(at, at + bytes),
    );
    console.log(JSON.stringify({ file, frame: at / bytes, ...(header as object) }));
  }
}
detector.close();

/** Tests of how chosen files become uploads, companions and refusals. */
import { expect, test } from 'vitest';
import { planUploads } from './plan.ts';

const file = (name: string, size = 1000) => ({ name, size });

test('captions and a transcript of the same name go along with their recording', () => {
  const { uploads, refused } = planUploads([
    file('talk.en.srt'),
    file('talk.mp4'),
    file('Talk.VTT'),
    file('talk.transcript.json'),
  ]);
  expect(refused).toEqual([]);
  expect(uploads.map(({ file: { name }, sidecars }) => [name, sidecars.map((each) => each.name)])).toEqual([
    ['talk.mp4', ['talk.en.srt', 'Talk.VTT', 'talk.transcript.json']],
  ]);
});

test('captions go to the recording whose name fits best, not to one that only begins alike', () => {
  const { uploads } = planUploads([file('talk.mp4'), file('talk.final.mp4'), file('talk.final.srt')]);
  expect(uploads.map(({ sidecars }) => sidecars.length)).toEqual([0, 1]);
  expect(planUploads([file('talk.mp4'), file('talkshow.srt')]).refused).toHaveLength(1);
});

test('captions alone are refused with what to do', () => {
  expect(planUploads([file('talk.srt')]).refused[0]?.reason).toMatch(/Choose both together/);
});

test('what is no recording, empty, or too large is refused by name', () => {
  const { uploads, refused } = planUploads([
    file('setup.exe'),
    file('README'),
    file('empty.mp4', 0),
    file('film.mov', 20e9 + 1),
    file('whole.mov', 20e9),
  ]);
  expect(uploads.map(({ file: { name } }) => name)).toEqual(['whole.mov']);
  expect(refused.map(({ name }) => name)).toEqual(['setup.exe', 'README', 'empty.mp4', 'film.mov']);
  for (const { name, reason } of refused) expect(reason).toContain(name);
});

test('a text is a source of its own and takes no captions', () => {
  const { uploads, refused } = planUploads([file('notes.md'), file('notes.srt')]);
  expect(uploads.map(({ kind }) => kind)).toEqual(['text']);
  expect(refused).toHaveLength(1);
});

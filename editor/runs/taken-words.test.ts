/** What a run takes, in words. */
import { expect, test } from 'vitest';
import { takenWords } from './taken-words.ts';

const nothing = { seconds: null, calls: 0, posts: 0, accounts: 0, money: [], quota: [] };

test('only what there is is said, and a post is not counted as a call as well', () => {
  expect(takenWords(nothing)).toEqual(['nothing sent']);
  expect(
    takenWords(
      {
        seconds: 240,
        calls: 15,
        posts: 3,
        accounts: 1,
        money: [{ currency: 'USD', minor: 12 }],
        quota: [{ name: 'minutes of transcription', units: 2 }],
      },
      'About ',
    ).map((part) => part.replaceAll('\u00a0', ' ')),
  ).toEqual(['About 4 min', '12 calls of services', '3 posts to 1 account', '$0.12', '2 minutes of transcription']);
});

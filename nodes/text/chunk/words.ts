/** The words of a sentence that tell what it is about, in a form in which two sentences can be compared. */

const STOPWORDS = new Set(
  `a about above after again against all almost also always am an and any are as at away back be because been before being
  below between both but by came can come could did do does doing done down during each either else even ever every few for
  from further get gets give go goes going got had has have having he her here hers him his how however i if in into is it
  its just keep know last least less let like little long made make makes many may me mean might mine more most much must my
  need never new next no nobody nor not nothing now of off often on once one only or other our out over own part people per
  put quite rather really said same say says see seem several shall she should since so some something still such take tell
  than that the their them then there these they thing things think this those though through to today together too two under
  until up upon us use used very want was way we well went were what when where whether which while who whole why will with
  within without would yes yet you your yourself don't doesn't didn't can't won't i'm you're it's that's there's we're they're
  i've you've we've isn't aren't wasn't let's okay um uh yeah hundred thousand million first second third`.split(/\s+/),
);

export const bare = (word: string) =>
  word
    .toLowerCase()
    .replace(/’/g, "'")
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '');
/** `walking`, `walks`, `walked` → `walk`: enough to see that two sentences share a word. */
export const stem = (word: string) =>
  word.length > 4 ? word.replace(/'s$/, '').replace(/(ings?|edly|ed|ies|es|s|ly)$/, '') : word.replace(/'s$/, '');
/** Whether a bare word says what the sentence is about. */
export const tells = (word: string) => word.length > 2 && !STOPWORDS.has(word) && !/^\d+$/.test(word);
export const contentWords = (text: string) => text.split(/\s+/).map(bare).filter(tells).map(stem);

/** How rare a word is among these texts: log 2 where each has it, more the fewer do. */
export function rarityAmong(texts: readonly string[]): (word: string) => number {
  const foundIn = new Map<string, number>();
  for (const text of texts) {
    for (const word of new Set(contentWords(text))) foundIn.set(word, (foundIn.get(word) ?? 0) + 1);
  }
  return (word) => Math.log(1 + texts.length / (foundIn.get(word) ?? 1));
}

/** Words that lean on what was said before: a bad beginning. */
export const LEANS =
  /^(?:and|but|so|because|or|which|that's|it|its|it's|they|he|she|this|that|these|those|then|also|instead|there|his|her|their)\b/i;

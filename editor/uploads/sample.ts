/** The recording that comes with the product, known by its bytes wherever they are uploaded, and what it is made from. */

export const SAMPLE = {
  sha256: 'a29911c62b80e7c2bc88d53ce8db40eef39a3c92a988a04e92f40739c3262fe8',
  attribution:
    'Picture: Intel IoT sample-videos (CC BY 4.0), cut and joined. Sound: John F. Kennedy, 1961 (public domain), and prompts spoken by Allison Smith (asterisk-core-sounds, CC BY-SA 3.0). The whole: CC BY-SA 3.0.',
} as const;

/** What is written down for a stored file, or what is known of the sample. */
export const attributionOf = (item: { asset: { asset: string }; attribution: string | null }): string | null =>
  item.attribution ?? (item.asset.asset === SAMPLE.sha256 ? SAMPLE.attribution : null);

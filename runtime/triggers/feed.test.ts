import { describe, expect, test } from 'vitest';
import { decodeFeed, readFeed } from './feed.ts';

const codeOf = (text: string) => {
  try {
    readFeed(text);
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test('a podcast: RSS 2.0 with an enclosure', () => {
  const feed = readFeed(`<?xml version="1.0" encoding="UTF-8"?>
    <rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:content="http://purl.org/rss/1.0/modules/content/">
      <channel><title>The Show</title>
        <item>
          <title>Episode 12 &amp; friends</title>
          <itunes:author>Ada</itunes:author>
          <guid isPermaLink="false">ep-12</guid>
          <link>https://show.example/12?a=1&amp;b=2</link>
          <pubDate>Mon, 02 Mar 2026 08:00:00 +0100</pubDate>
          <description><![CDATA[<p>With <b>Ada</b> &amp; Grace.</p><script>alert(1)</script>]]></description>
          <enclosure url="https://cdn.example/12.mp3" type="audio/mpeg" length="1048576"/>
        </item>
      </channel></rss>`);
  expect(feed).toEqual({
    title: 'The Show',
    items: [
      {
        id: 'ep-12',
        title: 'Episode 12 & friends',
        link: 'https://show.example/12?a=1&b=2',
        summary: 'With Ada & Grace.',
        author: 'Ada',
        published: '2026-03-02T07:00:00.000Z',
        enclosure: { url: 'https://cdn.example/12.mp3', type: 'audio/mpeg', bytes: 1048576 },
      },
    ],
  });
});

test('Atom, with several links', () => {
  const feed = readFeed(`<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Notes</title>
    <entry><id>urn:uuid:1</id><title type="html">A &lt;i&gt;note&lt;/i&gt;</title>
      <link rel="self" href="https://notes.example/self"/><link href="https://notes.example/1"/>
      <link rel="enclosure" type="audio/mpeg" length="9" href="https://notes.example/1.mp3"/>
      <updated>2026-03-02T08:00:00Z</updated><author><name>Grace</name></author><summary>Short.</summary></entry></feed>`);
  expect(feed.items).toEqual([
    {
      id: 'urn:uuid:1',
      title: 'A note',
      link: 'https://notes.example/1',
      summary: 'Short.',
      author: 'Grace',
      published: '2026-03-02T08:00:00.000Z',
      enclosure: { url: 'https://notes.example/1.mp3', type: 'audio/mpeg', bytes: 9 },
    },
  ]);
});

test('RSS 1.0 has its items beside the channel', () => {
  const feed =
    readFeed(`<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
    <channel rdf:about="https://old.example"><title>Old</title></channel>
    <item rdf:about="https://old.example/1"><title>One</title><link>https://old.example/1</link></item></rdf:RDF>`);
  expect([feed.title, feed.items[0]]).toMatchObject(['Old', { id: 'https://old.example/1', title: 'One' }]);
});

const item = (inner: string) => `<rss version="2.0"><channel><item>${inner}</item></channel></rss>`;

test('what names an item: guid, else link, else its file, else title and date; the same name is one item', () => {
  const id = (inner: string) => readFeed(item(inner)).items[0]!.id;
  const link = '<link>https://a.example/1</link>';
  const file = '<enclosure url="https://a.example/1.mp3"/>';
  expect(id(`<guid>g</guid>${link}${file}`)).toBe('g');
  expect(id(`${link}${file}`)).toBe('https://a.example/1');
  expect(id(`<title>T</title>${file}`)).toBe('https://a.example/1.mp3');
  expect(id('<title>T</title><pubDate>today</pubDate>')).toBe('T today');
  expect(id(`<guid>${'x'.repeat(600)}</guid>`)).toMatch(/^[0-9a-f]{64}$/);
  const twice = readFeed(`<rss><channel><item><guid>1</guid></item><item><guid>1</guid></item></channel></rss>`);
  expect(twice.items).toHaveLength(1);
});

test('an address that is no web address is left out', () => {
  const [found] = readFeed(
    item('<guid>1</guid><link>javascript:alert(1)</link><enclosure url="file:///etc/passwd"/>'),
  ).items;
  expect(found).toMatchObject({ link: '', enclosure: null });
});

describe('what strangers may send', () => {
  test('entities of its own: none is read, so none can grow', () => {
    const laughs = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join('');
    const bomb = `<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY l0 "lol">${laughs}]>${item('<title>&l9;</title>')}`;
    expect(codeOf(bomb)).toBe('FEED_UNSAFE');
    const file = `<!DOCTYPE rss [<!entity x SYSTEM "file:///etc/passwd">]>${item('<title>&x;</title>')}`;
    expect(codeOf(file)).toBe('FEED_UNSAFE');
  });

  test('pages, nothing, broken and very deep documents are refused in a sentence', () => {
    for (const text of ['', 'hello', '<html><body>Moved</body></html>', '{"a":1}', `${'<a>'.repeat(200_000)}`]) {
      expect([text.slice(0, 20), codeOf(text)]).toEqual([text.slice(0, 20), 'FEED_UNREADABLE']);
    }
  });

  test('names of an object’s own are only names', () => {
    expect(readFeed(item('<toString>z</toString><guid>1</guid>')).items[0]!.id).toBe('1');
    expect(codeOf(item('<__proto__><guid>x</guid></__proto__><guid>1</guid>'))).toBe('FEED_UNREADABLE');
    expect(({} as { guid?: unknown }).guid).toBeUndefined();
  });

  test('much escaped text is read within a second', () => {
    const began = performance.now();
    const long = '&lt;p&gt;words and &amp;amp; more&lt;/p&gt; '.repeat(50_000);
    const feed = readFeed(item(`<guid>1</guid><description>${long}</description>`));
    expect(feed.items[0]!.summary).toHaveLength(4_000);
    expect(feed.items[0]!.summary.slice(0, 16)).toBe('words and & more');
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test('markup that never ends takes no longer than other text', () => {
    const began = performance.now();
    for (const text of ['&lt;'.repeat(200_000), '&lt;script '.repeat(50_000), '&lt;script&gt;'.repeat(50_000)]) {
      readFeed(item(`<guid>1</guid><description>${text}</description>`));
    }
    expect(performance.now() - began).toBeLessThan(3_000);
  });
});

test('the encoding is the one that the answer or the document names', () => {
  const latin = Uint8Array.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>', (c) => c.charCodeAt(0));
  expect(decodeFeed(latin, 'application/xml')).toContain('<a>é</a>');
  expect(decodeFeed(new TextEncoder().encode('<a>é</a>'), 'text/xml; charset=utf-8')).toBe('<a>é</a>');
  expect(decodeFeed(new TextEncoder().encode('<a>é</a>'), 'text/xml; charset=nonsense')).toBe('<a>é</a>');
});

import { expect, test } from 'vitest';
import { html } from './html.ts';

test('what is put into a template stays text, in content and in attributes', () => {
  const typed = `</title><script>alert("1")</script>' onload='x`;
  expect(html`<b title="${typed}">${typed}</b>`.text).toBe(
    '<b title="&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39; onload=&#39;x">&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39; onload=&#39;x</b>',
  );
});

test('markup inside markup is not escaped again, and nothing is drawn for what is absent', () => {
  expect(html`${[html`<i>a</i>`, html`<i>b</i>`]}${null}${undefined}${false}${0}`.text).toBe('<i>a</i><i>b</i>0');
});

test('control characters and halves of characters, which XML forbids, are left out or replaced', () => {
  expect(html`${'a\u0000\u0008b\tc\nd\ud800e\uffff'}`.text).toBe('ab\tc\nd\ufffde');
});

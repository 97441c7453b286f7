/** The little Markdown of notes: bold, code, lists and plain links. Everything else stays text. */
import type { ReactNode } from 'react';

type Block = { key: string; list: boolean; lines: string[] };

export function Markdown({ text }: { text: string }) {
  const blocks = text.split(/\n{2,}/).map((block, place): Block => {
    const lines = block.split('\n');
    const list = lines.every((line) => /^\s*[-*] /.test(line));
    return { key: `${place}`, list, lines: list ? lines.map((line) => line.replace(/^\s*[-*] /, '')) : [block] };
  });
  return blocks.map(({ key, list, lines }) =>
    list ? (
      <ul key={key}>
        {lines.map((line) => (
          <li key={line}>
            <Inline text={line} />
          </li>
        ))}
      </ul>
    ) : (
      <p key={key} className="not-first:mt-2">
        <Inline text={lines.join('\n')} />
      </p>
    ),
  );
}

function Inline({ text }: { text: string }): ReactNode {
  const parts = text
    .split(/(\*\*[^*\n]+\*\*|`[^`\n]+`|https?:\/\/[^\s)]+)/)
    .map((part, place) => ({ part, key: `${place}` }));
  return parts.map(({ part, key }) => {
    if (part.startsWith('**') && part.endsWith('**') && part.length > 4) return <b key={key}>{part.slice(2, -2)}</b>;
    if (part.startsWith('`') && part.endsWith('`') && part.length > 2) {
      return (
        <code key={key} className="mono">
          {part.slice(1, -1)}
        </code>
      );
    }
    if (/^https?:\/\//.test(part)) {
      return (
        <a key={key} className="nodrag" href={part} target="_blank" rel="noreferrer noopener">
          {part}
        </a>
      );
    }
    return part;
  });
}

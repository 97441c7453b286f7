/** Any value as indented JSON, cut where it is very long; the whole can be copied. */
import './media.css';
import { useMemo } from 'react';
import { IconButton } from '../ui/button.tsx';
import { writeClipboard } from '../ui/clipboard.ts';
import { bytes } from '../ui/format.ts';
import { toast } from '../ui/toast.tsx';

const LONGEST = 40_000;

export function JsonView({ value, title }: { value: unknown; title?: string }) {
  const text = useMemo(() => JSON.stringify(value, null, '\t') ?? 'nothing', [value]);
  const copy = () =>
    writeClipboard(text).then(
      () => toast({ title: 'Copied', tone: 'success' }),
      () => toast({ title: 'The browser did not allow copying', tone: 'warning' }),
    );
  return (
    <div className="relative">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area is reached by keyboard */}
      <pre className="json nowheel" title={title} tabIndex={0}>
        {text.slice(0, LONGEST)}
        {text.length > LONGEST && `\n… ${bytes(text.length - LONGEST)} more`}
      </pre>
      <span className="absolute right-1 top-1 bg-well rounded-2">
        <IconButton icon="copy" size="xs" label="Copy as JSON" onClick={copy} />
      </span>
    </div>
  );
}

/** Something to take along, shown once: selected by a click, copied by the button. */
import { useState } from 'react';
import { Button } from '../ui/button.tsx';
import { writeClipboard } from '../ui/clipboard.ts';
import { Field } from '../ui/field.tsx';
import { announce } from '../ui/live.tsx';

export function CopyField({ label, value, className = '' }: { label: string; value: string; className?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await writeClipboard(value);
      setCopied(true);
      announce(`${label} copied.`);
      setTimeout(() => setCopied(false), 3000);
    } catch {
      // Without the clipboard the text is still there to be selected.
    }
  };
  return (
    <Field label={label} className={className}>
      {({ id }) => (
        <div className="flex gap-2">
          <span className="in grow min-w-0">
            <input id={id} className="mono" readOnly={true} value={value} onFocus={(event) => event.target.select()} />
          </span>
          <Button icon={copied ? 'check' : 'copy'} onClick={copy}>
            {copied ? 'Copied' : 'Copy'}
          </Button>
        </div>
      )}
    </Field>
  );
}

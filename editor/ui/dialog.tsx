/** Dialogs: a title, a body, the acts at the end with the main one last. A sheet from below on phones. */
import { Dialog as RadixDialog } from 'radix-ui';
import { type ReactNode, useState } from 'react';
import { Button } from './button.tsx';

type DialogProps = {
  open: boolean;
  onClose: () => void;
  title: string;
  /** One sentence under the title. */
  lead?: ReactNode;
  children?: ReactNode;
  /** Buttons; the main one last. */
  footer?: ReactNode;
  large?: boolean;
};

export function Dialog({ open, onClose, title, lead, children, footer, large }: DialogProps) {
  return (
    <RadixDialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="scrim" />
        <RadixDialog.Content
          className={`dialog ${large ? 'large' : ''}`}
          {...(lead ? {} : { 'aria-describedby': undefined })}
        >
          <header>
            <RadixDialog.Title className="h-16">{title}</RadixDialog.Title>
          </header>
          <div className="body">
            {lead && <RadixDialog.Description className="muted">{lead}</RadixDialog.Description>}
            {children}
          </div>
          {footer && <footer>{footer}</footer>}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

type ConfirmProps = {
  open: boolean;
  onClose: () => void;
  title: string;
  lead: ReactNode;
  act: string;
  danger?: boolean;
  onAct: () => Promise<unknown> | unknown;
};

/** Asks before something that cannot be undone. `act` names the deed: "Delete pipeline". */
export function Confirm({ open, onClose, title, lead, act, danger, onAct }: ConfirmProps) {
  const [busy, setBusy] = useState(false);
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={title}
      lead={lead}
      footer={
        <>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button
            look={danger ? 'danger' : 'main'}
            busy={busy}
            onClick={async () => {
              setBusy(true);
              try {
                await onAct();
                onClose();
              } finally {
                setBusy(false);
              }
            }}
          >
            {act}
          </Button>
        </>
      }
    />
  );
}

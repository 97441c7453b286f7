/** Dialogs: a title, a body, the acts at the end with the main one last. A sheet from below on phones. */
import { Dialog as RadixDialog } from 'radix-ui';
import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { Button } from './button.tsx';
import { ErrorOf } from './error-card.tsx';

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

type FormDialogProps = Omit<DialogProps, 'footer' | 'large'> & {
  /** The act in words, on the main button. */
  act: string;
  busy: boolean;
  /** Whether there is enough to send. */
  ready: boolean;
  error: unknown;
  onSubmit: (event: FormEvent) => void;
};

/** A few fields and the act they are for. */
export function FormDialog({ act, busy, ready, error, onSubmit, onClose, children, ...rest }: FormDialogProps) {
  const form = useId();
  return (
    <Dialog
      onClose={onClose}
      {...rest}
      footer={
        <>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button look="main" type="submit" form={form} busy={busy} disabled={!ready}>
            {act}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={onSubmit} className="grid gap-4 mt-2">
        {Boolean(error) && <ErrorOf error={error} />}
        {children}
      </form>
    </Dialog>
  );
}

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

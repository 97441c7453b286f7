/** One switch for everything that starts this pipeline by itself, and what each of it does next. */
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { trpc } from '../api.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { useEditor, useEditorStore } from '../canvas/store.ts';
import { CopyField } from '../members/copy-field.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { ErrorCard, ErrorOf } from '../ui/error-card.tsx';
import { Field, Input, Switch } from '../ui/field.tsx';
import { ago } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { LimitsBox } from './limits-box.tsx';
import { type TriggerView, useStarts } from './starts.ts';
import { plannedTime, Times } from './times.tsx';

const ICON: Record<TriggerView['kind'], string> = {
  webhook: 'webhook',
  schedule: 'calendar-clock',
  asset: 'file-up',
  feed: 'rss',
};

export function StartsDialog({ onClose }: { onClose: () => void }) {
  const store = useEditorStore();
  const { workspaceId } = store.getState();
  const { brand } = useCurrentBrand(workspaceId);
  const mayRun = useEditor((state) => state.mayRun);
  const { starts, loadError, busy, error, turn, again } = useStarts();
  const isOff = starts !== undefined && !starts.isOn;
  return (
    <Dialog
      open={true}
      onClose={onClose}
      title="Starts by itself"
      lead={
        starts?.isOn
          ? `Version ${starts.version} starts for ${brand?.name ?? 'this brand'} without anybody pressing Run.`
          : 'Turn the published version on, and its schedules, webhooks, feeds and uploads start runs.'
      }
      footer={
        <Button look="quiet" onClick={onClose}>
          Close
        </Button>
      }
    >
      <div className="grid gap-4 mt-3">
        <div className="flex items-center gap-3">
          <span className="grow min-w-0">
            <b>{starts?.isOn ? 'On' : 'Off'}</b>
            {isOff && starts.reason && <span className="muted block t-12">{starts.reason}</span>}
          </span>
          <Switch
            checked={starts?.isOn === true}
            onChange={turn}
            label={`Start by itself for ${brand?.name ?? 'this brand'}`}
            disabled={!mayRun || busy || starts === undefined || (isOff && !starts.canTurnOn)}
          />
        </div>
        {Boolean(error ?? loadError) && <ErrorOf error={error ?? loadError} />}
        <LimitsBox />
        {starts?.triggers.map((trigger) => (
          <TriggerBox key={trigger.id} trigger={trigger} hasPublicUrl={starts.publicUrl} onChanged={again} />
        ))}
      </div>
    </Dialog>
  );
}

type BoxProps = { trigger: TriggerView; hasPublicUrl: boolean; onChanged: () => void };

function TriggerBox({ trigger, hasPublicUrl, onChanged }: BoxProps) {
  const store = useEditorStore();
  const { workspaceId } = store.getState();
  const { kind, last, problem, note, next } = trigger;
  return (
    <section className="card p-3 grid gap-2" aria-label={trigger.name}>
      <header className="flex items-center gap-2 min-w-0">
        <Icon name={ICON[kind]} size={16} />
        <b className="cut">{trigger.name}</b>
        {trigger.words && <span className="muted cut">{trigger.words}</span>}
      </header>
      {kind === 'schedule' && <Times times={next} zone={trigger.zone} />}
      {kind === 'feed' && next[0] && <p className="t-12">Looks again {plannedTime(next[0])}.</p>}
      {kind === 'asset' && <p className="t-12">Waits for the next upload.</p>}
      {kind === 'webhook' && trigger.url && (
        <Address trigger={trigger} url={trigger.url} hasPublicUrl={hasPublicUrl} onChanged={onChanged} />
      )}
      {problem && <ErrorCard problem={{ ...problem, hint: problem.hint ?? null }} />}
      {note && <p className="t-12 muted">{note}</p>}
      {last && (
        <p className="t-12 muted">
          Last started{' '}
          <Link className="link" to="/w/$workspaceId/runs/$runId" params={{ workspaceId, runId: last.runId }}>
            run {last.number}
          </Link>{' '}
          {ago(last.at)}.
        </p>
      )}
    </section>
  );
}

/** The address of a webhook, who may send to it, and the secret they need. */
function Address({ trigger, url, hasPublicUrl, onChanged }: BoxProps & { url: string }) {
  const store = useEditorStore();
  const { workspaceId } = store.getState();
  const mayRun = useEditor((state) => state.mayRun);
  const [own, setOwn] = useState('');
  const secret = useMutation(trpc.triggers.setSecret.mutationOptions({ onSuccess: onChanged }));
  const renew = useMutation(trpc.triggers.renewAddress.mutationOptions({ onSuccess: onChanged }));
  const needsSecret = trigger.auth === 'bearer' || trigger.auth === 'signature';
  const error = secret.error ?? renew.error;
  return (
    <div className="grid gap-2">
      <CopyField label="Address" value={url} />
      {!hasPublicUrl && (
        <p className="t-12 text-warning">
          Only this machine can reach it: no public address is set (SPLICEBOARD_PUBLIC_URL).
        </p>
      )}
      {needsSecret && !trigger.hasSecret && (
        <p className="t-12 text-warning">It refuses everybody until there is a secret.</p>
      )}
      {needsSecret && secret.data && <CopyField label="Secret, shown this once" value={secret.data.secret} />}
      {mayRun && needsSecret && !secret.data && (
        <form
          className="flex flex-wrap items-end gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            secret.mutate({ workspaceId, triggerId: trigger.id, ...(own.trim() === '' ? {} : { secret: own.trim() }) });
          }}
        >
          <Field label={trigger.hasSecret ? 'Another secret' : 'Secret'} className="grow">
            {({ id }) => (
              <Input
                id={id}
                type="password"
                autoComplete="off"
                placeholder="The sender’s own, or empty for a new one"
                value={own}
                onChange={(event) => setOwn(event.target.value)}
              />
            )}
          </Field>
          <Button type="submit" busy={secret.isPending}>
            {own.trim() === '' ? 'Make one' : 'Set'}
          </Button>
        </form>
      )}
      {mayRun && (
        <span>
          <Button
            size="xs"
            look="quiet"
            icon="rotate-ccw"
            busy={renew.isPending}
            onClick={() => renew.mutate({ workspaceId, triggerId: trigger.id })}
          >
            New address, the old one ends
          </Button>
        </span>
      )}
      {Boolean(error) && <ErrorOf error={error} />}
    </div>
  );
}

/** The people of a workspace, their roles and brands, and the invitations still open. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { type FormEvent, useId, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { type Brand, useCurrentBrand } from '../brands/current-brand.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { atLeast, meQuery, ROLES, type Role, roleLabel, useRole } from '../session/session.ts';
import { mailQuery } from '../settings/mail-settings.tsx';
import { date, dateTime, exact } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { Confirm, Dialog, FormDialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Checkbox, Field, Input, Select } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { Avatar, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { CopyField } from './copy-field.tsx';

type Member = Outputs['members']['list'][number];
type Brands = Member['brands'];
type InvitedRole = Exclude<Role, 'owner'>;

export function MembersPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const role = useRole(workspaceId);
  const mayManage = atLeast(role, 'admin');
  const { data: me } = useQuery(meQuery);
  const { brands } = useCurrentBrand(workspaceId);
  const cache = useQueryClient();
  const [inviting, setInviting] = useState(false);
  const [changing, setChanging] = useState<Member | null>(null);
  const [leaving, setLeaving] = useState<Member | null>(null);
  const found = useQuery({
    queryKey: ['members', workspaceId],
    queryFn: () => client.members.list.query({ workspaceId }),
  });
  const refresh = () => cache.invalidateQueries({ queryKey: ['members', workspaceId] });
  const remove = useMutation({
    mutationFn: (member: Member) => client.members.remove.mutate({ workspaceId, userId: member.userId }),
    onSuccess: (_nothing, member) => {
      toast({ title: `${member.name} has no access any more` });
      void refresh();
    },
    onError: sayProblem,
  });
  return (
    <Page
      title="Members"
      actions={
        mayManage && (
          <Button look="main" icon="user-plus" onClick={() => setInviting(true)}>
            Invite
          </Button>
        )
      }
      narrow={true}
    >
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <div className="grid gap-3">
            <Skeleton height={44} />
            <Skeleton height={44} />
          </div>
        </Loading>
      )}
      {found.data && (
        <ul className="card rows">
          {found.data.map((member) => (
            <li key={member.userId}>
              <Avatar name={member.name} />
              <div className="grow">
                <div className="cut font-[550]">
                  {member.name}
                  {member.userId === me?.user.id && <span className="faint font-[450]"> (you)</span>}
                </div>
                <div className="t-12 muted cut">{member.email}</div>
              </div>
              <span className="t-12 muted hide-phone" title={exact(member.since)}>
                since {date(member.since).replace(/^[TY]/, (letter) => letter.toLowerCase())}
              </span>
              <div className="text-right w-36 max-sm:w-24">
                <div>{roleLabel(member.role)}</div>
                <div className="t-12 muted cut">{brandsInWords(member.brands, brands)}</div>
              </div>
              {mayManage && (
                <Menu
                  align="end"
                  trigger={<IconButton icon="ellipsis" label={`More for ${member.name}`} />}
                  items={[
                    { label: 'Role and brands', icon: 'shield', onSelect: () => setChanging(member) },
                    'line',
                    {
                      label: member.userId === me?.user.id ? 'Leave the workspace' : 'Remove',
                      icon: 'log-out',
                      danger: true,
                      onSelect: () => setLeaving(member),
                    },
                  ]}
                />
              )}
            </li>
          ))}
        </ul>
      )}
      {mayManage && <Invitations workspaceId={workspaceId} brands={brands} />}
      {inviting && <Invite workspaceId={workspaceId} brands={brands} onClose={() => setInviting(false)} />}
      {changing && (
        <Change
          workspaceId={workspaceId}
          member={changing}
          brands={brands}
          ownRole={role}
          onClose={() => setChanging(null)}
          onDone={refresh}
        />
      )}
      <Confirm
        open={leaving !== null}
        onClose={() => setLeaving(null)}
        title={`Remove ${leaving?.name ?? 'this member'}?`}
        lead="Their access ends at once. What they made stays, and their name stays beside it."
        act="Remove member"
        danger={true}
        onAct={() => leaving && remove.mutateAsync(leaving).catch(() => {})}
      />
    </Page>
  );
}

function brandsInWords(chosen: Brands, brands: Brand[]): string {
  if (chosen === 'all') return 'all brands';
  if (chosen.length === 0) return 'no brand';
  const names = chosen.map((id) => brands.find((brand) => brand.id === id)?.name ?? 'another brand');
  return names.length > 2 ? `${names.length} brands` : names.join(', ');
}

function Invitations({ workspaceId, brands }: { workspaceId: string; brands: Brand[] }) {
  const cache = useQueryClient();
  const found = useQuery({
    queryKey: ['invitations', workspaceId],
    queryFn: () => client.invitations.list.query({ workspaceId }),
  });
  const revoke = useMutation({
    mutationFn: (id: string) => client.invitations.revoke.mutate({ workspaceId, id }),
    onSuccess: () => cache.invalidateQueries({ queryKey: ['invitations', workspaceId] }),
    onError: sayProblem,
  });
  if (found.error) return <ErrorOf error={found.error} onRetry={() => found.refetch()} className="mt-6" />;
  if (!found.data || found.data.length === 0) return null;
  return (
    <section className="blk" aria-label="Open invitations">
      <header>
        <h2 className="h-16">Open invitations</h2>
      </header>
      <ul className="card rows">
        {found.data.map((invitation) => (
          <li key={invitation.id}>
            <Icon name="mail" className="text-muted" />
            <div className="grow">
              <div className="cut">{invitation.email}</div>
              <div className="t-12 muted" title={exact(invitation.expiresAt)}>
                {roleLabel(invitation.role)}, {brandsInWords(invitation.brands, brands)}. Open until{' '}
                {dateTime(invitation.expiresAt)}
              </div>
            </div>
            <Button
              size="sm"
              busy={revoke.isPending && revoke.variables === invitation.id}
              onClick={() => revoke.mutate(invitation.id)}
            >
              Take back
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

type BrandChoiceProps = { brands: Brand[]; value: Brands; onChange: (value: Brands) => void };

function BrandChoice({ brands, value, onChange }: BrandChoiceProps) {
  return (
    <fieldset className="grid gap-2">
      <legend className="label mb-1">Brands</legend>
      {/* biome-ignore lint/a11y/noLabelWithoutControl: the checkbox inside is the control */}
      <label className="row">
        <Checkbox
          checked={value === 'all'}
          label="All brands, those to come included"
          onChange={(all) => onChange(all ? 'all' : brands.map(({ id }) => id))}
        />
        All, those to come included
      </label>
      {value !== 'all' &&
        brands.map((brand) => (
          // biome-ignore lint/a11y/noLabelWithoutControl: the checkbox inside is the control
          <label className="row pl-6" key={brand.id}>
            <Checkbox
              checked={value.includes(brand.id)}
              label={brand.name}
              onChange={(on) => onChange(on ? [...value, brand.id] : value.filter((id) => id !== brand.id))}
            />
            {brand.name}
          </label>
        ))}
    </fieldset>
  );
}

const INVITED = ROLES.filter(({ value }) => value !== 'owner');

function Invite({ workspaceId, brands, onClose }: { workspaceId: string; brands: Brand[]; onClose: () => void }) {
  const cache = useQueryClient();
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<InvitedRole>('editor');
  const [chosen, setChosen] = useState<Brands>('all');
  const [send, setSend] = useState(true);
  const sendId = useId();
  const { data: mail } = useQuery(mailQuery(workspaceId));
  const mayMail = Boolean(mail?.from);
  const invite = useMutation({
    mutationFn: () =>
      client.members.invite.mutate({ workspaceId, email: email.trim(), role, brands: chosen, send: mayMail && send }),
    onSuccess: () => cache.invalidateQueries({ queryKey: ['invitations', workspaceId] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (email.trim() !== '') invite.mutate();
  };
  if (invite.data)
    return (
      <Dialog
        open={true}
        onClose={onClose}
        title={`Invitation for ${email.trim()}`}
        lead={
          invite.data.mail?.problem === null
            ? 'The mail is on its way. The link works once, and is shown only now.'
            : 'Send this link to them. It works once, and is shown only now.'
        }
        footer={
          <Button look="main" onClick={onClose}>
            Done
          </Button>
        }
      >
        {invite.data.mail?.problem && (
          <p className="text-warning mt-3" role="alert">
            No mail was sent: {invite.data.mail.problem}
          </p>
        )}
        <CopyField label="Link" value={invite.data.link} className="mt-3" />
      </Dialog>
    );
  return (
    <FormDialog
      open={true}
      onClose={onClose}
      title="Invite somebody"
      act={mayMail && send ? 'Invite' : 'Make the link'}
      busy={invite.isPending}
      ready={email.trim() !== ''}
      error={invite.error}
      onSubmit={submit}
    >
      <Field label="E-mail" help="Their account is made for this address.">
        {({ id, describedBy }) => (
          <Input
            id={id}
            aria-describedby={describedBy}
            type="email"
            maxLength={320}
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        )}
      </Field>
      <Field label="Role" help={INVITED.find(({ value }) => value === role)?.note}>
        {({ id, describedBy }) => (
          <Select
            id={id}
            describedBy={describedBy}
            value={role}
            options={INVITED.map(({ value, label }) => ({ value, label }))}
            onChange={(value) => setRole(value as InvitedRole)}
          />
        )}
      </Field>
      <BrandChoice brands={brands} value={chosen} onChange={setChosen} />
      {mayMail && (
        <div className="row">
          <Checkbox id={sendId} checked={send} onChange={setSend} label="Send the link by mail" />
          <label htmlFor={sendId}>Send the link by mail</label>
        </div>
      )}
    </FormDialog>
  );
}

type ChangeProps = {
  workspaceId: string;
  member: Member;
  brands: Brand[];
  ownRole: Role | undefined;
  onClose: () => void;
  onDone: () => void;
};

function Change({ workspaceId, member, brands, ownRole, onClose, onDone }: ChangeProps) {
  const [role, setRole] = useState<Role>(member.role);
  const [chosen, setChosen] = useState<Brands>(member.brands);
  const update = useMutation({
    mutationFn: () => client.members.update.mutate({ workspaceId, userId: member.userId, role, brands: chosen }),
    onSuccess: () => {
      onDone();
      onClose();
    },
  });
  const options = ROLES.filter(({ value }) => value !== 'owner' || ownRole === 'owner').map(({ value, label }) => ({
    value,
    label,
  }));
  return (
    <Dialog
      open={true}
      onClose={onClose}
      title={`Role of ${member.name}`}
      footer={
        <>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button look="main" busy={update.isPending} onClick={() => update.mutate()}>
            Save role
          </Button>
        </>
      }
    >
      <div className="grid gap-4 mt-2">
        {update.error && <ErrorOf error={update.error} />}
        <Field label="Role" help={ROLES.find(({ value }) => value === role)?.note}>
          {({ id, describedBy }) => (
            <Select
              id={id}
              describedBy={describedBy}
              value={role}
              options={options}
              onChange={(value) => setRole(value as Role)}
            />
          )}
        </Field>
        <BrandChoice brands={brands} value={chosen} onChange={setChosen} />
      </div>
    </Dialog>
  );
}

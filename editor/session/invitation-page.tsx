/** Takes an invitation: with a name and a password for those who are new, with one click for those signed in. */
import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { client, queryClient } from '../api.ts';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input } from '../ui/field.tsx';
import { Door } from './door.tsx';
import { meQuery, roleLabel, takeOneTimeLink } from './session.ts';

/** As the server asks for. */
const SHORTEST = 10;

export function InvitationPage() {
  const { token } = useParams({ strict: false }) as { token: string };
  const navigate = useNavigate();
  const me = useQuery(meQuery);
  const invitation = useQuery({
    queryKey: ['invitation', token],
    queryFn: () => client.invitations.look.query({ token }),
    retry: false,
  });
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [asked, setAsked] = useState(false);
  const accept = useMutation({
    mutationFn: (account: { name: string; password: string } | null) =>
      client.invitations.accept.mutate({ token, ...(account ?? {}) }),
    onSuccess: async ({ workspaceId, signIn }) => {
      if (signIn !== null && !(await takeOneTimeLink(signIn))) {
        await navigate({ to: '/sign-in', search: { ready: true }, replace: true });
        return;
      }
      await queryClient.invalidateQueries(meQuery);
      await navigate({ to: '/w/$workspaceId', params: { workspaceId }, replace: true });
    },
  });
  if (invitation.error)
    return (
      <Door title="This link does not open">
        <ErrorOf error={invitation.error} />
      </Door>
    );
  if (!invitation.data) return null;
  const { workspace, email, role } = invitation.data;
  const title = `Join ${workspace}`;
  if (me.data)
    return (
      <Door title={title} lead={`You join as ${me.data.user.name} (${me.data.user.email}), ${roleLabel(role)}.`}>
        {accept.error && <ErrorOf error={accept.error} />}
        <Button look="main" size="lg" busy={accept.isPending} onClick={() => accept.mutate(null)}>
          Join the workspace
        </Button>
      </Door>
    );
  const short = asked && password.length < SHORTEST;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (name.trim() !== '' && password.length >= SHORTEST) accept.mutate({ name: name.trim(), password });
  };
  return (
    <Door title={title} lead={`You are invited as ${roleLabel(role)}. Choose a name and a password for ${email}.`}>
      <form onSubmit={submit}>
        {accept.error && <ErrorOf error={accept.error} />}
        <Field label="Your name" error={asked && name.trim() === '' ? 'A name tells others who did what.' : null}>
          {({ id, describedBy, invalid }) => (
            <Input
              id={id}
              aria-describedby={describedBy}
              bad={invalid}
              autoComplete="name"
              maxLength={120}
              autoFocus={true}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Password"
          help={`At least ${SHORTEST} characters.`}
          error={short ? `At least ${SHORTEST} characters; this has ${password.length}.` : null}
        >
          {({ id, describedBy, invalid }) => (
            <Input
              id={id}
              aria-describedby={describedBy}
              bad={invalid}
              type="password"
              autoComplete="new-password"
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <Button look="main" size="lg" type="submit" busy={accept.isPending}>
          {accept.isPending ? 'Making your account' : 'Join the workspace'}
        </Button>
      </form>
      <p className="t-12 muted">
        Have an account already? <a href={`/sign-in?to=${encodeURIComponent(`/invitation/${token}`)}`}>Sign in first</a>
        .
      </p>
    </Door>
  );
}

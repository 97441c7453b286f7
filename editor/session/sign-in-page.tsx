/** Sign-in by e-mail and password. `to` in the address is where to go afterwards, inside this site only. */
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import type { ShownProblem } from '../problem.ts';
import { Button } from '../ui/button.tsx';
import { ErrorCard } from '../ui/error-card.tsx';
import { Field, Input } from '../ui/field.tsx';
import { Door } from './door.tsx';
import { insideSite } from './inside-site.ts';
import { signIn } from './session.ts';

export function SignInPage() {
  const { to, ready } = useSearch({ strict: false }) as { to?: string; ready?: boolean };
  const navigate = useNavigate();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ShownProblem | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    const refused = await signIn(email.trim(), password);
    setBusy(false);
    if (refused) setProblem(refused);
    else await navigate({ href: insideSite(to), replace: true });
  };
  return (
    <Door title="Sign in" lead={ready ? 'Your account is ready.' : undefined}>
      <form onSubmit={submit}>
        {problem && <ErrorCard problem={problem} />}
        <Field label="E-mail">
          {({ id }) => (
            <Input
              id={id}
              type="email"
              name="email"
              autoComplete="username"
              required={true}
              // The page has one thing to do.
              autoFocus={true}
              value={email}
              onChange={(event) => setEmail(event.target.value)}
            />
          )}
        </Field>
        <Field label="Password">
          {({ id }) => (
            <Input
              id={id}
              type="password"
              name="password"
              autoComplete="current-password"
              required={true}
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <Button look="main" size="lg" type="submit" busy={busy}>
          {busy ? 'Signing in' : 'Sign in'}
        </Button>
      </form>
      <p className="t-12 muted">
        On the first start the terminal prints a link that lets the owner in once. Everybody else comes by invitation.
      </p>
    </Door>
  );
}

/** Who is here: the signed-in person, their workspaces and roles; signing in and out. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import { client, type Outputs, queryClient } from '../api.ts';
import type { ShownProblem } from '../problem.ts';

export type Me = Outputs['session']['me'];
export type Role = 'owner' | 'admin' | 'editor' | 'analyst' | 'sponsor-viewer';

export const meQuery = queryOptions({
  queryKey: ['session', 'me'],
  queryFn: () => client.session.me.query(),
  staleTime: 60_000,
  retry: false,
});

/** Strongest first. The server decides; this only spares people acts that would be refused. */
const ORDER: readonly Role[] = ['owner', 'admin', 'editor', 'analyst', 'sponsor-viewer'];
export const ROLES: readonly { value: Role; label: string; note: string }[] = [
  { value: 'owner', label: 'Owner', note: 'Everything, other owners included.' },
  { value: 'admin', label: 'Admin', note: 'Members, keys, brands, pipelines.' },
  { value: 'editor', label: 'Editor', note: 'Makes and runs pipelines.' },
  { value: 'analyst', label: 'Analyst', note: 'Looks at everything, changes nothing.' },
  { value: 'sponsor-viewer', label: 'Sponsor', note: 'Sees what was published.' },
];
export const roleLabel = (role: string): string => ROLES.find(({ value }) => value === role)?.label ?? role;

export const atLeast = (role: string | undefined, wanted: Role): boolean => {
  const place = ORDER.indexOf(role as Role);
  return place >= 0 && place <= ORDER.indexOf(wanted);
};

/** The role in a workspace, undefined while it is not known. */
export function useRole(workspaceId: string): Role | undefined {
  const { data } = useQuery(meQuery);
  return data?.workspaces.find(({ id }: { id: string }) => id === workspaceId)?.role as Role | undefined;
}

/** Null when it worked, else what to tell. */
export async function signIn(email: string, password: string): Promise<ShownProblem | null> {
  let reply: Response;
  try {
    reply = await fetch('/api/auth/sign-in/email', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password, rememberMe: true }),
    });
  } catch {
    return {
      code: 'SERVER_UNREACHABLE',
      message: 'The server cannot be reached.',
      hint: 'Check the connection, then try again.',
      retry: 'later',
    };
  }
  if (reply.ok) {
    await queryClient.invalidateQueries(meQuery);
    return null;
  }
  if (reply.status === 429)
    return {
      code: 'TOO_MANY_TRIES',
      message: 'Too many tries in a short time.',
      hint: 'Wait a minute, then try again.',
      retry: 'later',
    };
  if (reply.status >= 500)
    return {
      code: 'SERVER_FAILED',
      message: 'The server could not check this.',
      hint: 'Try again in a moment.',
      retry: 'later',
    };
  return {
    code: 'SIGN_IN_REFUSED',
    message: 'This e-mail and password do not belong together.',
    hint: 'Check both. An admin of your workspace can send you a new invitation.',
    retry: 'person',
  };
}

/** Signs in by the secret of a one-time link; false where it was used already. */
export async function takeOneTimeLink(token: string): Promise<boolean> {
  const reply = await fetch('/api/auth/one-time-link', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  return reply.ok;
}

/** Ends the session on the server and forgets everything this tab has read. */
export async function signOut(): Promise<void> {
  await fetch('/api/auth/sign-out', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  queryClient.clear();
  location.assign('/sign-in');
}

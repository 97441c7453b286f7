/**
 * A mail server that behaves as planned: takes a letter, asks to wait (451, greylisting), refuses (550), says nothing, or wants
 * TLS first (530). What it took is kept, raw and by recipient. It speaks the protocol by `smtp-server`.
 * Source: RFC 5321 §4.2; platforms reference §13.
 */
import { SMTPServer } from 'smtp-server';

export type MailPlan = 'accept' | 'greylist' | 'reject' | 'silence' | 'require-tls';
export type Letter = { to: string; from: string; raw: string; headers: Record<string, string> };

export type SmtpEmulator = {
  /** `smtp://user:secret@127.0.0.1:port` */
  url: string;
  letters: Letter[];
  /** Every recipient that was named, with what was said to that. */
  asked: { to: string; plan: MailPlan }[];
  /** For one recipient, or for all others; `times` of them, then accept again. */
  plan(plan: MailPlan, how?: { to?: string; times?: number }): void;
  reset(): void;
  close(): Promise<void>;
};

export const SMTP_USER = { user: 'post', pass: 'secret' };

const answer = (responseCode: number, message: string) => Object.assign(new Error(message), { responseCode });

export async function startSmtp(port = 0): Promise<SmtpEmulator> {
  const letters: Letter[] = [];
  const asked: SmtpEmulator['asked'] = [];
  let plans: { plan: MailPlan; to: string | null; left: number }[] = [];
  const planFor = (to: string): MailPlan => {
    const found = plans.find((each) => each.left > 0 && (each.to === null || each.to === to));
    if (!found) return 'accept';
    found.left -= 1;
    return found.plan;
  };
  const server = new SMTPServer({
    authMethods: ['PLAIN', 'LOGIN'],
    hideSTARTTLS: true,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    onAuth({ username, password }, _session, done) {
      if (username === SMTP_USER.user && password === SMTP_USER.pass) done(null, { user: username });
      else done(answer(535, '5.7.8 Authentication credentials invalid'));
    },
    onRcptTo({ address }, _session, done) {
      const plan = planFor(address);
      asked.push({ to: address, plan });
      if (plan === 'greylist') return done(answer(451, '4.7.1 Greylisted, please try again later'));
      if (plan === 'reject') return done(answer(550, '5.1.1 Mailbox unavailable'));
      if (plan === 'require-tls') return done(answer(530, '5.7.0 Must issue a STARTTLS command first'));
      if (plan !== 'silence') done(); // else it is never answered
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8');
        const from = session.envelope.mailFrom ? session.envelope.mailFrom.address : '';
        for (const { address } of session.envelope.rcptTo)
          letters.push({ to: address, from, raw, headers: headersOf(raw) });
        done(null, 'queued');
      });
    },
  });
  server.on('error', () => {}); // connections that were cut
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
  const { port: own } = server.server.address() as { port: number };
  return {
    url: `smtp://${SMTP_USER.user}:${SMTP_USER.pass}@127.0.0.1:${own}`,
    letters,
    asked,
    plan(plan, { to = null, times = 1 }: { to?: string | null; times?: number } = {}) {
      plans.push({ plan, to, left: times });
    },
    reset() {
      letters.length = 0;
      asked.length = 0;
      plans = [];
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** Unfolded, names in small letters. */
function headersOf(raw: string): Record<string, string> {
  const [head = ''] = raw.split('\r\n\r\n');
  const lines = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
    }),
  );
}

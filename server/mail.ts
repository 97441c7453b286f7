/**
 * Mail by SMTP, where the operator has set it up: SPLICEBOARD_SMTP_URL (`smtp://user:password@host:587`, `smtps://…`, with
 * `?requireTLS=true` where nothing may go unencrypted) and SPLICEBOARD_MAIL_FROM. Absent: nothing is sent, links are copied.
 * Errors: MAIL_LATER, MAIL_UNREACHABLE, MAIL_SIGN_IN (later), MAIL_REFUSED (that recipient, or that letter, for good).
 */
import { createTransport } from 'nodemailer';

export type Mail = { to: string; subject: string; text: string; html: string; messageId: string };
export type Mailer = { from: string; send(mail: Mail): Promise<void>; close(): void };

export class MailError extends Error {
  override name = 'MailError';
  readonly code: 'MAIL_LATER' | 'MAIL_UNREACHABLE' | 'MAIL_SIGN_IN' | 'MAIL_REFUSED';
  readonly hint: string;
  readonly retry: 'later' | 'person';
  constructor(code: MailError['code'], message: string, hint: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.hint = hint;
    this.retry = code === 'MAIL_REFUSED' ? 'person' : 'later';
  }
}

const CONNECT_MS = 10_000;
const SILENT_MS = 30_000;

/** Null where nothing is set. Throws a sentence for whoever starts the server. */
export function mailerFrom(environment: NodeJS.ProcessEnv, { silentMs = SILENT_MS } = {}): Mailer | null {
  const { SPLICEBOARD_SMTP_URL: url, SPLICEBOARD_MAIL_FROM: from } = environment;
  if (!url) return null;
  if (!URL.canParse(url) || !/^smtps?:$/.test(new URL(url).protocol) || new URL(url).hostname === '') {
    throw new Error('SPLICEBOARD_SMTP_URL is not an address such as smtp://user:password@mail.example.com:587.');
  }
  if (!from || !/^[^\r\n]*[^\s@]+@[^\s@]+$/.test(from.replace(/>$/, ''))) {
    throw new Error(
      'SPLICEBOARD_MAIL_FROM must say who mail comes from, such as Spliceboard <post@example.com>: SPLICEBOARD_SMTP_URL is set.',
    );
  }
  const transport = createTransport({
    url,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: silentMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    from,
    async send({ messageId, ...mail }) {
      try {
        await transport.sendMail({
          ...mail,
          from,
          messageId,
          headers: { 'Auto-Submitted': 'auto-generated' },
        });
      } catch (error) {
        throw asMailError(error);
      }
    },
    close: () => transport.close(),
  };
}

/** RFC 5321: 4xx may be tried again, 5xx never. What concerns the sign-in or the connection is not the recipient's fault. */
function asMailError(error: unknown): MailError {
  const { responseCode, code, response } = error as { responseCode?: number; code?: string; response?: string };
  const said = (response ?? '')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, 200);
  if (code === 'EAUTH') {
    const hint = 'Check user and password in SPLICEBOARD_SMTP_URL.';
    return new MailError('MAIL_SIGN_IN', `The mail server refused the sign-in${said ? `: ${said}` : '.'}`, hint, error);
  }
  if (responseCode === 530) {
    const hint = 'Add ?requireTLS=true to SPLICEBOARD_SMTP_URL, or use smtps://.';
    return new MailError('MAIL_SIGN_IN', `The mail server wants another connection: ${said}`, hint, error);
  }
  if (responseCode === undefined) {
    const hint = 'It is tried again by itself. Check SPLICEBOARD_SMTP_URL if it stays so.';
    return new MailError(
      'MAIL_UNREACHABLE',
      `The mail server does not answer${code ? ` (${code})` : ''}.`,
      hint,
      error,
    );
  }
  return responseCode >= 500
    ? new MailError('MAIL_REFUSED', `The mail server refused it: ${said}`, 'Check the address.', error)
    : new MailError('MAIL_LATER', `The mail server asks to wait: ${said}`, 'It is tried again by itself.', error);
}

/** Text as HTML shows it. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/\r?\n/g, '<br>');

/** One line, for a header. */
export const oneLine = (text: string): string =>
  text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, 150);

/** An address that mail can reach: the first start's owner has none. */
export const canReceive = (address: string): boolean => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(address);

// A server's words in a message of Warder's.
import { escapeUnprintable } from '../../audit/printable.ts';
import { Redactor } from '../../credential/redact.ts';

/** Characters of them that are shown. */
const MAX_WORDS = 200;

/** The server's words: bounded, on one line, without characters that steer a terminal, and without quotes. */
export function quote(text: string): string {
  const cut = text.length > MAX_WORDS ? `${text.slice(0, MAX_WORDS)}…` : text;
  return escapeUnprintable(cut.replaceAll('"', "'"));
}

/** What can be a token, a part of one, or one in base64 or hexadecimal. */
const TOKEN_LIKE = /[A-Za-z0-9+_=~%-]{25,}/g;

/** The same of words in an error, which may repeat what was sent: without these values in any encoding, and without what looks like one. */
export function quoteWithout(text: string, secrets: readonly string[]): string {
  const known = secrets.filter((secret) => secret !== '');
  const without = known.reduce((words, secret) => words.replaceAll(secret, '…'), text);
  const encoded = new Redactor(known.map((value) => ({ name: 'secret', value })));
  return quote(encoded.text(without).replaceAll('[redacted:secret]', '…').replace(TOKEN_LIKE, '…'));
}

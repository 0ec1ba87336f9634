// Values that cannot be sealed: no request carries them, or the gate could not find them again in a response.
import { MIN_SECRET_LENGTH } from './finder.ts';

/** Why a value cannot be sealed. `what` follows the variable's name: `DB_URL holds ...`. */
export interface SealingProblem {
  readonly what: string;
  readonly hint: string;
}

const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----/;
/** RFC 3986, section 3: a scheme, and a user and password before the host. */
const URL_WITH_PASSWORD = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/[^\s/?#@]*:[^\s@]*@/;

/** Why a value cannot be sealed; `undefined` if it can. The texts contain nothing of the value. */
export function sealingProblem(variable: string, value: string): SealingProblem | undefined {
  const hint = `say "deliver: env" or "deliver: file" for ${variable}: the server then holds the secret`;
  if (value.length < MIN_SECRET_LENGTH) {
    return {
      what: `has fewer than ${MIN_SECRET_LENGTH} characters, and cannot be sealed`,
      hint: 'get a longer one from its issuer',
    };
  }
  if (PRIVATE_KEY.test(value)) {
    return { what: 'holds a private key, which signs and is never sent: it cannot be sealed', hint };
  }
  const scheme = URL_WITH_PASSWORD.exec(value)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
    return { what: `holds a password for "${scheme}:", which is not HTTP: it cannot be sealed`, hint };
  }
  if (/(?:^|_)AWS_SECRET_(?:ACCESS_)?KEY$/.test(variable)) {
    return { what: 'signs requests and is never sent: it cannot be sealed', hint };
  }
  if (/\p{Cc}/u.test(value)) {
    return { what: 'has a line break or control character, and cannot be sealed', hint };
  }
  return undefined;
}

// What cannot be sealed, because it is used in no request that the gate could put it into, or could not be found again.
import { SHORTEST } from './finder.ts';

/** Goes behind the variable's name: `DB_URL holds ...`. */
export interface SealingProblem {
  readonly what: string;
  readonly hint: string;
}

const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----/;
/** RFC 3986 3: a scheme, and a user and password before the host. */
const LOGIN = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/[^\s/?#@]*:[^\s@]*@/;

/** Why a value cannot be sealed; `undefined` if it can. The texts hold nothing of the value. */
export function sealingProblem(variable: string, value: string): SealingProblem | undefined {
  const hint = `say "deliver: env" or "deliver: file" for ${variable}: the server then holds the secret`;
  if (value.length < SHORTEST) {
    return {
      what: `has fewer than ${SHORTEST} characters, and cannot be sealed`,
      hint: 'have its issuer make a longer one',
    };
  }
  if (PRIVATE_KEY.test(value)) {
    return { what: 'holds a private key, which signs and is never sent: it cannot be sealed', hint };
  }
  const scheme = LOGIN.exec(value)?.[1]?.toLowerCase();
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

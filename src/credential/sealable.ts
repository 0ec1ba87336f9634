// Values that cannot be sealed: no request carries them, or the gate could not find them again in a response.
import { makesTokens, type Signing } from '../profile/signing.ts';
import { isAwsSecretKey } from '../profile/variable.ts';
import { MIN_SECRET_LENGTH } from './finder.ts';
import { readAwsKeys } from './sigv4.ts';
import { keyAlgorithm, readPrivateKey } from './token-maker.ts';

/** Why a value cannot be sealed. `what` follows the variable's name: `DB_URL holds ...`. */
export interface SealingProblem {
  readonly what: string;
  readonly hint: string;
}

/** Why a value cannot sign as its profile says. */
function signingValueProblem(value: string, sign: Signing): SealingProblem | undefined {
  if (makesTokens(sign)) {
    const algorithm = keyAlgorithm(sign);
    if (readPrivateKey(value, algorithm) !== undefined) return undefined;
    return {
      what: `holds no private key for ${algorithm}`,
      hint: 'set the key as PEM, not encrypted; an RSA key has 2048 bits or more',
    };
  }
  if (sign.scheme === 'aws-sigv4') {
    if (readAwsKeys(value) !== undefined) return undefined;
    return {
      what: 'holds no secret access key of AWS',
      hint: 'set the secret access key, or the JSON that "aws configure export-credentials" prints',
    };
  }
  if (value.length < MIN_SECRET_LENGTH) return { what: 'is too short to sign', hint: 'get a longer one' };
  const form = { text: /^\P{Cc}+$/u, hex: /^(?:[0-9a-f]{2})+$/i, base64: /^[A-Za-z0-9+/]+={0,2}$/ }[sign.key];
  return form.test(value)
    ? undefined
    : {
        what: `is not written as "key: ${sign.key}" says`,
        hint: 'correct "sign.key", or set the value again',
      };
}

const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----/;
/** RFC 3986, section 3: a scheme, and a user and password before the host. */
const URL_WITH_PASSWORD = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/[^\s/?#@]*:[^\s@]*@/;

/** What a value of several parts is: a server that takes it apart finds nothing in a placeholder. */
function composedForm(value: string): string | undefined {
  if (/^\s*[{[]/.test(value) && isJson(value)) return 'JSON';
  if (/^[A-Za-z][A-Za-z0-9-]*: +\S/.test(value)) return 'a header';
  const pairs = value.split(';').filter((part) => part.trim() !== '');
  return pairs.length > 1 && pairs.every((part) => /^\s*[A-Za-z][\w .-]{0,60}=/.test(part))
    ? 'a connection string'
    : undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The keys of a connection string: those of a drivers' for databases, and of Azure. */
const CONNECTION_KEY =
  /^(?:server|host|data source|port|driver|database|initial catalog|dbname|uid|user(?: ?id)?|pwd|password|endpoint|defaultendpointsprotocol|account(?:name|key|endpoint)|sharedaccesskey(?:name)?)$/i;
const URL_SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//;

/**
 * Why no placeholder helps inside of a text that refers to a credential, `Bearer ${credential:TOKEN}`: what the server does with it
 * is no request of HTTP, or signs. `undefined` if it may. Follows the text's name: `DB_URL is ...`.
 */
export function sealedTextProblem(text: string): string | undefined {
  if (PRIVATE_KEY.test(text)) return 'is a private key, which signs and is never sent';
  const scheme = URL_SCHEME.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined)
    return /^(?:https?|wss?)$/.test(scheme)
      ? undefined
      : `is a URL of "${scheme.slice(0, 40)}:", which is not HTTP, so nobody puts the secret in`;
  const keys = text
    .split(/;|\s+(?=[A-Za-z]+=)/)
    .flatMap((part) => /^\s*([A-Za-z][A-Za-z ]{0,40}?)\s*=/.exec(part)?.[1] ?? []);
  return keys.filter((key) => CONNECTION_KEY.test(key)).length > 1
    ? 'is a connection string, whose secret goes into no header, so nobody puts it in'
    : undefined;
}

/** A server that reads its URL and gets something else does not start. */
const HTTP_URL = /^https?:\/\/\S/i;

/** Why a value cannot be sealed; `undefined` if it can. The texts contain nothing of the value. */
export function sealingProblem(variable: string, value: string, sign?: Signing): SealingProblem | undefined {
  if (sign !== undefined) return signingValueProblem(value, sign);
  const hint = `say "deliver: env" or "deliver: file" for ${variable}: the server then holds the secret`;
  if (value.length < MIN_SECRET_LENGTH) {
    return {
      what: `has fewer than ${MIN_SECRET_LENGTH} characters, and cannot be sealed`,
      hint: 'get a longer one from its issuer',
    };
  }
  if (PRIVATE_KEY.test(value)) {
    return {
      what: 'holds a private key, which signs and is never sent',
      hint: `say in "sign" what it signs, or ${hint}`,
    };
  }
  const scheme = URL_WITH_PASSWORD.exec(value)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
    return { what: `holds a password for "${scheme}:", which is not HTTP: it cannot be sealed`, hint };
  }
  if (HTTP_URL.test(value)) {
    return {
      what: 'holds a URL, and its placeholder would be none: it cannot be sealed',
      hint: `set only the secret part of the URL (the last segment of a webhook's path, a password) and write \${credential:${variable}} for it into the URL in "args" or "env", with "as: any"; or ${hint}`,
    };
  }
  const form = composedForm(value);
  if (form !== undefined) {
    return {
      what: `holds ${form}, and its placeholder would be none: it cannot be sealed`,
      hint: `set only the secret in it, under another name, and write \${credential:NAME} for it into the text in "env"; or ${hint}`,
    };
  }
  if (isAwsSecretKey(variable)) {
    return {
      what: 'signs requests and is never sent',
      hint: `say "sign: {scheme: aws-sigv4, …}", or ${hint}`,
    };
  }
  if (/\p{Cc}/u.test(value)) {
    return { what: 'has a line break or control character, and cannot be sealed', hint };
  }
  return undefined;
}

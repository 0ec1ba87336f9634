// Secrets inside of a longer text in a variable: headers in JSON, a list of headers. A placeholder for all of the text would be
// none for a server that takes it apart; so the text stays in the profile, and refers to the credential of each secret. Pure.
import { knownHosts } from '../known.ts';
import type { PlannedLocal, TakenSecret } from '../planned.ts';
import { hasSecret, secretsInside } from '../secrets.ts';
import { takeName, variableForm } from './variable-name.ts';

/** A secret that stands in JSON, in a header and in a URL as it is, and is long enough to be found again. */
const PLAIN = /^[\w.~+/=-]{8,}$/;
/** What a header has before a token. A name and password in base64 are no token: their placeholder would be no base64 of a name. */
const SCHEME = /^(?:Bearer|Token) +/i;

/**
 * Where its secrets are sealed, those inside of a text are taken out of it. Where that cannot be done it stays a credential whole.
 * `hosts`: where they may be used.
 */
export function sealInside(
  plan: PlannedLocal,
  hosts: readonly string[] = knownHosts(plan.knows, plan.env),
): PlannedLocal {
  if (hosts.length === 0 || plan.knows.unsealable !== undefined) return plan;
  const taken = new Set([...Object.keys(plan.env), ...plan.credentials.map(({ variable }) => variable)]);
  const env = { ...plan.env };
  const credentials = plan.credentials.flatMap((credential): TakenSecret[] => {
    const inside = takeInside(credential, taken);
    if (inside === undefined) return [credential];
    env[credential.variable] = inside.text;
    return [...inside.credentials];
  });
  return { ...plan, env, credentials };
}

/** Whether a value is a text with secrets inside of it, and not a secret: a server takes it apart. */
export function isComposed(value: string): boolean {
  return !/^[a-z][a-z0-9+.-]*:\/\//i.test(value) && secretsInside(value).length > 0;
}

function takeInside(
  { value, from }: TakenSecret,
  taken: Set<string>,
): { readonly text: string; readonly credentials: readonly TakenSecret[] } | undefined {
  if (from.where !== 'variable' || !isComposed(value)) return undefined;
  let text = value;
  const credentials: TakenSecret[] = [];
  for (const [name, whole] of secretsInside(value)) {
    const secret = whole.replace(SCHEME, '');
    if (!PLAIN.test(secret) || !value.includes(secret)) return undefined;
    if (credentials.some((one) => one.value === secret)) continue;
    const variable = takeName(
      variableForm(name)
        .replace(/^(?=\d|$)/, 'SECRET_')
        .slice(0, 60),
      taken,
    );
    credentials.push({ variable, value: secret, from: { ...from, name, value: secret } });
    text = text.replaceAll(secret, () => `\${credential:${variable}}`);
  }
  return hasSecret(text) ? undefined : { text, credentials };
}

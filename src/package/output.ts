// What a registry's client wrote, for a person: only its own words on the error, without secrets and control
// characters. Pure.

/** Names of variables and settings whose values are secrets. */
const SECRET_NAME = /token|auth|passw|secret|credential|key/i;

const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/\/\/[^\s/@]+@/g, '//…@'],
  [/\b(bearer|basic)\s+\S+/gi, '$1 …'],
  [/([\w-]*(?:token|auth|passw|secret|apikey|api-key)[\w-]*"?\s*[=:]\s*)\S+/gi, '$1…'],
  [/\?[^\s"')]+/g, '?…'],
  [/\b(?:npm|pypi|gh[a-z]|github|glpat|xox[a-z]|sk)[_-][A-Za-z0-9_-]{8,}/g, '…'],
  [/[A-Za-z0-9_+=-]{40,}/g, '…'],
];

const MAX_LINES = 4;
const MAX_LENGTH = 400;

/**
 * A client's words as one line. `toLine` returns what a line of its output says on the error, undefined if it says
 * nothing. `secrets` are values that must not be in it.
 */
export function errorWords(
  output: string,
  secrets: readonly string[],
  toLine: (line: string) => string | undefined,
): string {
  let text = output;
  for (const secret of secrets) text = text.replaceAll(secret, '…');
  const words = text.split(/\r?\n/).flatMap((line) => {
    const said = toLine(line);
    return said === undefined ? [] : [clean(said)];
  });
  const joined = [...new Set(words)].slice(0, MAX_LINES).join('; ');
  return joined.length > MAX_LENGTH ? `${joined.slice(0, MAX_LENGTH)}…` : joined;
}

/** The secret values of an environment and of a settings file. Short ones are left out: they would match by chance. */
export function secretValues(env: Readonly<Record<string, string | undefined>>, settings: string): string[] {
  const lines = settings.split(/\r?\n/).map((line) => {
    const at = line.indexOf('=');
    return [
      line.slice(0, Math.max(at, 0)),
      line
        .slice(at + 1)
        .trim()
        .replace(/^(["'])(.*)\1$/, '$2'),
    ] as const;
  });
  return [...Object.entries(env), ...lines].flatMap(([name, value = '']) =>
    SECRET_NAME.test(name) && value.length >= 6 ? [value] : [],
  );
}

function clean(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not reach a terminal
  let text = line.replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)/g, '');
  text = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ');
  for (const [pattern, replacement] of SECRETS) text = text.replace(pattern, replacement);
  return text.replace(/ +/g, ' ').trim();
}

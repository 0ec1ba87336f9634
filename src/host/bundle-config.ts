// What a bundle asks of a person (`user_config` of MCPB), and its arguments and variables with the answers in them. Pure. An
// option that is marked as sensitive, and one whose name is that of a secret, is declared by the name of a variable and never
// filled in: what refers to it is written as `${credential:NAME}`.
import { BUNDLE_FOLDER, type BundleManifest, type BundleOption } from './bundle-manifest.ts';
import { takeName, variableForm } from './plan/variable-name.ts';
import { isSecretName } from './secrets.ts';
import { TextProblem } from './text/edit.ts';

/** The values of options by their key; several only where the manifest says `multiple`. */
export type OptionValues = ReadonlyMap<string, readonly string[]>;

/** The user's folders by the names that manifests have for them: `HOME`, `DESKTOP`, `DOCUMENTS`, `DOWNLOADS`. */
export type UserFolders = Readonly<Record<string, string>>;

/** A secret of a bundle. */
export interface BundleSecret {
  readonly variable: string;
  readonly key: string;
  /** An argument, or the text of a variable, refers to it; it is not declared by a variable of the manifest. */
  readonly isReferred: boolean;
  /** What its value has to be, if that is more than the secret itself: `Bearer ${user_config.key}`. */
  readonly form: string | undefined;
}

/** A bundle's arguments and variables. */
export interface FilledBundle {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly BundleSecret[];
  /** Secrets that are optional and not asked for. */
  readonly unused: readonly BundleSecret[];
}

const REFERENCE = /\$\{([^{}]*)\}/g;
const WHOLE = /^\$\{user_config\.([^{}]*)\}$/;

/** Whether an option is a secret. The path of a file with one is none. */
function isSecretOption(key: string, { type, sensitive }: BundleOption): boolean {
  if (type === 'directory' || type === 'file') return false;
  return sensitive === true || (type === 'string' && isSecretName(key));
}

/** What is wrong with a value of an option, by itself; undefined if nothing is. */
export function valueProblem({ type, min, max }: BundleOption, value: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these cannot be in an argument
  if (/[\u0000-\u001f]/.test(value)) return 'has a control character';
  if (value.includes('${')) return `has "\${" in it, which stands for something else`;
  if (type === 'boolean') return /^(?:true|false)$/.test(value) ? undefined : 'must be true or false';
  if (type !== 'number') return undefined;
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) return 'must be a number';
  if (min !== undefined && number < min) return `must be at least ${min}`;
  return max !== undefined && number > max ? `must be at most ${max}` : undefined;
}

/** The values that a manifest says for an option; undefined if it says none. Throws `TextProblem`. */
export function defaultValues(
  key: string,
  option: BundleOption,
  folders: UserFolders,
): readonly string[] | undefined {
  const { default: said, type } = option;
  if (said === undefined) return type === 'boolean' ? ['false'] : undefined;
  const values = [said].flat().map((each) =>
    String(each).replace(REFERENCE, (whole, name: string) => {
      if (name === '/' || name === 'pathSeparator') return '/';
      if (Object.hasOwn(folders, name)) return folders[name] ?? whole;
      throw new TextProblem(`has a default of ${shown(key)} with ${shown(whole)}, which is not known`);
    }),
  );
  for (const value of values) {
    const problem = valueProblem(option, value);
    if (problem !== undefined) throw new TextProblem(`has a default of ${shown(key)} that ${problem}`);
  }
  // An empty text is how some say that there is none.
  return values.length === 0 || values.every((value) => value === '') ? undefined : values;
}

/** What a manifest is filled in with. */
export interface Answers {
  readonly values: OptionValues;
  /** Variables of optional secrets that are used all the same. */
  readonly wanted: readonly string[];
  readonly folders: UserFolders;
  /**
   * The server gets placeholders. So a secret that stands inside of a variable's text is one of its own, and the text refers to
   * it; and one that stands in several places is one credential. Else the whole text is the credential.
   */
  readonly isSealed: boolean;
}

/**
 * Puts the answers into a manifest's arguments and variables. What names an option without a value is left out, with the flag
 * before it. Throws `TextProblem`.
 */
export function fillIn(
  manifest: BundleManifest,
  { values, wanted, folders, isSealed }: Answers,
): FilledBundle {
  const secrets = new Map<string, BundleSecret>();
  const unused = new Map<string, BundleSecret>();
  const { options } = manifest;
  /** Whether a secret is used: a required one, and an optional one that somebody wants. */
  const declare = (secret: BundleSecret): boolean => {
    const isUsed = options[secret.key]?.required === true || wanted.includes(secret.variable);
    (isUsed ? secrets : unused).set(secret.variable, secret);
    return isUsed;
  };
  /** A text with its values; undefined if one of them is not there. */
  const fill = (text: string, secretText: (key: string) => string | undefined): string | undefined => {
    let isWhole = true;
    /** Those that are meant to stand in the result: a value could make another one with what is around it. */
    let references = 0;
    const filled = text.replace(REFERENCE, (whole, name: string) => {
      if (whole === BUNDLE_FOLDER) {
        references += 1;
        return whole;
      }
      if (name === '/' || name === 'pathSeparator') return '/';
      if (Object.hasOwn(folders, name)) return folders[name] ?? whole;
      const key = keyOf(options, name, whole);
      const list = isSecret(key) ? [secretText(key)] : (values.get(key) ?? []);
      if (list.length > 1)
        throw new TextProblem(`has room for one value of ${shown(key)}, and ${list.length} are given`);
      if (list[0] === undefined) isWhole = false;
      else if (isSecret(key)) references += 1;
      return list[0] ?? '';
    });
    if (filled.split('${').length - 1 !== references)
      throw new TextProblem(`uses ${shown(text)}, which would be another reference with its values in it`);
    return isWhole ? filled : undefined;
  };
  const isSecret = (key: string): boolean => {
    const option = options[key];
    return option !== undefined && (isSecretOption(key, option) || named.has(key));
  };
  /** Options that only the variable or the flag they are for calls a secret. */
  const named = secretByPlace(manifest);

  const taken = new Set(Object.keys(manifest.env));
  /** The variable of each secret that is referred to. */
  const variables = new Map<string, string>();
  const refer = (key: string): string | undefined => {
    const variable = variables.get(key) ?? freeName(key, taken);
    const isDeclared = secrets.has(variable) || unused.has(variable);
    variables.set(key, variable);
    const isUsed = isDeclared
      ? secrets.has(variable)
      : declare({ variable, key, isReferred: true, form: undefined });
    return isUsed ? reference(variable) : undefined;
  };
  const env: Record<string, string> = {};
  const secretTexts: string[] = [];
  for (const [variable, text] of Object.entries(manifest.env)) {
    const key = referencedKeys(text).find(isSecret);
    if (key === undefined) {
      const filled = fill(text, () => undefined);
      if (filled !== undefined) env[variable] = filled;
      continue;
    }
    referencedKeys(text).forEach((name) => void keyOf(options, `user_config.${name}`, text));
    const isWhole = WHOLE.test(text);
    if (isSealed && (!isWhole || variables.has(key))) {
      secretTexts.push(variable);
      continue;
    }
    if (isSealed) variables.set(key, variable);
    // The person writes the secrets into it, and nothing else.
    const form = isWhole ? undefined : (fill(text, (name) => `\${user_config.${name}}`) ?? text);
    declare({ variable, key, isReferred: false, form });
  }
  for (const variable of secretTexts) {
    const filled = fill(manifest.env[variable] ?? '', refer);
    if (filled !== undefined) env[variable] = filled;
  }

  const args: string[] = [];
  let flag: string | undefined;
  for (const text of manifest.args) {
    const [, key] = WHOLE.exec(text) ?? [];
    const list =
      key === undefined || isSecret(key) ? undefined : values.get(keyOf(options, `user_config.${key}`, text));
    const filled = list ?? [fill(text, refer)];
    if (filled.some((each) => each === undefined)) {
      if (flag !== undefined && args.at(-1) === flag && key !== undefined) args.pop();
    } else args.push(...filled.map(String));
    flag = /^--?[A-Za-z][\w-]*$/.test(text) ? text : undefined;
  }
  for (const variable of secrets.keys()) unused.delete(variable);
  // A text that names another option without a value was left out.
  const texts = [...args, ...Object.values(env)];
  const needed = [...secrets.values()].filter(
    ({ variable, isReferred }) => !isReferred || texts.some((text) => text.includes(reference(variable))),
  );
  return { args, env, secrets: needed, unused: [...unused.values()] };
}

/** The options that arguments or variables use; others need no answer. */
export function usedOptions({ args, env, options }: BundleManifest): string[] {
  const used = new Set([...args, ...Object.values(env)].flatMap(referencedKeys));
  return Object.keys(options).filter((key) => used.has(key));
}

/** The options that are secrets, also by the variable or the flag that they are for. */
export function secretOptions(manifest: BundleManifest): Set<string> {
  const named = secretByPlace(manifest);
  return new Set(
    Object.entries(manifest.options).flatMap(([key, option]) =>
      isSecretOption(key, option) || named.has(key) ? [key] : [],
    ),
  );
}

/** Texts without a value of their own whose variable or flag has the name of a secret. */
function secretByPlace({ args, env, options }: BundleManifest): Set<string> {
  const texts: (readonly [place: string, text: string])[] = [
    ...Object.entries(env),
    ...args.map(
      (text, index) => [/^-/.test(text) ? text.replace(/=.*$/s, '') : (args[index - 1] ?? ''), text] as const,
    ),
  ];
  return new Set(
    texts.flatMap(([place, text]) =>
      isSecretName(place) ? referencedKeys(text).filter((key) => options[key]?.type === 'string') : [],
    ),
  );
}

function reference(variable: string): string {
  return `\${credential:${variable}}`;
}

function referencedKeys(text: string): string[] {
  return [...text.matchAll(REFERENCE)].flatMap(([, name = '']) =>
    name.startsWith('user_config.') ? [name.slice('user_config.'.length)] : [],
  );
}

function keyOf(options: BundleManifest['options'], name: string, whole: string): string {
  const key = name.startsWith('user_config.') ? name.slice('user_config.'.length) : undefined;
  if (key !== undefined && Object.hasOwn(options, key)) return key;
  throw new TextProblem(`uses ${shown(whole)}, which it does not explain`);
}

/** The name of a variable for a secret of the arguments: `api_key` is `API_KEY`. */
function freeName(key: string, taken: Set<string>): string {
  const plain = variableForm(key.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '_'));
  return takeName(/^[A-Z]/.test(plain) ? plain : `OPTION_${plain}`, taken);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

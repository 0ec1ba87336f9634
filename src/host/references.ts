// What stands in a host's file for a value that the host fills in when it starts a server: a variable of its environment, an
// input that it asks the user for, a file. They are found here, and never filled in: no variable and no file is read. Pure.
import { isTable, type Value } from './text/edit.ts';

/** Something that a host fills in. */
export interface Reference {
  /** As it stands there: `${env:TOKEN}`. */
  readonly text: string;
  /** `other`: a folder of the workspace, a file, or what is not known. Only the host can fill that in. */
  readonly kind: 'environment' | 'input' | 'other';
  /** The variable, or the id of the input. */
  readonly name: string;
  /** What the host takes where there is no such variable: `${LOG_LEVEL:-info}`. */
  readonly fallback: string | undefined;
}

/** What VS Code asks the user for, at the start of a server. */
export interface HostInput {
  readonly id: string;
  readonly description: string;
  readonly isPassword: boolean;
  /** What can be chosen from; undefined: anything. */
  readonly options: readonly string[] | undefined;
  readonly initial: string | undefined;
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** Names that hosts give to what is no variable of the environment. */
const PLACES = new Set(
  'workspaceFolder workspaceFolderBasename workspaceRoot userHome cwd extensionPath file pathSeparator'.split(
    ' ',
  ),
);

/** All references in a text, in their order. */
export function referencesIn(text: string): Reference[] {
  const whole = /^\$([A-Za-z_][A-Za-z0-9_]*)$/.exec(text.trim());
  if (whole !== null) return [reference(text.trim(), 'environment', whole[1] ?? '')];
  return [
    ...text.matchAll(/\$\{\{([^{}]{0,300})\}\}|\$\{([^{}]{0,300})\}|\{(env|file):([^{}]{0,300})\}/g),
  ].map(([found, secret, braced, kind, name = '']) => {
    if (secret !== undefined) {
      const named = /^(?:secrets\.|inputs\.)?(.*)$/.exec(secret.trim())?.[1] ?? '';
      return reference(found, 'environment', named);
    }
    if (braced === undefined) return reference(found, kind === 'env' ? 'environment' : 'other', name);
    const input = /^input:(.+)$/.exec(braced)?.[1];
    if (input !== undefined) return reference(found, 'input', input);
    const [, own = '', fallback] = /^(?:env:)?([^:]*)(?::-(.*))?$/.exec(braced) ?? [];
    return reference(found, PLACES.has(own) ? 'other' : 'environment', own, fallback);
  });
}

function reference(text: string, kind: Reference['kind'], name: string, fallback?: string): Reference {
  return { text, kind: kind === 'environment' && !VARIABLE.test(name) ? 'other' : kind, name, fallback };
}

/** The inputs that a file of VS Code declares, by their ids. Those that run a command of the host's are not among them. */
export function inputsOf(document: Value): ReadonlyMap<string, HostInput> {
  const list = isTable(document) && Array.isArray(document.inputs) ? document.inputs : [];
  return new Map(
    list.flatMap((one) => {
      if (!isTable(one) || typeof one.id !== 'string' || one.type === 'command') return [];
      const { id, description, options } = one;
      const choices = Array.isArray(options) ? options.map(optionText) : undefined;
      const input: HostInput = {
        id,
        description: typeof description === 'string' ? description : '',
        isPassword: one.password === true,
        options: one.type === 'pickString' && choices?.length ? choices : undefined,
        initial: typeof one.default === 'string' ? one.default : undefined,
      };
      return [[id, input] as const];
    }),
  );
}

/** An option is a text, or has a label and a value. */
function optionText(option: Value): string {
  const value = isTable(option) ? option.value : option;
  return typeof value === 'string' ? value : String(value);
}

// Reads a command line: which files an interpreter is given, and which command `env` or a shell starts in turn. Looks at no
// file. What it does not understand it does not guess: a shell's command that is more than one plain command is `unread`.
import { basename } from 'node:path';

/** What a command line says. Paths are as written. */
export interface Invocation {
  /** The script, and files that options name: those of variables, of modules to load first, of settings. */
  readonly files: readonly string[];
  /** The command that it starts in turn, and the folder that it changes to before. */
  readonly inner: { readonly words: readonly string[]; readonly folder: string | undefined } | undefined;
  /** A shell's command that is not read. */
  readonly unread: string | undefined;
}

/** How an interpreter reads its options. */
interface Interpreter {
  readonly name: RegExp;
  /** Options whose value is the next word. */
  readonly withValue: readonly string[];
  /** Options that name a file: as the next word, or after "=". */
  readonly withFile?: readonly string[];
  /** Options that name files, with ":" between. */
  readonly withFiles?: readonly string[];
  /** Options after which there is no script. */
  readonly withoutScript?: readonly string[];
  /** Words before the script. */
  readonly verbs?: readonly string[];
}

const NODE_FILES = [
  ...[
    '-r',
    '--require',
    '--import',
    '--loader',
    '--experimental-loader',
    '--env-file',
    '--env-file-if-exists',
  ],
  ...['--openssl-config', '--experimental-config-file', '--tsconfig'],
];
const NODE_VALUES = [
  ...['-C', '--conditions', '--inspect-port', '--title', '--input-type', '--disable-warning', '--watch-path'],
  ...['--unhandled-rejections', '--dns-result-order', '--icu-data-dir'],
];

const INTERPRETERS: readonly Interpreter[] = [
  {
    name: /^(node|nodejs|tsx|bun|deno|ts-node)$/,
    withValue: NODE_VALUES,
    withFile: [...NODE_FILES, '-c', '--config', '--import-map', '--preload'],
    withoutScript: ['-e', '--eval', '-p', '--print'],
    verbs: ['run', 'serve', 'watch'],
  },
  {
    name: /^(python|pypy)[\d.]*$/,
    withValue: ['-W', '-X', '--check-hash-based-pycs'],
    withoutScript: ['-c', '-m'],
  },
  { name: /^(ruby|perl)[\d.]*$/, withValue: ['-I', '-r', '-M'], withoutScript: ['-e', '-E'] },
  { name: /^php[\d.]*$/, withValue: ['-d'], withFile: ['-c', '-f'], withoutScript: ['-r'] },
  { name: /^(sh|bash|dash|zsh|ksh)$/, withValue: ['-o', '+o', '--rcfile', '--init-file'] },
  { name: /^java$/, withValue: [], withFile: ['-jar'], withFiles: ['-cp', '-classpath', '--class-path'] },
];

const SHELL = /^(sh|bash|dash|zsh|ksh)$/;
const NOTHING: Invocation = { files: [], inner: undefined, unread: undefined };

/** Reads the arguments of a program. */
export function readInvocation(file: string, args: readonly string[]): Invocation {
  const name = basename(file);
  if (name === 'env') return { ...NOTHING, inner: readEnv(args) };
  if (SHELL.test(name)) {
    const at = args.findIndex((arg) => /^-[a-z]*c$/.test(arg));
    const before = at === -1 ? [] : args.slice(0, at);
    if (at !== -1 && before.every((arg) => arg.startsWith('-'))) {
      const text = args[at + 1] ?? '';
      const inner = readShellCommand(text);
      return inner === undefined ? { ...NOTHING, unread: text } : { ...NOTHING, inner };
    }
  }
  const interpreter = INTERPRETERS.find((one) => one.name.test(name));
  return interpreter === undefined ? NOTHING : { ...NOTHING, files: filesOf(interpreter, args) };
}

function filesOf(interpreter: Interpreter, args: readonly string[]): string[] {
  const { withValue, withFile = [], withFiles = [], withoutScript = [], verbs = [] } = interpreter;
  const files: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    const [option = '', value] = splitOption(arg);
    if (withFile.includes(option) || withFiles.includes(option)) {
      const given = value ?? args[++at] ?? '';
      files.push(...(withFiles.includes(option) ? given.split(':') : [given]));
      // The program of `java -jar` is its script.
      if (option === '-jar' || option === '-f') return files;
    } else if (withoutScript.includes(option)) return files;
    else if (withValue.includes(arg)) at++;
    else if (arg === '--') return [...files, ...args.slice(at + 1, at + 2)];
    else if (!arg.startsWith('-') && !verbs.includes(arg)) return [...files, arg];
  }
  return files;
}

function splitOption(arg: string): [string, string | undefined] {
  const equals = arg.startsWith('-') ? arg.indexOf('=') : -1;
  return equals === -1 ? [arg, undefined] : [arg.slice(0, equals), arg.slice(equals + 1)];
}

const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*=/;

function readEnv(args: readonly string[]): Invocation['inner'] {
  let folder: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    const [option, value] = splitOption(arg);
    if (option === '-C' || option === '--chdir') folder = value ?? args[++at];
    else if (arg === '-u' || arg === '--unset') at++;
    else if (arg === '-S' || option === '--split-string') {
      const words = splitWords(value ?? args[++at] ?? '');
      const inner = words && readEnv([...words, ...args.slice(at + 1)]);
      return inner && { ...inner, folder: inner.folder ?? folder };
    } else if (!arg.startsWith('-') && !ASSIGNMENT.test(arg)) return { words: args.slice(at), folder };
  }
  return undefined;
}

/** A shell's command if it is one plain command: `cd FOLDER && A=1 exec PROGRAM argument`. */
function readShellCommand(text: string): Invocation['inner'] {
  const [, quoted, rest = text] =
    /^\s*cd\s+("[^"$`\\]*"|'[^']*'|[^\s"'$`&;|]+)\s*&&\s*(.*)$/s.exec(text) ?? [];
  const words = splitWords(rest);
  if (words === undefined) return undefined;
  const first = words.findIndex((word) => !ASSIGNMENT.test(word) && word !== 'exec');
  if (first === -1) return undefined;
  return { words: words.slice(first), folder: quoted?.replace(/^(["'])(.*)\1$/s, '$2') };
}

/** Words of a shell's command; undefined if it contains more than words and quotes. */
function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  const parts = /\s*((?:[^\s"'\\$`;&|<>()*?[\]{}~#!]|"[^"\\$`]*"|'[^']*'|\\.)+|$)/suy;
  while (parts.lastIndex < text.length) {
    const found = parts.exec(text);
    if (found === null) return undefined;
    const word = (found[1] ?? '').replace(/"([^"]*)"|'([^']*)'|\\(.)/gs, (_, a, b, c) => a ?? b ?? c ?? '');
    // A word that is not quoted away to nothing.
    if (found[1] !== '') words.push(word);
    else break;
  }
  return words;
}

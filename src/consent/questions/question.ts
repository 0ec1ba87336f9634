// A question to a person: one call of one host, as it is, and what follows from a yes. Whoever shows it (a terminal, a
// dialog of the host, the desktop) shows these lines. What a server or a model has written is escaped, so that it cannot
// look like a line of Warder's, and nothing is left out.
import { columnsOf, escapeUnprintable, wrapLine } from '../../audit/printable.ts';
import { parseExactly } from '../../wire/exact-json.ts';
import type { HostIdentity } from '../host-identity.ts';
import type { GrantKind } from '../store/grants.ts';

/** What the server of a session may do, in words. */
export interface Reach {
  /** `host:port`, or `any` without a sandbox. */
  readonly network: readonly string[];
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly sandbox: 'on' | 'off' | 'remote';
  /** The names of its credentials; of a remote server, of the one that its requests carry. */
  readonly credentials: readonly string[];
}

export interface Question {
  /** Unique while the daemon runs; short, since people type it. */
  readonly id: string;
  readonly session: string;
  /** The number of the request in the log; empty where a credential is used outside of any. */
  readonly call: string;
  readonly profile: string;
  readonly host: HostIdentity;
  readonly kind: GrantKind;
  readonly method: string;
  /** The tool, resource, prompt or method; of kind `credential` the credential. */
  readonly name: string;
  /** The rule that says ask. */
  readonly rule: string;
  /** The redacted JSON text of the arguments; empty if there are none. */
  readonly arguments: string;
  readonly reach: Reach;
  /** What the server says of the tool: a claim. */
  readonly claims: readonly string[];
  /** What a first use is of, in lines whose characters all show; of kind `profile`. */
  readonly details?: readonly string[];
  /** How many calls the answer is for. */
  readonly calls: number;
  /** When it was asked, and when it is answered with no, in milliseconds since the epoch. */
  readonly since: number;
  readonly until: number;
}

/** Widest line and most lines of a host's dialog that shows all of what it is given. */
const DIALOG_LINES = 3;
const DIALOG_COLUMNS = 100;
/**
 * Lines of a sign-in: there is no other way to agree to one where the host is the only way to ask. What needs attention is
 * said first.
 */
const SIGN_IN_LINES = 10;

/** What acts, most dangerous first: a name that matches an earlier pattern is shown before one that matches a later. */
const DANGEROUS: readonly RegExp[] = [
  /command|cmd|exec|script|shell|code|eval|program|args|argv/i,
  /sql|query|statement|expression/i,
  /force|delete|remove|drop|overwrite|recursive|purge/i,
  /password|secret|token|key|credential|auth/i,
  /url|uri|host|endpoint|webhook|address|domain/i,
  /^to$|^cc$|^bcc$|recipient|email|channel|user|owner|org|team|member/i,
  /path|file|dir|folder|target|destination|source/i,
  /amount|price|limit|count|permission|role|visibility|public|private/i,
];

/** Values that act whatever the name is: command lines, paths that lead out, addresses. */
const DANGEROUS_VALUE = /[;&|`$<>]|\.\.[/\\]|^\s*(?:\/|~|[a-z]+:\/\/)|\\u[0-9a-f]{4}/i;

/** The arguments, one member a line, the most dangerous first; `text` is redacted JSON. Every character shows. */
export function argumentLines(text: string): string[] {
  if (text === '') return [];
  const value = parsed(text);
  if (value === undefined) return [escapeUnprintable(text)];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [escapeUnprintable(text)];
  const members = Object.entries(value).map(([name, member]) => {
    const shown = escapeUnprintable(JSON.stringify(member));
    return { line: `${showName(name)}: ${shown}`, danger: dangerOf(name, shown) };
  });
  return members.sort((a, b) => a.danger - b.danger).map(({ line }) => line);
}

/** Undefined: the text is no JSON. */
function parsed(text: string): unknown {
  try {
    return parseExactly(text);
  } catch {
    return undefined;
  }
}

/** The lines that describe a question, in full. */
export function questionLines(question: Question): string[] {
  const { host, profile, reach, rule, claims, calls, kind, details = [] } = question;
  const who = showName(host.name);
  const lines = [
    kind === 'server'
      ? `the server "${profile}" asks ${who} for ${showText(question.name)}`
      : `${who} asks: ${actOf(question)}`,
  ];
  lines.push(...details.map((line) => `  ${line}`));
  lines.push(...argumentLines(question.arguments).map((line) => `  ${line}`));
  if (calls > 1) lines.push(`  ${calls} calls of this kind wait`);
  lines.push(isOfPolicy(kind) ? `profile ${profile}, since ${rule} says ask` : `profile ${profile}`);
  lines.push(`host program ${showName(host.key)}`);
  // Where a sign-in goes is in its details.
  if (kind !== 'sign-in') lines.push(...reachLines(reach));
  lines.push(...claims.map((claim) => `the server says of it: ${escapeUnprintable(claim)}`));
  return lines;
}

/** What a dialog of the host begins with, if that fits on a line; else undefined. */
export function dialogTitle(question: Question): string | undefined {
  const { kind, name, profile, calls } = question;
  const of = kind === 'profile' ? '' : ` of "${profile}"`;
  const act =
    kind === 'server' ? `let the server "${profile}" ask for ${showText(name)}` : actOf(question) + of;
  const title = `Warder asks: ${act}${kind !== 'profile' && calls > 1 ? `, ${calls} times` : ''}?`;
  return columnsOf(title) <= DIALOG_COLUMNS ? title : undefined;
}

/** The question in a dialog of the host, if all of it fits there; else undefined. */
export function dialogText(question: Question): string | undefined {
  const { reach, details = [] } = question;
  const what = dialogTitle(question);
  if (what === undefined) return undefined;
  if (question.kind === 'sign-in') {
    const all = [what, ...details.flatMap((line) => wrapLine(line, DIALOG_COLUMNS))];
    return all.length <= SIGN_IN_LINES ? all.join('\n') : undefined;
  }
  const args = argumentLines(question.arguments).join(', ');
  const may = `It ${shortReach(reach)}.`;
  const lines = [what, ...details, ...(args === '' ? [] : [args]), may];
  return lines.length <= DIALOG_LINES && lines.every((line) => columnsOf(line) <= DIALOG_COLUMNS)
    ? lines.join('\n')
    : undefined;
}

/** What is done, on one line: `call the tool "create_issue"`. */
export function actOf({ kind, name, method }: Pick<Question, 'kind' | 'name' | 'method'>): string {
  const shown = showText(name);
  switch (kind) {
    case 'tools':
      return `call the tool ${shown}`;
    case 'resources':
      return `${method === 'resources/read' ? 'read' : 'use'} the resource ${shown}`;
    case 'prompts':
      return `use the prompt ${shown}`;
    case 'credential':
      return `use the credential ${shown.replace(/ at ([^" ]+)"$/, '" at $1')}`;
    case 'profile':
      return `use the server ${shown} for the first time`;
    case 'sign-in':
      return `sign in to ${shown}`;
    case 'server':
      return `let the server ask for ${shown}`;
    case 'methods':
      return `send ${shown}`;
  }
}

/** Whether a policy has the question asked; a first use and a sign-in are asked about whatever it says. */
export function isOfPolicy(kind: GrantKind): boolean {
  return kind !== 'profile' && kind !== 'sign-in';
}

/** What `reachLines` says, on one line. */
function shortReach({ sandbox, network, read, write, credentials }: Reach): string {
  const list = (items: readonly string[]): string => items.map((item) => escapeUnprintable(item)).join(', ');
  const use = `use ${list(credentials) || 'no credential'}`;
  if (sandbox === 'remote')
    return `runs on another machine; its requests carry ${list(credentials) || 'no credential'}`;
  if (sandbox === 'off') return `runs without a sandbox, may do all that you may, and ${use}`;
  const files = [
    ...(read.length > 0 ? [`read ${list(read)}`] : []),
    ...(write.length > 0 ? [`change ${list(write)}`] : []),
  ];
  return `may ${[`reach ${list(network) || 'no network'}`, ...files, use].join('; ')}`;
}

function reachLines({ sandbox, network, read, write, credentials }: Reach): string[] {
  const list = (items: readonly string[], none: string): string =>
    items.length === 0 ? none : items.map((item) => escapeUnprintable(item)).join(', ');
  const lines =
    sandbox === 'on'
      ? [`it may reach ${list(network, 'no network')}`, `it may read ${list(read, 'no files of yours')}`]
      : [
          sandbox === 'off'
            ? 'it runs without a sandbox, and may do all that you may'
            : 'it runs on another machine',
        ];
  if (write.length > 0) lines.push(`it may change ${list(write, '')}`);
  lines.push(
    sandbox === 'remote'
      ? `its requests carry ${list(credentials, 'no credential')}`
      : `it may use ${credentials.length === 0 ? 'no credential' : `the credentials ${list(credentials, '')}`}`,
  );
  return lines;
}

function showText(text: string): string {
  return escapeUnprintable(JSON.stringify(text));
}

/** A name as part of a line: quoted where it is no plain word. */
function showName(name: string): string {
  return /^[\w./@:+-]+$/.test(name) ? name : escapeUnprintable(JSON.stringify(name));
}

function dangerOf(name: string, shown: string): number {
  const byName = DANGEROUS.findIndex((pattern) => pattern.test(name));
  if (byName !== -1) return byName;
  return DANGEROUS_VALUE.test(shown.replace(/^"/, '')) ? DANGEROUS.length : DANGEROUS.length + 1;
}

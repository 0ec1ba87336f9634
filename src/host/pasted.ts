// A server's entry as READMEs print it for hosts: pasted, or saved in a file. Pure: what a host would fill in is found, and
// never filled in.
import { readDocument } from './document.ts';
import { isReference, isSecretName } from './secrets.ts';
import { type HostServer, serversOf } from './servers.ts';
import type { Shape } from './table.ts';
import { isTable, type Table, TextProblem, type Value } from './text/edit.ts';

/** A server of a pasted text. What the person has to give is taken out of `server`. */
export interface PastedServer {
  /** Empty for an entry without a name. */
  readonly server: HostServer;
  /** Variables and headers whose values are secrets, and are not there: empty, or filled in by the host. */
  readonly secrets: readonly string[];
  /** Variables and headers that need another value, with what stands there. */
  readonly missing: readonly { readonly name: string; readonly text: string }[];
}

const SHAPE: Shape = {
  command: 'command',
  args: 'args',
  env: 'env',
  url: ['url', 'serverUrl', 'httpUrl'],
  headers: 'headers',
  added: {},
  off: ['disabled', true],
};
/** Where hosts have their servers. */
const PLACES = [['mcpServers'], ['servers'], ['context_servers'], ['mcp', 'servers']] as const;

/** Reads a text as JSON; one that begins with a key is the inside of an object. Throws `TextProblem`, also for a key that is there twice. */
export function readPasted(text: string): Value {
  const bare = text.trim();
  const { value, twice } = readDocument(bare.startsWith('"') ? `{${bare.replace(/,$/, '')}}` : bare, 'json');
  if (value === undefined) throw new TextProblem('is empty');
  const [first] = twice;
  if (first !== undefined) throw new TextProblem(`has ${JSON.stringify(first.join('.'))} twice`);
  return value;
}

/** The servers of a pasted text, in its order: none if it is of another kind. */
export function pastedServers(value: Value): PastedServer[] {
  if (!isTable(value)) return [];
  const passwords = passwordInputs(value.inputs);
  return find(value).map((server) => takeOut(server, passwords));
}

function find(value: Table): HostServer[] {
  const read = (document: Table, servers: readonly (readonly string[])[]): HostServer[] =>
    serversOf({ format: 'json', text: '', value: document, twice: [] }, { servers, shape: SHAPE }).filter(
      ({ kind }) => kind !== 'other',
    );
  const entry = read({ mcpServers: { '': value } }, [['mcpServers']]);
  if (entry.length > 0) return entry;
  const placed = read(value, PLACES);
  return placed.length > 0 ? placed : read({ mcpServers: value }, [['mcpServers']]);
}

/** The ids of VS Code's inputs that are typed without echo. */
function passwordInputs(inputs: Value): ReadonlySet<string> {
  const list: readonly Value[] = Array.isArray(inputs) ? inputs : [];
  return new Set(
    list.flatMap((one) =>
      isTable(one) && one.password === true && typeof one.id === 'string' ? [one.id] : [],
    ),
  );
}

function takeOut(server: HostServer, passwords: ReadonlySet<string>): PastedServer {
  const secrets: string[] = [];
  const missing: { name: string; text: string }[] = [];
  const keep = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(values).filter(([name, text]) => {
        const ids = [...text.matchAll(/\$\{(?:input|env):([^}]*)\}/g)].map(([, id = '']) => id);
        const isSecret =
          isSecretName(name) || ids.some((id) => passwords.has(id) || isSecretName(id.split(':')[0] ?? id));
        // A text of several parts is no secret whole.
        if (standIns(text) !== undefined) return true;
        const isFilledIn = isReference(text) || /\$\{[^}]*\}/.test(text);
        if (isSecret && (isFilledIn || text.trim() === '' || isPlaceholder(text))) secrets.push(name);
        else if (isFilledIn || isPlaceholder(text)) missing.push({ name, text });
        else return true;
        return false;
      }),
    );
  const env = Object.fromEntries(
    Object.entries(keep(server.env)).map(([name, text]) => [name, standIns(text) ?? text]),
  );
  const headers = keep(server.headers);
  return { server: { ...server, env, headers }, secrets, missing };
}

/**
 * JSON with secrets in it, `{"Authorization": "Bearer <token>"}`: each gets a plain word in its place, whatever stands there, so
 * that it is found again and taken out. Undefined for another text, and for one with parts that are open and no secrets.
 */
function standIns(text: string): string | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  let count = 0;
  let isOpen = false;
  try {
    const value = JSON.parse(text, (name, part: unknown) => {
      if (typeof part !== 'string' || part === '') return part;
      if (isSecretName(name)) {
        count += 1;
        return `${/^(?:Bearer|Token) +/i.exec(part)?.[0] ?? ''}stand-in-${count}`;
      }
      isOpen ||= /\$\{[^}]*\}/.test(part) || isPlaceholder(part);
      return part;
    });
    return count > 0 && !isOpen ? JSON.stringify(value) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a text stands for one that the reader has: `<your-team>`, `YOUR_TOKEN`, `xxx`. */
function isPlaceholder(text: string): boolean {
  return (
    /^(?:Bearer )?(?:<.*>|\[.*\]|x{3,}|\.{3}|…)$/i.test(text.trim()) ||
    /(?:^|[^a-z])your[-_ ]/i.test(text) ||
    /^your[A-Z]/.test(text)
  );
}

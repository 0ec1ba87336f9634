// What people are shown of a tool before they decide on it. All of it is the server's word: the name may mislead, the
// description may lie, annotations are claims. It colours the list that people choose from, and never allows anything.
import type { ListedTool } from '../test/trial-client.ts';

/** Words that begin the names of tools that look. */
const LOOKING = new Set([
  ...['check', 'count', 'describe', 'diff', 'download', 'explain', 'fetch', 'find', 'get', 'inspect', 'list'],
  ...[
    'lookup',
    'peek',
    'preview',
    'read',
    'resolve',
    'search',
    'show',
    'stat',
    'status',
    'summarize',
    'tail',
  ],
  ...['validate', 'view', 'whoami'],
]);

/** Words that begin the names of tools that change or run something. */
const CHANGING = new Set([
  ...['add', 'append', 'apply', 'approve', 'archive', 'assign', 'call', 'cancel', 'clear', 'click', 'close'],
  ...['commit', 'connect', 'copy', 'create', 'delete', 'deploy', 'disable', 'drop', 'edit', 'enable', 'eval'],
  ...[
    'evaluate',
    'exec',
    'execute',
    'fork',
    'grant',
    'import',
    'insert',
    'install',
    'invite',
    'kill',
    'merge',
  ],
  ...['modify', 'move', 'patch', 'post', 'press', 'publish', 'push', 'put', 'query', 'remove', 'rename'],
  ...[
    'reopen',
    'replace',
    'reset',
    'restart',
    'restore',
    'revoke',
    'rollback',
    'run',
    'save',
    'scale',
    'send',
  ],
  ...['set', 'share', 'start', 'stop', 'submit', 'toggle', 'transfer', 'trigger', 'type', 'undo', 'unlock'],
  ...['update', 'upload', 'upsert', 'write'],
]);

/** Characters of what is shown of a description. */
export const MAX_ABOUT = 52;

/** Whether a tool looks as if it only looked, by its name and what its server claims. */
export function looksReadOnly({ name, annotations }: Pick<ListedTool, 'name' | 'annotations'>): boolean {
  const { readOnlyHint, destructiveHint } = annotations;
  const verbs = verbsOf(name);
  if (verbs.some((verb) => CHANGING.has(verb)) || destructiveHint === true || readOnlyHint === false)
    return false;
  return readOnlyHint === true || verbs.length > 0;
}

/** What a tool is said to be, on one line of `most` characters: its title, and the first line of its description. */
export function aboutTool({ name, title, description }: ListedTool, most = MAX_ABOUT): string {
  const about = [title, firstLine(description)].filter(
    (text) => text !== undefined && text !== '' && text !== name,
  );
  const line = about.join(': ');
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** What its server claims of a tool, in words; undefined if it claims nothing. */
export function claimsOf({ annotations }: Pick<ListedTool, 'annotations'>): string | undefined {
  const { readOnlyHint, destructiveHint, openWorldHint } = annotations;
  const claims = [
    readOnlyHint === true && 'changes nothing',
    readOnlyHint === false && destructiveHint !== true && 'changes things',
    destructiveHint === true && 'may destroy',
    openWorldHint === true && 'reaches others',
  ].filter((claim) => claim !== false);
  return claims.length === 0 ? undefined : `claims: ${claims.join(', ')}`;
}

/** The verb of a name, and what follows `and`, `or` or `then`: `list` of `githubListCommits`, both of `get_or_create`. */
function verbsOf(name: string): string[] {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .split(/[^A-Za-z\d]+/)
    .map((word) => word.toLowerCase());
  const verbs: string[] = [];
  let isNext = true;
  for (const word of words) {
    if (word === 'and' || word === 'or' || word === 'then') isNext = true;
    else if (isNext && (LOOKING.has(word) || CHANGING.has(word))) {
      verbs.push(word);
      isNext = false;
    }
  }
  return verbs;
}

function firstLine(text: string | undefined): string | undefined {
  return text?.trim().split(/\r?\n/, 1)[0]?.trim();
}

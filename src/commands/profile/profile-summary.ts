// A profile's parts on one line each, for tables and findings.
import type { Profile, ProfilePolicy, ProfileServer } from '../../profile/format.ts';
import { formatDuration } from '../../profile/units.ts';

/** The state of the sandbox: `on` by default, `remote` for a server of which nothing runs here. */
export function sandboxState({ server, sandbox }: Profile): 'off' | 'on' | 'remote' {
  if (server.kind === 'url') return 'remote';
  return sandbox?.off === true ? 'off' : 'on';
}

/** A server on one line. */
export function serverLine(server: ProfileServer): string {
  if (server.kind === 'url') return server.url;
  const words = [server.kind === 'package' ? server.package : server.command, ...server.args];
  return commandLine(words);
}

/** When a server on this machine starts, and when it ends. */
export function startLine(server: Exclude<ProfileServer, { kind: 'url' }>): string {
  if (server.start === 'eager') return 'with its session';
  const ready = server.start === 'warm' ? '; a process is kept ready' : '';
  const ends =
    server.idle === undefined ? '' : `; ends when it is not used for ${formatDuration(server.idle)}`;
  return `at the first request that needs it, once its tools are accepted${ready}${ends}`;
}

/** Words on one line, quoted where necessary. */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => (/^[^\s"'\\]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
}

/** A policy on one line: `ask, 3 allowed, 1 denied`. */
export function policyLine({
  default: otherwise,
  tools,
  resources,
  prompts,
  methods,
}: ProfilePolicy): string {
  const rules = [tools, resources, prompts, methods].flatMap((part) => Object.values(part));
  const counts = [
    ['allowed', rules.filter((rule) => rule === 'allow').length],
    ['asked', rules.filter((rule) => rule === 'ask').length],
    ['denied', rules.filter((rule) => rule === 'deny').length],
    ['by arguments', rules.filter((rule) => typeof rule === 'object').length],
  ] as const;
  return [
    otherwise,
    ...counts.filter(([, count]) => count > 0).map(([word, count]) => `${count} ${word}`),
  ].join(', ');
}

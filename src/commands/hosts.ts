// warder hosts: which hosts are on this machine, which of their servers go through Warder, and what is wrong.
import { existsSync, statSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { escapeUnprintable } from '../audit/printable.ts';
import { WarderError } from '../errors.ts';
import { openHostFile } from '../host/change.ts';
import { type FoundFile, findFiles } from '../host/find.ts';
import { secretsOf } from '../host/secrets.ts';
import { type HostServer, serversOf } from '../host/servers.ts';
import { profileStamp } from '../profile/load.ts';
import type { Result } from '../wire/control.ts';
import type { Context } from './command.ts';
import { launchedProfile, surroundingsOf } from './hosts/surroundings.ts';
import { pluralize } from './terminal/plural.ts';

/** A server of a host, as it is shown. */
interface ShownServer {
  readonly name: string;
  /** Where it is in its file: that of a project of Claude Code, for instance. */
  readonly path: readonly (string | number)[];
  readonly kind: HostServer['kind'];
  readonly enabled: boolean;
  /** The profile that it goes through. */
  readonly profile: string | undefined;
  /** The names of secrets that stand in clear. */
  readonly secrets: readonly string[];
  readonly problem: string | undefined;
}

interface ShownFile {
  readonly host: string;
  readonly title: string;
  readonly path: string;
  readonly scope: 'user' | 'project';
  readonly servers: readonly ShownServer[];
  /** Why the file cannot be read, or what is wrong with it. */
  readonly problem: string | undefined;
  /** Servers that Warder wrote, and that are gone. */
  readonly dropped: readonly string[];
}

export function hostsCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'hosts',
    describe: 'show the hosts on this machine and their servers',
    builder: (yargs) => yargs.example('warder hosts', 'secrets are shown by name only'),
    handler: () => showHosts(context),
  };
}

async function showHosts(context: Context): Promise<void> {
  const { terminal, json } = context;
  const edits = await keptEdits(context);
  const files = findFiles(surroundingsOf(process.env), { projects: true }).map((found) =>
    look(context, found, edits),
  );
  if (json) {
    terminal.json(files);
    return;
  }
  if (files.length === 0) terminal.out('no host that Warder knows has a file here');
  for (const file of files) showFile(context, file);
  const open = files.flatMap(({ servers }) => servers).filter(({ secrets }) => secrets.length > 0);
  if (open.length > 0) {
    terminal.out(
      `\n${pluralize(open.length, 'server')} ${open.length === 1 ? 'has' : 'have'} secrets in clear`,
    );
  }
}

function showFile({ terminal }: Context, { title, path, scope, servers, problem, dropped }: ShownFile): void {
  terminal.out(
    `${terminal.paint('bold', title)}  ${escapeUnprintable(path)}${scope === 'project' ? ' (project)' : ''}`,
  );
  if (problem !== undefined)
    terminal.out(`  ${terminal.paint('yellow', 'problem')}  ${escapeUnprintable(problem)}`);
  for (const { name, path: at, profile, secrets, kind, enabled, problem: wrong } of servers) {
    const how =
      profile !== undefined
        ? `${terminal.paint('green', 'Warder')}: ${profile}`
        : kind === 'other'
          ? 'part of the host'
          : `not through Warder${kind === 'remote' ? ', remote' : ''}`;
    const notes = [
      ...(at[0] === 'projects' ? [`in ${String(at[1])}`] : []),
      ...(enabled ? [] : ['switched off']),
      ...(secrets.length > 0 ? [`in clear: ${secrets.join(', ')}`] : []),
      ...(wrong === undefined ? [] : [wrong]),
    ];
    terminal.out(`  ${escapeUnprintable([name, how, ...notes].join('; '))}`);
  }
  for (const name of dropped)
    terminal.out(
      `  ${escapeUnprintable(name)}; written by Warder, and gone: the host, or somebody, took it out`,
    );
  if (servers.length === 0 && problem === undefined) terminal.out('  no servers');
}

/** What is to be said of a file. Never throws for what is wrong with it. */
function look(context: Context, found: FoundFile, edits: Result<'host.edits'>['edits']): ShownFile {
  const { id, host, path, file } = found;
  const shown = { host: id, title: host.title, path, scope: file.scope };
  try {
    const { text, document } = openHostFile(found);
    const servers = serversOf(document, file).map((server) => describe(context, server));
    const names = new Set(servers.map(({ name }) => name));
    const latest = new Map<string, string>();
    for (const edit of edits.toReversed())
      if (edit.file === text.file) for (const name of edit.servers) latest.set(name, edit.what);
    const dropped = [...latest].flatMap(([name, what]) =>
      what !== 'disconnect' && !names.has(name) ? [name] : [],
    );
    return { ...shown, servers, dropped, problem: readableProblem(text.file, servers) };
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    return { ...shown, servers: [], dropped: [], problem: error.message };
  }
}

function describe(context: Context, server: HostServer): ShownServer {
  const { places } = context;
  const { name, path, kind, enabled, command } = server;
  const profile = launchedProfile(server, places);
  return {
    name,
    path,
    kind,
    enabled,
    profile,
    secrets: profile === undefined ? secretsOf(server).map((secret) => secret.name) : [],
    problem:
      profile !== undefined && profileStamp(places, profile) === undefined
        ? `there is no profile "${profile}"`
        : command.startsWith('/') && !existsSync(command)
          ? 'what it starts is not there'
          : undefined,
  };
}

/** Others can read a file in which secrets stand. */
function readableProblem(file: string, servers: readonly ShownServer[]): string | undefined {
  if (!servers.some(({ secrets }) => secrets.length > 0)) return undefined;
  return (statSync(file).mode & 0o044) === 0
    ? undefined
    : `others can read it, and it has secrets in clear: run "chmod go= ${file}"`;
}

/** What Warder has written; nothing where no daemon or no store can tell. */
async function keptEdits(context: Context): Promise<Result<'host.edits'>['edits']> {
  try {
    await using control = await context.control();
    return (await control.request('host.edits', {})).edits;
  } catch (error) {
    if (error instanceof WarderError) return [];
    throw error;
  }
}

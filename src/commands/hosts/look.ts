// Looks at the hosts of this machine: their servers, which of them go through Warder, and what is wrong.
import { existsSync, statSync } from 'node:fs';
import { WarderError } from '../../errors.ts';
import { openHostFile } from '../../host/change.ts';
import { type FoundFile, findFiles } from '../../host/find.ts';
import { secretsOf } from '../../host/secrets.ts';
import { type HostServer, serversOf } from '../../host/servers.ts';
import { profileStamp } from '../../profile/load.ts';
import type { Result } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { launchedProfile, surroundingsOf } from './surroundings.ts';

/** A server of a host, as it is shown. */
export interface ShownServer {
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

export interface ShownFile {
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

/** The files of all hosts, those of the project in this folder too. */
export async function lookAtHosts(context: Context): Promise<ShownFile[]> {
  const edits = await keptEdits(context);
  return findFiles(surroundingsOf(process.env), { projects: true }).map((found) =>
    look(context, found, edits),
  );
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

// Imports servers: makes their profiles, one after the other, and rewrites each file of a host once, with all of its servers
// that were moved. What is not finished when the person ends it is taken back.
import { isDeepStrictEqual } from 'node:util';
import { escapeUnprintable } from '../../audit/printable.ts';
import { WarderError } from '../../errors.ts';
import { changeHostFile, newGroup, openHostFile } from '../../host/change.ts';
import type { FoundFile } from '../../host/find.ts';
import type { Planned } from '../../host/planned.ts';
import { type HostServer, moveServer, serversOf } from '../../host/servers.ts';
import { isUnreached } from '../../package/registry.ts';
import type { Context } from '../command.ts';
import { copiesInClear } from '../hosts/copies.ts';
import { surroundingsOf } from '../hosts/surroundings.ts';
import { hostEntry } from '../profile/host-entry.ts';
import { type Candidate, type Imported, originOf } from './candidate.ts';
import { createProfile, type Progress } from './create-profile.ts';
import { createRemote } from './create-remote.ts';
import type { Making, Versions } from './making.ts';
import { serverName } from './show.ts';
import { begin, whatIsStored } from './unfinished.ts';

interface Made {
  readonly profile: string;
  readonly needsSignIn: boolean;
  /** Of the credentials that were stored for it. */
  readonly versions: Versions;
}

interface Moved extends Made {
  readonly candidate: Candidate<Planned>;
}

/**
 * Imports. `report` is told of each file that is done, and of each server that stays. A file that cannot be rewritten stays as it
 * is, and nothing of its servers is left; the others are done all the same. Returns whether all files could be rewritten. Throws
 * `refused` when it was interrupted; then the file that was under way is as it was.
 */
export async function applyImport(
  context: Context,
  chosen: readonly Candidate<Planned>[],
  report: (results: readonly Imported[]) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const group = newGroup();
  const stored = await whatIsStored(context);
  const used = new Set<string>();
  const made = new Map<string, Made>();
  const failed = new Map<string, WarderError>();
  /** Registries that do not answer, by what starts their packages. */
  const unreached = new Map<string, WarderError>();
  let number = 0;
  let isWhole = true;
  for (const candidates of Map.groupBy(chosen, ({ found }) => found.path).values()) {
    const moved: Moved[] = [];
    const fresh = new Map<string, Making>();
    const [first] = candidates;
    if (first === undefined) continue;
    try {
      for (const candidate of candidates) {
        const { name: _name, ...alike } = candidate.plan;
        const key = JSON.stringify([alike, originOf(candidate)]);
        const place = `(${++number} of ${chosen.length})`;
        try {
          const before = failed.get(key);
          if (before !== undefined) throw before;
          let one = made.get(key);
          if (one === undefined) {
            const making = begin(context, candidate.plan, candidate.found, stored, used);
            used.add(making.name);
            fresh.set(key, making);
            const { start } = candidate.plan.kind === 'profile' ? candidate.plan : { start: 'url' };
            const silent = making.isThere ? undefined : unreached.get(start);
            if (silent !== undefined) throw notTried(silent);
            one = await make(context, candidate, making, place, signal);
            made.set(key, one);
          }
          moved.push({ candidate, ...one });
        } catch (error) {
          if (!(error instanceof WarderError) || signal.aborted) throw error;
          await takeBack(context, fresh.get(key));
          fresh.delete(key);
          failed.set(key, error);
          if (candidate.plan.kind === 'profile' && isUnreached(error) && !unreached.has(candidate.plan.start))
            unreached.set(candidate.plan.start, error);
          report([reportLeft(context, candidate, error.message, error.hint)]);
        }
      }
      if (moved.length === 0) continue;
      await rewrite(context, first.found, moved, group);
    } catch (error) {
      // Nothing of this file is moved, so nothing of it shall be left.
      for (const [key, making] of fresh) {
        await takeBack(context, making);
        made.delete(key);
      }
      if (!(error instanceof WarderError) || signal.aborted) throw error;
      isWhole = false;
      report(moved.map(({ candidate }) => reportLeft(context, candidate, error.message, error.hint)));
      continue;
    }
    for (const [key, making] of fresh) making.finish(made.get(key)?.versions ?? new Map());
    report(moved.map((one) => resultOf(one)));
    if (!context.json) showRewritten(context, first.found, moved);
  }
  return isWhole;
}

/** Each would take as long as the first one. */
function notTried({ code, message, hint }: WarderError): WarderError {
  return new WarderError(code, `not tried, because for another server ${message}`, {
    hint: `${hint === undefined ? '' : `${hint}; `}then import it again`,
  });
}

async function takeBack({ terminal }: Context, making: Making | undefined): Promise<void> {
  const problem = await making?.takeBack();
  if (problem === undefined) return;
  terminal.err(
    `${terminal.paint('yellow', 'warder: note:')} what was made of "${making?.name}" is there still: ${problem.message}; the next "warder import --apply" takes it back`,
  );
}

async function make(
  context: Context,
  { found, server, plan }: Candidate<Planned>,
  making: Making,
  place: string,
  signal: AbortSignal,
): Promise<Made> {
  const { terminal, json } = context;
  const { name: profile, isThere } = making;
  using told = terminal.progress('');
  const progress: Progress = (step) => told.step(`${place} "${profile}": ${step}`);
  if (isThere && !json)
    terminal.out(
      `${escapeUnprintable(serverName({ server }))}: the profile "${profile}" is there from an earlier import, and is what this one would write`,
    );
  else if (profile !== plan.name && !json)
    terminal.out(
      `${escapeUnprintable(serverName({ server }))}: there is a profile "${plan.name}" already, or credentials of one, so this one is "${profile}"`,
    );
  if (plan.kind === 'remote')
    return { profile, ...(await createRemote(context, making, plan, progress, signal)) };
  const versions = await createProfile(context, making, plan, originOf({ found }), progress, signal);
  return { profile, needsSignIn: false, versions };
}

/** Says that a server stays in its host, and why. */
export function reportLeft(
  { terminal, json }: Context,
  candidate: Candidate,
  error: string,
  hint?: string,
): Imported {
  const { found } = candidate;
  const server = serverName(candidate);
  if (!json) {
    terminal.out(`${escapeUnprintable(server)}: left as it is: ${error}`);
    if (hint !== undefined) terminal.out(`  ${hint}`);
  }
  return { host: found.id, path: found.path, server, profile: undefined, error, hint, next: undefined };
}

function resultOf({ candidate, profile, needsSignIn }: Moved): Imported {
  return {
    host: candidate.found.id,
    path: candidate.found.path,
    server: serverName(candidate),
    profile,
    error: undefined,
    hint: undefined,
    next: needsSignIn ? `warder login ${profile}` : undefined,
  };
}

async function rewrite(
  context: Context,
  found: FoundFile,
  moved: readonly Moved[],
  group: string,
): Promise<void> {
  await using control = await context.control();
  await changeHostFile(
    found,
    {
      what: 'import',
      servers: moved.map(({ candidate }) => candidate.server.name),
      group,
      edits(document) {
        const now = new Map(
          serversOf(document, found.file).map((server) => [keyOf(server), server] as const),
        );
        return moved.map(({ candidate: { server }, profile }) => {
          const same = now.get(keyOf(server));
          if (same === undefined || !isDeepStrictEqual(same.entry, server.entry)) {
            throw new WarderError(
              'refused',
              `"${server.name}" was changed in ${found.path} in the meantime`,
              {
                hint: 'nothing was written; try again',
              },
            );
          }
          return moveServer(same, hostEntry(context, profile), found.file.shape);
        });
      },
    },
    control,
  );
}

/** Says what was moved, and what the person does next. */
function showRewritten({ terminal }: Context, found: FoundFile, moved: readonly Moved[]): void {
  terminal.out(`${terminal.paint('bold', found.host.title)}  ${escapeUnprintable(found.path)}`);
  for (const one of moved) {
    const name = serverName(one.candidate);
    const as = name === one.profile ? '' : `, as "${one.profile}"`;
    terminal.out(`  ${escapeUnprintable(name)} goes through Warder now${as}`);
    if (!one.needsSignIn) continue;
    const { plan } = one.candidate;
    const kept = (plan.kind === 'remote' ? plan.signedInBy : undefined) ?? found.host.title;
    terminal.out(`    sign in: ${terminal.paint('bold', `warder login ${one.profile}`)}`);
    terminal.out(`    the sign-in that ${kept} keeps is not touched: end it there`);
  }
  for (const variable of stillInClear(found, moved))
    terminal.out(
      escapeUnprintable(
        `  ${found.path} still has the value of ${variable} in clear, in a comment or another entry: remove it`,
      ),
    );
  for (const { title, path, secrets } of copiesInClear(surroundingsOf(process.env), [found.id]))
    terminal.out(
      escapeUnprintable(
        `  ${path}, a copy that ${title} keeps, has ${secrets.join(', ')} in clear: remove it`,
      ),
    );
  terminal.out(`  now ${found.host.restart}`);
}

/** Characters from which a value that stands in a file is no accident. */
const MIN_FOUND = 8;

/** The variables whose values still stand in a file from which they were taken: a comment, an entry that stayed. */
function stillInClear(file: FoundFile, moved: readonly Moved[]): string[] {
  const { text } = openHostFile(file).document;
  const found = moved
    .flatMap(({ candidate }) => candidate.plan.credentials)
    .filter(({ value }) => value.length >= MIN_FOUND)
    .filter(({ value }) => text.includes(value) || text.includes(JSON.stringify(value).slice(1, -1)));
  return [...new Set(found.map(({ variable }) => variable))];
}

function keyOf({ path }: HostServer): string {
  return JSON.stringify(path);
}

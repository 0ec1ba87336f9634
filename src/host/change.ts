// Changes a host's file: takes its lock, reads it, edits and proves, has the undo data kept, and only then writes.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { WarderError } from '../errors.ts';
import { lockFile } from '../os/flock.ts';
import type { ControlClient, Params } from '../wire/control.ts';
import { type Document, editDocument, readDocument, type ServerEdit } from './document.ts';
import { digestOf, type HostText, readHostFile, writeHostFile } from './file.ts';
import type { FoundFile } from './find.ts';
import type { Host } from './table.ts';
import { TextProblem } from './text/edit.ts';

/** Names the changes of one command. */
export function newGroup(): string {
  return randomBytes(8).toString('hex');
}

/** Milliseconds to wait for a host's lock. */
const LOCK_PATIENCE = 5000;

/** A host's file, read. */
export interface OpenFile {
  readonly text: HostText;
  readonly document: Document;
}

/** Reads a file of a host. Throws `refused` where it is broken, or others could have written it. */
export function openHostFile({ path, file }: Pick<FoundFile, 'path' | 'file'>): OpenFile {
  const text = readHostFile(path);
  return { text, document: inWords(path, () => readDocument(text.text ?? '', file.format)) };
}

/** What is to be done to a file. */
export interface FileChange {
  readonly what: Params<'host.keep'>['what'];
  readonly servers: readonly string[];
  /** The same for all that is undone together: see `newGroup`. */
  readonly group: string;
  /** The edits, of the file as it is when it is locked. */
  edits(document: Document): readonly ServerEdit[];
}

/**
 * Changes a file of a host. Returns the id by which the change can be undone; undefined: there is nothing to change.
 * Throws `refused`, `cannot-write`, and what the credential store throws; then the file is as it was.
 */
export async function changeHostFile(
  found: FoundFile,
  { what, servers, group, edits }: FileChange,
  control: ControlClient,
): Promise<{ readonly id: string; readonly file: string } | undefined> {
  const { host, path, id } = found;
  refuseRunning(host);
  using _lock =
    host.lock === undefined ? undefined : await lockFile(join(dirname(path), host.lock), LOCK_PATIENCE);
  const { text, document } = openHostFile(found);
  const edited = inWords(path, () => editDocument(document, edits(document)));
  if (edited.splices.length === 0) return undefined;
  const kept = await control.request('host.keep', {
    host: id,
    file: text.file,
    servers: [...servers],
    what,
    group,
    before: text.text === undefined ? null : digestOf(text.text),
    after: digestOf(edited.document.text),
    splices: edited.splices.map((splice) => ({ ...splice })),
    pieces: edited.pieces.map(({ before = null, after = null }) => ({ before, after })),
  });
  try {
    writeHostFile(text, edited.document.text);
  } catch (error) {
    await control.request('host.forget', kept);
    throw error;
  }
  return { id: kept.id, file: text.file };
}

/** Throws `refused` while a host runs that writes its file from what it has in memory. */
function refuseRunning({ title, running = [] }: Host): void {
  if (running.length === 0) return;
  let names: string;
  try {
    names = execFileSync('/bin/ps', ['-A', '-o', 'comm='], { encoding: 'utf8', timeout: 5000 });
  } catch (cause) {
    throw new WarderError('refused', `cannot see whether ${title} runs, and it would write over its file`, {
      hint: 'the program "ps" is needed',
      cause,
    });
  }
  const found = names.split('\n').some((line) => running.includes(line.trim().split('/').at(-1) ?? ''));
  if (!found) return;
  throw new WarderError('refused', `${title} runs, and would write over its file`, {
    hint: `quit ${title}, and try again`,
  });
}

function inWords<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof TextProblem)) throw cause;
    throw new WarderError('refused', `${path} ${cause.message}`, {
      hint: 'nothing was written; repair it in an editor, or change it there by hand',
    });
  }
}

// Changes a host's file: takes its lock, reads it, edits and proves, has the undo data kept, and only then writes.
import { randomBytes } from 'node:crypto';
import { WarderError } from '../errors.ts';
import type { ControlClient, Params } from '../wire/control.ts';
import {
  type Document,
  editDocument,
  isSame,
  type Piece,
  readDocument,
  type ServerEdit,
} from './document.ts';
import { digestOf, type HostText, readHostFile, writeHostFile } from './edit/file.ts';
import { holdingHostFile } from './edit/guard.ts';
import type { FoundFile } from './find.ts';
import { TextProblem, type Value } from './text/edit.ts';

/** Names the changes of one command. */
export function newGroup(): string {
  return randomBytes(8).toString('hex');
}

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
  change: FileChange,
  control: ControlClient,
): Promise<{ readonly id: string; readonly file: string } | undefined> {
  return holdingHostFile(found.host, found.path, () => changeHeldFile(found, change, control));
}

async function changeHeldFile(
  found: FoundFile,
  { what, servers, group, edits }: FileChange,
  control: ControlClient,
): Promise<{ readonly id: string; readonly file: string } | undefined> {
  const { path, id } = found;
  const { text, document } = openHostFile(found);
  const edited = inWords(path, () => editDocument(document, edits(document)));
  if (edited.splices.length === 0) return undefined;
  const kept = await control.request('host.keep', {
    host: id,
    path,
    file: text.file,
    format: document.format,
    servers: [...servers],
    what,
    group,
    before: text.text === undefined ? null : digestOf(text.text),
    after: digestOf(edited.document.text),
    splices: edited.splices.map((splice) => ({ ...splice })),
    pieces: edited.pieces.map(keptPiece),
  });
  try {
    writeHostFile(text, edited.document.text);
  } catch (error) {
    try {
      await control.request('host.forget', kept);
    } catch {
      // It stays in the list, and undoing it finds that nothing is to be done.
    }
    throw error;
  }
  return { id: kept.id, file: text.file };
}

function keptPiece({ path, before, after, was, is }: Piece): Params<'host.keep'>['pieces'][number] {
  const [old, now] = [asJson(was), asJson(is)];
  return {
    before: before ?? null,
    after: after ?? null,
    path: [...path],
    ...(old !== undefined && now !== undefined && { was: old, is: now }),
  };
}

/** A value as JSON, null for none; undefined for one that JSON cannot hold, as a date of TOML. */
function asJson(value: Value): string | null | undefined {
  if (value === undefined) return null;
  try {
    const text = JSON.stringify(value);
    return isSame(JSON.parse(text), value) ? text : undefined;
  } catch {
    return undefined;
  }
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

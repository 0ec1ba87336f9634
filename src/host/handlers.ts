// The daemon's side of undoing: what an edit took out of a host's file is kept in the credential store, encrypted, and put
// back by the daemon itself. So no secret leaves it but into the file where it was.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Handlers, Params, Result } from '../wire/control.ts';
import { digestOf, type HostText, readHostFile, writeHostFile } from './file.ts';
import { applySplices, inverse } from './text/edit.ts';

/** Where undo data is kept: the blobs of a credential store. */
interface Blobs {
  get(name: string): Promise<Buffer | undefined>;
  set(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<boolean>;
}

export interface HostHandlersParts {
  readonly blobs: () => Blobs;
  readonly clock: Pick<Clock, 'now'>;
}

type HostVerb = Extract<keyof Handlers, `host.${string}`>;
type Edit = Params<'host.keep'>;
type Listed = Result<'host.edits'>['edits'][number];

const INDEX = 'host-edits';
/** The most edits that are kept; the oldest can no longer be undone then. */
const MAX_EDITS = 200;

/** The handlers of `host.…`. */
export function hostHandlers({ blobs, clock }: HostHandlersParts): Pick<Handlers, HostVerb> {
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other: the index is read and written. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work, work);
    last = result.catch(() => {});
    return result;
  };

  async function index(): Promise<Listed[]> {
    const bytes = await blobs().get(INDEX);
    return bytes === undefined ? [] : JSON.parse(bytes.toString());
  }

  async function storeIndex(edits: readonly Listed[]): Promise<void> {
    for (const { id } of edits.slice(MAX_EDITS)) await blobs().remove(blobName(id));
    await blobs().set(INDEX, Buffer.from(JSON.stringify(edits.slice(0, MAX_EDITS))));
  }

  async function forget(id: string): Promise<void> {
    await storeIndex((await index()).filter((edit) => edit.id !== id));
    await blobs().remove(blobName(id));
  }

  return {
    'host.keep': (edit) =>
      inTurn(async () => {
        const id = randomBytes(8).toString('hex');
        const { host, file, servers, what, group } = edit;
        await blobs().set(blobName(id), Buffer.from(JSON.stringify(edit)));
        const time = new Date(clock.now()).toISOString();
        await storeIndex([{ id, time, host, file, servers, what, group }, ...(await index())]);
        return { id };
      }),
    'host.forget': ({ id }) =>
      inTurn(async () => {
        await forget(id);
        return {};
      }),
    'host.edits': () => inTurn(async () => ({ edits: await index() })),
    'host.undo': ({ id }) =>
      inTurn(async () => {
        const bytes = await blobs().get(blobName(id));
        if (bytes === undefined) {
          throw new WarderError('refused', `there is no edit ${id} to undo`, {
            hint: 'see "warder undo --list"',
          });
        }
        const how = undo(JSON.parse(bytes.toString()));
        const { file } = JSON.parse(bytes.toString()) as Edit;
        await forget(id);
        return { file, how };
      }),
  };
}

function blobName(id: string): string {
  return `host-edit-${id}`;
}

/** Puts a file back. Throws `refused` where that cannot be done without touching what another program has written. */
function undo(edit: Edit): Result<'host.undo'>['how'] {
  const now = readHostFile(edit.file);
  if (now.text === undefined) {
    throw new WarderError('refused', `${edit.file} is gone`, {
      hint: 'start the host once, so that it makes its file again; or "warder undo --forget"',
    });
  }
  if (digestOf(now.text) === edit.after) {
    if (edit.before === null) {
      rmSync(now.file);
      return 'removed';
    }
    const text = applySplices(now.text, inverse(edit.splices));
    if (digestOf(text) === edit.before) {
      writeHostFile(now, text);
      return 'whole';
    }
  }
  writeHostFile(now, restored(edit, now));
  return 'servers';
}

/** The text with the entries as they were, where each stands exactly once as it was written. */
function restored({ file, pieces, servers }: Edit, { text = '' }: HostText): string {
  let current = text;
  for (const [number, { before, after }] of pieces.entries()) {
    const name = servers[number] ?? '';
    const parts = after === null || after === '' ? [] : current.split(after);
    if (before === null || parts.length !== 2) {
      const what =
        before === null
          ? 'was added, and the file has been changed since'
          : 'is not there any more as Warder wrote it';
      throw new WarderError('refused', `cannot undo in ${file}: "${name}" ${what}`, {
        hint:
          before === null
            ? 'take it out with "warder disconnect"'
            : 'a host or a person has changed it; restore it by hand, then "warder undo --forget"',
      });
    }
    current = parts.join(before);
  }
  return current;
}

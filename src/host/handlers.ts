// The daemon's side of undoing: what an edit took out of a host's file is kept in the credential store, encrypted, and put
// back by the daemon itself. So no secret leaves it but into the file where it was.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Handlers, Params, Result } from '../wire/control.ts';
import { digestOf, readHostFile, writeHostFile } from './edit/file.ts';
import { holdingHostFile } from './edit/guard.ts';
import { Unrestorable } from './edit/unrestorable.ts';
import { hosts } from './table.ts';
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

  // Blobs cannot be listed: there is never one that the index does not name, whenever the daemon is killed.
  async function storeIndex(edits: readonly Listed[]): Promise<void> {
    for (const { id } of edits.slice(MAX_EDITS)) await blobs().remove(blobName(id));
    await blobs().set(INDEX, Buffer.from(JSON.stringify(edits.slice(0, MAX_EDITS))));
  }

  async function forget(id: string): Promise<void> {
    await blobs().remove(blobName(id));
    await storeIndex((await index()).filter((edit) => edit.id !== id));
  }

  return {
    'host.keep': (edit) =>
      inTurn(async () => {
        const id = randomBytes(8).toString('hex');
        const { host, file, servers, what, group } = edit;
        const time = new Date(clock.now()).toISOString();
        await storeIndex([{ id, time, host, file, servers, what, group }, ...(await index())]);
        try {
          await blobs().set(blobName(id), Buffer.from(JSON.stringify(edit)));
        } catch (error) {
          await storeIndex((await index()).filter((one) => one.id !== id));
          throw error;
        }
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
        const listed = (await index()).find((edit) => edit.id === id);
        if (listed === undefined) {
          throw new WarderError('refused', `there is no edit ${id} to undo`, {
            hint: 'see "warder undo --list"',
          });
        }
        const { file } = listed;
        const bytes = await blobs().get(blobName(id));
        // A daemon that was killed while it kept or forgot an edit: the file was not written yet, or is undone.
        const how = bytes === undefined ? 'nothing' : await undo(JSON.parse(bytes.toString()));
        await forget(id);
        return { file, how };
      }),
  };
}

function blobName(id: string): string {
  return `host-edit-${id}`;
}

/** Puts a file back. Throws `refused` where that cannot be done without touching what another program has written. */
async function undo(edit: Edit): Promise<Result<'host.undo'>['how']> {
  return holdingHostFile(hosts[edit.host], edit.path ?? edit.file, () => undoHeld(edit));
}

async function undoHeld(edit: Edit): Promise<Result<'host.undo'>['how']> {
  const now = readHostFile(edit.file);
  const digest = now.text === undefined ? null : digestOf(now.text);
  // It was never written, because the command was killed; or somebody has undone it.
  if (digest === edit.before) return 'nothing';
  if (now.text === undefined) {
    throw new WarderError('refused', `${edit.file} is gone`, {
      hint: 'start the host once, so that it makes its file again; or "warder undo --forget"',
    });
  }
  if (digest === edit.after) {
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
  const text = await restored(edit, now.text);
  if (text === now.text) return 'nothing';
  writeHostFile(now, text);
  return 'servers';
}

async function restored({ file, format, pieces, servers }: Edit, text: string): Promise<string> {
  // Loaded on demand: a daemon reads no JSON, YAML or TOML of hosts otherwise.
  const { restoreServers } = await import('./edit/restore.ts');
  try {
    return restoreServers(text, format, pieces, servers);
  } catch (error) {
    if (!(error instanceof Unrestorable)) throw error;
    throw new WarderError('refused', `cannot undo in ${file}: ${error.message}`, { hint: error.hint });
  }
}

// The requests about what Warder has changed in the configurations of hosts. What is needed to undo an edit may hold
// secrets: it goes to the daemon and its credential store, and never back; the daemon itself puts it into the file.
import * as z from 'zod';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a digest is sha256: and 64 hexadecimal digits');
const editId = z.string().regex(/^[0-9a-f]{16}$/, 'an id is 16 hexadecimal digits');
const path = z.string().min(1).max(4096);
const piece = z
  .string()
  .max(2 ** 20)
  .nullable();

/** An edit of one file. */
const hostEdit = z.strictObject({
  /** As in the table of hosts. */
  host: z.string().max(64),
  /** What its links lead to, absolute. */
  file: path,
  /** The names of the servers. */
  servers: z.array(z.string().max(1024)).max(1000),
  what: z.enum(['import', 'connect', 'disconnect']),
  /** The same for all edits of one command: they are undone together. */
  group: editId,
});

export const hostVerbs = {
  /** Keeps what undoes an edit. Sent before the file is written. */
  'host.keep': {
    params: hostEdit.extend({
      /** As the host has it, through its links: its lock is beside. */
      path: path.optional(),
      format: z.enum(['json', 'yaml', 'toml']).optional(),
      /** Of the whole file; `before` is null if there was none. */
      before: digest.nullable(),
      after: digest,
      /** Changes that make `after` of `before`, each of the text after those before it. */
      splices: z
        .array(
          z.strictObject({
            at: z.number().int().min(0),
            removed: z.string().max(2 ** 20),
            added: z.string().max(2 ** 20),
          }),
        )
        .max(10_000),
      /**
       * The text of each entry, before and after; where it is; and what it said and says, as JSON, null for none. `path` is
       * that of the time of its edit, after those before it.
       */
      pieces: z
        .array(
          z.strictObject({
            before: piece,
            after: piece,
            path: z
              .array(z.union([z.string().max(4096), z.number().int().min(0)]))
              .max(16)
              .optional(),
            was: piece.optional(),
            is: piece.optional(),
          }),
        )
        .max(1000),
    }),
    result: z.object({ id: editId }),
  },
  /** Forgets what undoes an edit: it was not made after all, or shall stand. */
  'host.forget': { params: z.strictObject({ id: editId }), result: z.object({}) },
  /** The edits that can be undone, the newest first. */
  'host.edits': {
    params: z.strictObject({}),
    result: z.object({ edits: z.array(hostEdit.extend({ id: editId, time: z.string() })) }),
  },
  /**
   * Undoes an edit: `whole`, the file is byte for byte what it was; `servers`, another program has changed the file since,
   * and only the entries are what they were; `removed`, the file did not exist and is no more; `nothing`, the file is as it
   * was before the edit already.
   */
  'host.undo': {
    params: z.strictObject({ id: editId }),
    result: z.object({ file: path, how: z.enum(['whole', 'servers', 'removed', 'nothing']) }),
  },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;

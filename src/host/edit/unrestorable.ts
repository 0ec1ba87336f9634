// What restoring entries in a text that was changed since throws, and who undoes edits catches, without the formats.

/** Why an entry cannot be put back; the message completes "cannot undo in FILE: ". */
export class Unrestorable extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

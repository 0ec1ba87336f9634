// What of an edit can be undone in a file that has been changed since: the entries alone, each where it still says what
// Warder wrote, however the host has written it since. What says something else is left, and the reason is told.
import type { Params } from '../../wire/control.ts';
import {
  type Document,
  differsOnlyAt,
  editDocument,
  type FormatName,
  isSame,
  readDocument,
  spanAt,
} from '../document.ts';
import { type Path, TextProblem, type Value, valueAt } from '../text/edit.ts';
import { Unrestorable } from './unrestorable.ts';

type Kept = Params<'host.keep'>['pieces'][number];

/**
 * The text with the entries as they were. `names` are those of the servers, for messages. Throws `Unrestorable`. `format` and what
 * the pieces say beside their text are missing in what earlier versions kept.
 */
export function restoreServers(
  text: string,
  format: FormatName | undefined,
  pieces: readonly Kept[],
  names: readonly string[],
): string {
  return pieces.reduceRight(
    (current, piece, number) => restore(current, format, piece, names[number] ?? ''),
    text,
  );
}

function restore(text: string, format: FormatName | undefined, piece: Kept, name: string): string {
  const { path, was, is } = piece;
  if (format === undefined || path === undefined || was === undefined || is === undefined)
    return restoreText(text, piece, name);
  const target = fromJson(was);
  const expected = fromJson(is);
  try {
    const document = readDocument(text, format);
    const place = placeOf(document.value, path, target, expected);
    const here = valueAt(document.value, place);
    if (isSame(here, target)) return text;
    if (!isSame(here, expected)) throw changed(name);
    return (
      replaceText(document, place, piece, target) ??
      editDocument(document, [{ path: place, changes: [{ path: [], value: target }] }]).document.text
    );
  } catch (error) {
    if (!(error instanceof TextProblem)) throw error;
    throw new Unrestorable(`the file ${error.message}`, 'restore it by hand, then "warder undo --forget"');
  }
}

/** Where the entry is now: in a list the one that says the same, wherever it stands. */
function placeOf(value: Value, path: Path, target: Value, expected: Value): Path {
  const above = path.slice(0, -1);
  const list = valueAt(value, above);
  if (!Array.isArray(list)) return path;
  const equal = (wanted: Value): number => list.findIndex((one) => isSame(one, wanted));
  const restored = target === undefined ? -1 : equal(target);
  const written = expected === undefined ? list.length : equal(expected);
  if (restored >= 0 && (expected === undefined || written < 0)) return [...above, restored];
  return written < 0 ? path : [...above, written];
}

/** The text with the entry's own text again, where it stands as Warder wrote it. */
function replaceText(
  document: Document,
  path: Path,
  { before, after }: Kept,
  target: Value,
): string | undefined {
  const span = spanAt(document, path);
  if (before === null || after === null || span === undefined) return undefined;
  const { text, format } = document;
  const [start, end] = span;
  if (text.slice(start, end) !== after) return undefined;
  const replaced = text.slice(0, start) + before + text.slice(end);
  try {
    const now = readDocument(replaced, format);
    const isSafe = differsOnlyAt(document, now, path) && isSame(valueAt(now.value, path), target);
    return isSafe ? replaced : undefined;
  } catch (error) {
    if (error instanceof TextProblem) return undefined;
    throw error;
  }
}

/** As earlier versions kept it: the text stands there exactly once, or nobody can say which it is. */
function restoreText(text: string, { before, after }: Kept, name: string): string {
  const parts = after === null || after === '' ? [] : text.split(after);
  if (before === null) {
    throw new Unrestorable(
      `"${name}" was added, and the file has been changed since`,
      'take it out with "warder disconnect"',
    );
  }
  if (parts.length !== 2) throw changed(name);
  return parts.join(before);
}

function changed(name: string): Unrestorable {
  return new Unrestorable(
    `"${name}" is not there any more as Warder wrote it`,
    'a later change of Warder is undone first: "warder undo --list"; what a host or a person has changed is restored by hand, then "warder undo --forget"',
  );
}

function fromJson(text: string | null): Value {
  return text === null ? undefined : JSON.parse(text);
}

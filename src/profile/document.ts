// YAML text to plain data whose every part knows its line and column. YAML 1.2, core schema, and less of it
// than the standard has: one document, no directives, tags, anchors or aliases (so nothing expands), keys are
// text and stand once. Numbers and booleans keep their source where text is wanted, else `1.10` would
// silently become `1.1`.
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { type Diagnostic, formatKeyPath, type Path, quote } from './diagnostic.ts';

/** A document as plain data. */
export interface YamlDocument {
  /** Objects, arrays and scalars; `undefined` when the file holds nothing. */
  readonly value: unknown;
  /** What the text itself has wrong. When there is any, `value` serves to find more mistakes only. */
  readonly diagnostics: readonly Diagnostic[];
  /** `false`: parts of the text were not understood, and `value` serves for nothing. */
  readonly isUsable: boolean;
  /** A mistake placed at a path: at its value, or with `key` at its key; a missing part at what would hold it. */
  diagnose(path: Path, what: string, options?: { key?: boolean; hint?: string | undefined }): Diagnostic;
}

/** The longest file, in bytes. */
export const MAX_FILE_BYTES = 256 * 1024;
const MAX_DEPTH = 24;

/**
 * Reads one YAML document. Never throws. `textual` tells which paths want text: there a number or boolean
 * comes as it was written, or is a mistake where two readers could read it differently.
 */
export function parseYaml(text: string, textual: (path: Path) => boolean = () => false): YamlDocument {
  const lines = new LineCounter();
  const places = new Map<string, KeyOffsets>();
  const mistakes: Diagnostic[] = [];
  const tell = (offset: number, path: Path, what: string, hint?: string): Diagnostic => {
    const { line, col } = lines.linePos(offset);
    return {
      line: Math.max(line, 1),
      column: Math.max(col, 1),
      key: formatKeyPath(path),
      message: what,
      hint,
    };
  };
  const note: Report = (...mistake) => void mistakes.push(tell(...mistake));
  let value: unknown;
  let whole = false;
  try {
    const root = text.length > MAX_FILE_BYTES ? note(0, [], TOO_LONG_MESSAGE) : parseRoot(text, lines, note);
    whole = mistakes.length === 0;
    // A text with mistakes is not walked: the tree behind them is a guess.
    if (whole && root) {
      const walker = new Walker(places, textual, note);
      value = walker.value(root, [], 0);
      whole = walker.whole;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    note(0, [], 'the file is nested too deeply');
  }
  return {
    value,
    diagnostics: mistakes,
    isUsable: whole,
    diagnose(path, what, { key = false, hint } = {}) {
      for (let length = path.length; length > 0; length--) {
        const place = places.get(JSON.stringify(path.slice(0, length)));
        if (place === undefined) continue;
        // What is missing is missing in the thing that would hold it: its key is where to look.
        const offset = key || length < path.length ? place.key : place.value;
        return tell(offset ?? place.key, path, what, hint);
      }
      return tell(0, path, what, hint);
    },
  };
}

/** Offsets of a part: of its key (of itself in a list), and of its value where one is written. */
interface KeyOffsets {
  readonly key: number;
  readonly value: number | undefined;
}

type Report = (offset: number, path: Path, what: string, hint?: string) => void;

const TOO_LONG_MESSAGE = `the file is longer than ${MAX_FILE_BYTES / 1024} KiB`;

/** The root of the only document; notes what stands in the way. */
function parseRoot(text: string, lines: LineCounter, note: Report): Node | null | undefined {
  const parsed = parseAllDocuments(text, { lineCounter: lines, version: '1.2', prettyErrors: false });
  const documents = 'empty' in parsed ? [] : parsed;
  for (const { code, message, pos } of documents.flatMap((document) => document.errors)) {
    note(pos[0], [], syntaxMessage(code, message, text.slice(pos[0], pos[0] + 80)));
  }
  const [first, second] = documents;
  if (second !== undefined) note(second.range[0], [], 'the file holds more than one document');
  if (first?.directives?.yaml.explicit || Object.keys(first?.directives?.tags ?? {}).length > 1) {
    note(0, [], 'directives are not read here');
  }
  return first?.contents;
}

function syntaxMessage(code: string, message: string, found: string): string {
  if (code === 'DUPLICATE_KEY') return `the key ${quote(/^[^\s:]+/.exec(found)?.[0] ?? '')} stands twice`;
  if (code === 'RESOURCE_EXHAUSTION') return 'the file is nested too deeply';
  const [line = ''] = message.split('\n');
  return line.charAt(0).toLowerCase() + line.slice(1).replace(/[.:]$/, '');
}

/** Turns nodes into data, and keeps where each part stands. */
class Walker {
  whole = true;
  readonly #places: Map<string, KeyOffsets>;
  readonly #textual: (path: Path) => boolean;
  readonly #note: Report;

  constructor(places: Map<string, KeyOffsets>, textual: (path: Path) => boolean, note: Report) {
    this.#places = places;
    this.#textual = textual;
    this.#note = note;
  }

  value(node: Node | null, path: Path, fallback: number): unknown {
    const start = node?.range?.[0] ?? fallback;
    if (path.length > MAX_DEPTH) return this.#refuse(start, path, 'is nested too deeply');
    if (isAlias(node)) return this.#refuse(start, path, 'aliases are not read here; write it out');
    if (hasTagOrAnchor(node)) return this.#refuse(start, path, 'tags and anchors are not read here');
    if (isMap<Node | null, Node | null>(node)) {
      const map: Record<string, unknown> = {};
      for (const { key, value } of node.items) {
        const offset = key?.range?.[0] ?? start;
        const name = isScalar(key) && !hasTagOrAnchor(key) ? key.value : undefined;
        if (typeof name !== 'string') {
          this.#refuse(offset, path, 'a key must be plain text', 'put the key in quotes');
        } else if (name === '__proto__' || !name.isWellFormed() || name.includes('\0')) {
          this.#refuse(offset, path, `${quote(name)} cannot be a key`);
        } else {
          const inner = [...path, name];
          this.#places.set(JSON.stringify(inner), { key: offset, value: valueOffset(value) });
          map[name] = this.value(value, inner, offset);
        }
      }
      return map;
    }
    if (isSeq<Node | null>(node)) {
      return node.items.map((item, index) => {
        const inner = [...path, index];
        const offset = valueOffset(item) ?? start;
        this.#places.set(JSON.stringify(inner), { key: offset, value: offset });
        return this.value(item, inner, offset);
      });
    }
    return isScalar(node) ? this.#scalar(node.value, node.source ?? '', path, start) : null;
  }

  #scalar(value: unknown, source: string, path: Path, start: number): unknown {
    if (typeof value === 'string') {
      if (!value.isWellFormed()) this.#note(start, path, 'holds half a character (a lone surrogate)');
      if (value.includes('\0')) this.#note(start, path, 'holds a NUL character');
    } else if (this.#textual(path)) {
      if (value === null || String(value) !== source) {
        this.#note(start, path, 'is not text', 'put the value in quotes');
      }
      return source;
    } else if (typeof value === 'number') {
      const exact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
      if (!exact) this.#note(start, path, 'is a number that cannot be held exactly');
    }
    return value;
  }

  #refuse(offset: number, path: Path, what: string, hint?: string): undefined {
    this.whole = false;
    this.#note(offset, path, what, hint);
  }
}

/** Whether a node carries a tag or an anchor. */
function hasTagOrAnchor(node: Node | null): boolean {
  return (
    node !== null &&
    !isAlias(node) &&
    (node.tag !== undefined || ('anchor' in node && node.anchor !== undefined))
  );
}

/** Where a value stands; `undefined` for one that is not written, which has no place worth showing. */
function valueOffset(node: Node | null): number | undefined {
  const range = node?.range;
  return range && range[1] > range[0] ? range[0] : undefined;
}

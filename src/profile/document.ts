// Reads YAML into plain data, and keeps the line and column of each part. It takes a subset of YAML 1.2 with the core
// schema: one document, no directives, tags, anchors or aliases (so nothing expands), and keys that are text and unique.
// Where text is expected, numbers and booleans keep their spelling; otherwise `1.10` would silently become `1.1`.
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { type Diagnostic, formatKeyPath, type Path, quote } from './diagnostic.ts';

/** A document as plain data. */
export interface YamlDocument {
  /** Objects, arrays and scalars; `undefined` if the file is empty. */
  readonly value: unknown;
  /** What is wrong with the text itself. If there are any, use `value` only to find more problems. */
  readonly diagnostics: readonly Diagnostic[];
  /** `false`: parts of the text could not be read, and `value` must not be used. */
  readonly isUsable: boolean;
  /** Makes a diagnostic at a path: at its value, or with `key` at its key. A missing part is placed at its parent. */
  diagnose(path: Path, message: string, options?: { key?: boolean; hint?: string | undefined }): Diagnostic;
}

/** The size limit of a file, in bytes. */
export const MAX_FILE_BYTES = 256 * 1024;
const MAX_DEPTH = 24;

/**
 * Reads one YAML document. Never throws. `isText` says for a path whether text is expected there: a number or boolean
 * then keeps its spelling, and is an error if it could be read in two ways.
 */
export function parseYaml(text: string, isText: (path: Path) => boolean = () => false): YamlDocument {
  const lines = new LineCounter();
  const offsets = new Map<string, KeyOffsets>();
  const diagnostics: Diagnostic[] = [];
  const locate = (offset: number, path: Path, message: string, hint?: string): Diagnostic => {
    const { line, col } = lines.linePos(offset);
    return {
      line: Math.max(line, 1),
      column: Math.max(col, 1),
      key: formatKeyPath(path),
      message,
      hint,
    };
  };
  const report: Report = (...finding) => void diagnostics.push(locate(...finding));
  let value: unknown;
  let isUsable = false;
  try {
    const root =
      text.length > MAX_FILE_BYTES ? report(0, [], TOO_LONG_MESSAGE) : parseRoot(text, lines, report);
    isUsable = diagnostics.length === 0;
    // After a syntax error the tree is a guess, and is not converted.
    if (isUsable && root) {
      const walker = new Walker(offsets, isText, report);
      value = walker.value(root, [], 0);
      isUsable = walker.isUsable;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    report(0, [], 'the file is nested too deeply');
  }
  return {
    value,
    diagnostics,
    isUsable,
    diagnose(path, message, { key = false, hint } = {}) {
      for (let length = path.length; length > 0; length--) {
        const place = offsets.get(JSON.stringify(path.slice(0, length)));
        if (place === undefined) continue;
        // For a missing part, point to the key of its parent.
        const offset = key || length < path.length ? place.key : place.value;
        return locate(offset ?? place.key, path, message, hint);
      }
      return locate(0, path, message, hint);
    },
  };
}

/** Offsets of a part: of its key (in a list, of the item itself), and of its value if one is written. */
interface KeyOffsets {
  readonly key: number;
  readonly value: number | undefined;
}

type Report = (offset: number, path: Path, message: string, hint?: string) => void;

const TOO_LONG_MESSAGE = `the file is longer than ${MAX_FILE_BYTES / 1024} KiB`;

/** The root of the only document. Reports what is wrong with the text. */
function parseRoot(text: string, lines: LineCounter, report: Report): Node | null | undefined {
  const parsed = parseAllDocuments(text, { lineCounter: lines, version: '1.2', prettyErrors: false });
  const documents = 'empty' in parsed ? [] : parsed;
  for (const { code, message, pos } of documents.flatMap((document) => document.errors)) {
    report(pos[0], [], syntaxMessage(code, message, text.slice(pos[0], pos[0] + 80)));
  }
  const [first, second] = documents;
  if (second !== undefined) report(second.range[0], [], 'the file contains more than one document');
  if (first?.directives?.yaml.explicit || Object.keys(first?.directives?.tags ?? {}).length > 1) {
    report(0, [], 'directives are not supported');
  }
  return first?.contents;
}

function syntaxMessage(code: string, message: string, found: string): string {
  if (code === 'DUPLICATE_KEY') return `the key ${quote(/^[^\s:]+/.exec(found)?.[0] ?? '')} appears twice`;
  if (code === 'RESOURCE_EXHAUSTION') return 'the file is nested too deeply';
  const [line = ''] = message.split('\n');
  return line.charAt(0).toLowerCase() + line.slice(1).replace(/[.:]$/, '');
}

/** Turns nodes into data, and records the offsets of each part. */
class Walker {
  isUsable = true;
  readonly #offsets: Map<string, KeyOffsets>;
  readonly #isText: (path: Path) => boolean;
  readonly #report: Report;

  constructor(offsets: Map<string, KeyOffsets>, isText: (path: Path) => boolean, report: Report) {
    this.#offsets = offsets;
    this.#isText = isText;
    this.#report = report;
  }

  value(node: Node | null, path: Path, fallback: number): unknown {
    const start = node?.range?.[0] ?? fallback;
    if (path.length > MAX_DEPTH) return this.#refuse(start, path, 'is nested too deeply');
    if (isAlias(node)) return this.#refuse(start, path, 'aliases are not supported; write the value out');
    if (hasTagOrAnchor(node)) return this.#refuse(start, path, 'tags and anchors are not supported');
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
          this.#offsets.set(JSON.stringify(inner), { key: offset, value: valueOffset(value) });
          map[name] = this.value(value, inner, offset);
        }
      }
      return map;
    }
    if (isSeq<Node | null>(node)) {
      return node.items.map((item, index) => {
        const inner = [...path, index];
        const offset = valueOffset(item) ?? start;
        this.#offsets.set(JSON.stringify(inner), { key: offset, value: offset });
        return this.value(item, inner, offset);
      });
    }
    return isScalar(node) ? this.#scalar(node.value, node.source ?? '', path, start) : null;
  }

  #scalar(value: unknown, source: string, path: Path, start: number): unknown {
    if (typeof value === 'string') {
      if (!value.isWellFormed()) this.#report(start, path, 'contains a lone surrogate');
      if (value.includes('\0')) this.#report(start, path, 'contains a NUL character');
    } else if (this.#isText(path)) {
      if (value === null || String(value) !== source) {
        this.#report(start, path, 'is not text', 'put the value in quotes');
      }
      return source;
    } else if (typeof value === 'number') {
      const exact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
      if (!exact) this.#report(start, path, 'is a number that cannot be represented exactly');
    }
    return value;
  }

  #refuse(offset: number, path: Path, message: string, hint?: string): undefined {
    this.isUsable = false;
    this.#report(offset, path, message, hint);
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

/** The offset of a value; `undefined` for an empty value, which has no useful place. */
function valueOffset(node: Node | null): number | undefined {
  const range = node?.range;
  return range && range[1] > range[0] ? range[0] : undefined;
}

// What is accepted of a server, and what differs from it, on the terminal. Every character of the server's shows, and each
// of its lines begins with a bar, so that none looks like one of Warder's.
import { escapeUnprintable } from '../../audit/printable.ts';
import type { ShownDifference, ShownPart, ShownRecord, ShownTrust } from '../../wire/control.ts';
import { pluralize } from '../terminal/plural.ts';
import type { Terminal } from '../terminal.ts';
import { changesBetween, membersOf, type Words } from './members.ts';

/** What a kind of part is called. */
const NOUNS: Readonly<Record<string, string>> = {
  introduction: 'introduction',
  tools: 'tool',
  prompts: 'prompt',
  resources: 'interface',
  templates: 'resource template',
  contents: 'contents of',
};

/** Words around a change that are shown. */
const CONTEXT = 60;

type Output = Pick<Terminal, 'out' | 'paint' | 'color'>;

/** A record, or the parts of some names of it. */
export function printRecord(
  terminal: Output,
  title: string,
  record: ShownRecord,
  only: readonly string[],
): void {
  const { out, paint } = terminal;
  const { digest, accepted, by, files, permissions, parts } = record;
  out(`${paint('bold', title)}: ${digest}`);
  out(`  accepted ${accepted}, by ${by}`);
  if (only.length === 0) {
    for (const file of files) out(`  ${serverText(file)}`);
    for (const line of permissions) out(`  ${show(line)}`);
  }
  for (const part of parts) {
    if (only.length === 0 || (part.kind === 'tools' && only.includes(part.name)))
      printPart(terminal, part, '  ');
  }
}

/** What is seen of a server that was never accepted. */
export function printFirst(terminal: Output, { seen }: Pick<ShownTrust, 'seen'>): void {
  if (seen === null) return;
  for (const file of seen.files) terminal.out(`  ${serverText(file)}`);
  for (const line of seen.permissions) terminal.out(`  ${show(line)}`);
  for (const { kind, name, after, marks } of seen.differences)
    printPart(terminal, { kind, name, text: after, marks, digest: '' }, '  ');
}

/** How a server differs from what was accepted. Returns whether it does. */
export function printDifferences(
  terminal: Output,
  { record, seen }: Pick<ShownTrust, 'record' | 'seen'>,
  only: readonly string[],
): boolean {
  if (seen === null || record === null) return false;
  const { out, paint } = terminal;
  const differences = seen.differences.filter(
    ({ kind, name }) => only.length === 0 || (kind === 'tools' && only.includes(name)),
  );
  if (only.length === 0) {
    if (seen.isOtherServer) {
      out(`${paint('red', 'another program')}: all of the server is held back`);
      for (const file of record.files) out(`  ${removed(terminal, serverText(file))}`);
      for (const file of seen.files) out(`  ${added(terminal, serverText(file))}`);
    }
    for (const line of seen.wider) out(`${paint('yellow', 'more than was accepted')}: ${show(line)}`);
  }
  for (const difference of differences) printDifference(terminal, difference);
  return differences.length > 0 || (only.length === 0 && (seen.isOtherServer || seen.wider.length > 0));
}

function printDifference(terminal: Output, difference: ShownDifference): void {
  const { kind, name, change, before, after, marks } = difference;
  const { out, paint } = terminal;
  const word = {
    added: paint('green', 'new'),
    changed: paint('yellow', 'changed'),
    removed: paint('red', 'gone'),
  };
  out(`${word[change]} ${nameOf(kind, name)}`);
  for (const mark of marks) out(`  ${paint('red', '!')} ${show(mark)}`);
  if (change === 'removed') return;
  if (kind === 'contents') {
    out('  its bytes are other than before');
    return;
  }
  if (after === null || (change === 'changed' && before === null)) {
    out('  it is too long to be kept, or there is too much to show: only that it differs is known');
    return;
  }
  if (before === null) {
    printMembers(terminal, after, '  ');
    return;
  }
  for (const each of changesBetween(before, after)) {
    const path = each.path === '' ? '' : `${show(each.path)}: `;
    if (each.change === 'changed') printLines(out, `  ~ ${path}`, wordText(terminal, each.words));
    else if (each.change === 'added')
      printLines(out, '  + ', added(terminal, `${path}${showText(each.text)}`));
    else printLines(out, '  - ', removed(terminal, `${path}${showText(each.text)}`));
  }
}

function printPart(terminal: Output, { kind, name, text, marks }: ShownPart, indent: string): void {
  const { out, paint } = terminal;
  out(`${indent}${paint('bold', nameOf(kind, name))}`);
  for (const mark of marks) out(`${indent}  ${paint('red', '!')} ${show(mark)}`);
  if (text !== null) printMembers(terminal, text, `${indent}  `);
  else if (kind !== 'contents') out(`${indent}  it is too long to be kept, or there is too much to show`);
}

function printMembers({ out }: Output, json: string, indent: string): void {
  for (const [path, text] of membersOf(json)) {
    if (path === 'name' || path === 'uri' || path === 'uriTemplate') continue;
    printLines(out, `${indent}| ${path === '' ? '' : `${show(path)}: `}`, showText(text));
  }
}

/** A text of several lines; each begins with a bar. */
function printLines(out: Output['out'], first: string, text: string): void {
  const [line = '', ...rest] = text.split('\n');
  out(`${first}${line}`);
  const indent = ' '.repeat(first.length - first.trimStart().length);
  for (const each of rest) out(`${indent}|   ${each}`);
}

/** What differs with some words around it. */
function wordText(terminal: Output, words: readonly Words[]): string {
  return words
    .map(({ text, in: side }, at) => {
      if (side === 'before') return removed(terminal, showText(text));
      if (side === 'after') return added(terminal, showText(text));
      return showText(shorten(text, { isFirst: at === 0, isLast: at === words.length - 1 }));
    })
    .join('');
}

function shorten(
  text: string,
  { isFirst, isLast }: { readonly isFirst: boolean; readonly isLast: boolean },
): string {
  const [before, after] = [isFirst ? 0 : CONTEXT, isLast ? 0 : CONTEXT];
  if (text.length <= before + after + 10) return text;
  return `${text.slice(0, before)} ... ${after === 0 ? '' : text.slice(-after)}`;
}

/** Without colours as `git diff --word-diff` does. */
function added({ color, paint }: Output, text: string): string {
  return color ? paintLines(paint, 'green', text) : `{+${text}+}`;
}

function removed({ color, paint }: Output, text: string): string {
  return color ? paintLines(paint, 'red', text) : `[-${text}-]`;
}

function paintLines(paint: Output['paint'], style: 'green' | 'red', text: string): string {
  return text
    .split('\n')
    .map((line) => paint(style, line))
    .join('\n');
}

function nameOf(kind: string, name: string): string {
  return kind === 'introduction' ? `its ${show(name)}` : `${NOUNS[kind] ?? kind} ${show(name)}`;
}

/** What a server is: a file that runs, with its digest, or the URL of a remote one. */
function serverText({ path, digest }: { readonly path: string; readonly digest: string | null }): string {
  if (/^https?:\/\//.test(path)) return `is at ${show(path)}`;
  return `runs ${show(path)} ${digest ?? '(the system’s own)'}`;
}

/** A name, a path, what is said in a line: all that hides, moves or reorders is escaped. */
function show(text: string): string {
  return escapeUnprintable(text);
}

/** The same of a text, whose line breaks stay: `printLines` begins each of its lines with a bar. */
function showText(text: string): string {
  return escapeUnprintable(text, (character) => character === '\n');
}

/** What was seen, in a few words. */
export function summaryOf({ seen, record }: Pick<ShownTrust, 'seen' | 'record'>): string {
  const count = record?.parts.filter(({ kind }) => kind === 'tools').length ?? 0;
  const held = seen?.differences.filter(({ change }) => change !== 'removed').length ?? 0;
  return `${pluralize(count, 'tool')} accepted${held === 0 ? '' : `, ${held} held back`}`;
}

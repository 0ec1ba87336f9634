// Text for a terminal: what it would obey or hide is escaped, colours that Warder has marked are kept, and lines are measured
// and wrapped by the columns that they take.
import { randomBytes } from 'node:crypto';
import { escapeUnprintable } from '../../audit/printable.ts';

/** Between a line and one that goes on with it. */
const SET_IN = '\n  ';

/** Stands for `ESC [` in what `paint` returns, until it is printed. Nobody else can know it, and so write it. */
const STYLE_MARK = `\u001b${randomBytes(12).toString('hex')}[`;
const STYLE_SEQUENCE = new RegExp(`(${STYLE_MARK.replace('[', '\\[')}\\d+m)`);
const WIDE_CHARACTER =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}]/u;

/** A text with the escape sequences of its colours, as `printed` takes them. */
export function marked(text: string): string {
  return text.replaceAll('\u001b[', STYLE_MARK);
}

/** A line as it is written: what a terminal would obey or hide is escaped, and what `paint` has marked is coloured. */
export function printed(line: string): string {
  const [blank = ''] = /^\n*/.exec(line) ?? [];
  return blank + mapText(line.slice(blank.length), escapeLine).replaceAll(STYLE_MARK, '\u001b[');
}

/** Changes what lies between the marks of `paint`. */
export function mapText(text: string, change: (part: string) => string): string {
  // Every second part is what the pattern has captured.
  return text
    .split(STYLE_SEQUENCE)
    .map((part, i) => (i % 2 === 1 ? part : change(part)))
    .join('');
}

/** Escapes what a terminal would obey or hide, but for tabs, and for line breaks before what is set in. */
export function escapeLine(line: string): string {
  return line
    .split(SET_IN)
    .map((part) => escapeUnprintable(part, (character) => character === '\t'))
    .join(SET_IN);
}

/** The same, but for all line breaks. */
export function escapeText(text: string): string {
  return text.split('\n').map(escapeLine).join('\n');
}

/** Columns of a narrow column, in which nothing is wrapped. */
const MIN_ROOM = 24;

/** The lines of a text that is wrapped, at spaces where there are some. A text with colours is left whole. */
export function wrapped(text: string, room: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (room >= MIN_ROOM && rest.length > room && !text.includes(STYLE_MARK)) {
    const space = rest.lastIndexOf(' ', room);
    const end = space > room / 2 ? space : room;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest];
}

/** The number of columns that a text takes: colours take none, wide characters two. */
export function columnsOf(text: string): number {
  let columns = 0;
  const shown = text.split(STYLE_SEQUENCE).filter((_part, i) => i % 2 === 0);
  for (const character of shown.join('')) columns += WIDE_CHARACTER.test(character) ? 2 : 1;
  return columns;
}

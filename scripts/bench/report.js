// Writes BENCHMARKS.md and its plots from what was measured.
import { percent } from './figures.js';
import { BUSY } from './machine.js';
import { plot } from './plot.js';
import { table, targetTable } from './table.js';

/**
 * The text of BENCHMARKS.md, and its plots.
 *
 * @param {readonly {subject: object, result: object}[]} measured in the order of the report
 * @param {string} plots their folder, seen from the text
 * @returns {{text: string, plots: {file: string, text: string}[]}}
 */
export function report(measured, plots) {
  const parts = measured.map(({ subject, result }) => part(subject, result, plots));
  const targets = measured.flatMap(({ subject, result }) => subject.targets(result.figures));
  const text = `# Benchmarks

Written by \`npm run bench\`. Whatever is compared is measured in turns (direct, Warder, a peer, direct, …) by one lean client that
writes bytes and counts newlines; figures are medians. *Direct* is the server as the client starts it, *Warder* what a host starts:
the launch command, as installed. Each profile has one credential, so that redaction is part of every figure, and so is the audit log
with its default settings. The *pass-through* is a program of 70 lines of C that only moves the bytes: the least that anything
between a host and a server can cost.

${machineTable(measured)}

## Targets

${targetTable(targets)}

## How to run it

\`npm run bench\` measures all and writes this file; it takes about a quarter of an hour and wants a machine without other work.
\`npm run bench -- cold calls\` measures these two again and keeps the other figures, \`--list\` says which there are, \`--quick\` takes a
tenth of the samples and writes to a folder of its own. The figures themselves are in \`scripts/bench/results\`. A C compiler and, at the
first run, npm's registry are needed.

${parts.map(({ text }) => text).join('\n')}`;
  return { text, plots: parts.flatMap(({ drawn }) => drawn) };
}

function part(subject, { figures }, folder) {
  const drawn = subject
    .plots(figures)
    .map((picture) => ({ file: `${picture.file}.svg`, text: plot(picture), picture }));
  const shown = drawn.map(
    ({ file, picture }) => `![${picture.title}](${folder}/${file})\n\n${picture.meaning}\n`,
  );
  const blocks = [
    `## ${subject.title}\n`,
    `${subject.about}\n`,
    ...shown,
    `${table(subject.rows(figures))}\n`,
    ...(subject.notes === undefined ? [] : [`${subject.notes(figures)}\n`]),
  ];
  return { text: blocks.join('\n'), drawn };
}

const BEGIN = '<!-- figures: written by npm run bench -->\n';
const END = '<!-- end of figures -->\n';

/** The text of README.md with the main figures of what was measured. Throws where it has no place for them. */
export function withHeadlines(text, measured) {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('README.md has no place for figures');
  const rows = measured.flatMap(({ subject, result }) => subject.headline?.(result.figures) ?? []);
  const figures = rows.length === 0 ? '' : `\n${table([['', 'direct', 'Warder', 'beside'], ...rows])}\n\n`;
  return `${text.slice(0, begin)}${BEGIN}${figures}${text.slice(end)}`;
}

/** On which machine, at which commit and when each subject was measured; those alike share a row. */
function machineTable(measured) {
  const rows = new Map();
  for (const { subject, result } of measured) {
    const { taken, commit, machine, busy, quick } = result;
    const key = JSON.stringify([taken.slice(0, 10), commit, machine, busy > BUSY, quick]);
    const row = rows.get(key) ?? { ...result, titles: [], busiest: 0 };
    row.titles.push(subject.title.toLowerCase());
    row.busiest = Math.max(row.busiest, busy);
    rows.set(key, row);
  }
  const all = [...rows.values()];
  const state = ({ busiest, quick }) =>
    [
      busiest > BUSY ? `**others used ${percent(busiest)} of the cores: not to be relied on**` : 'idle',
      ...(quick ? ['**a tenth of the samples**'] : []),
    ].join(', ');
  return table([
    ['taken', 'commit', 'machine', 'state', ...(all.length > 1 ? ['subjects'] : [])],
    ...all.map((row) => [
      row.taken.slice(0, 10),
      row.commit,
      row.machine,
      state(row),
      ...(all.length > 1 ? [row.titles.join(', ')] : []),
    ]),
  ]);
}

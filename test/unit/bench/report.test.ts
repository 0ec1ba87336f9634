import { expect, test } from 'vitest';
import { ratio } from '../../../scripts/bench/figures.js';
import { report, withHeadlines } from '../../../scripts/bench/report.js';
import { table, target, targetTable } from '../../../scripts/bench/table.js';

test('a table has its numbers on the right, and an empty cell where there is no figure', () => {
  expect(
    table([
      ['', 'p50'],
      ['echo', undefined],
    ]),
  ).toBe('|  | p50 |\n| --- | ---: |\n| echo |  |');
});

test.each([
  ['met at the limit itself', 2.5, {}, true],
  ['not met above', 2.51, {}, false],
  ['met above, where it is to be at least that', 2.51, { least: true }, true],
  ['not met below, where it is to be at least that', 2.49, { least: true }, false],
])('a target is %s', (_what, value, options, isMet) => {
  const reached = target('times direct', value, 2.5, ratio, options);
  expect(reached.isMet).toBe(isMet);
  expect(targetTable([reached])).toContain(isMet ? '| met |' : '| **not met** |');
});

const subject = (name: string) => ({
  name,
  title: name,
  about: `About ${name}.`,
  targets: ({ value }: { value: number }) => [target(name, value, 1, String)],
  rows: ({ value }: { value: number }) => [
    ['', 'value'],
    [name, String(value)],
  ],
  plots: ({ value }: { value: number }) => [
    {
      file: name,
      title: name,
      note: '',
      show: String,
      bars: [{ label: name, value, kind: 'plain' }],
      meaning: 'It means.',
    },
  ],
});
const result = (more: object = {}) => ({
  taken: '2026-11-29T19:45:00Z',
  commit: 'abc1234',
  machine: 'a machine',
  busy: 0.01,
  quick: false,
  figures: { value: 2 },
  ...more,
});

test('a report has the targets of all, and each part with its plot and what it means', () => {
  const { text, plots } = report(
    [
      { subject: subject('cold'), result: result() },
      { subject: subject('calls'), result: result({ figures: { value: 1 } }) },
    ],
    'plots',
  );
  expect(text).toContain('| cold | 2 | at most 1 | **not met** |\n| calls | 1 | at most 1 | met |');
  expect(text).toContain('## cold\n\nAbout cold.\n\n![cold](plots/cold.svg)\n\nIt means.\n');
  expect(plots.map(({ file }) => file)).toEqual(['cold.svg', 'calls.svg']);
  expect(text).toContain('| 2026-11-29 | abc1234 | a machine | idle |');
});

test('figures of another commit, of a busy machine or of few samples say so', () => {
  const { text } = report(
    [
      { subject: subject('cold'), result: result({ busy: 0.4 }) },
      { subject: subject('calls'), result: result({ commit: 'def5678', quick: true }) },
    ],
    'plots',
  );
  expect(text).toContain('| **others used 40 % of the cores: not to be relied on** | cold |');
  expect(text).toContain('| def5678 | a machine | idle, **a tenth of the samples** | calls |');
});

test('the main figures stand in their place in the README, and nothing else is touched', () => {
  const text = 'before\n<!-- figures: written by npm run bench -->\nold\n<!-- end of figures -->\nafter\n';
  const measured = [
    {
      subject: { ...subject('cold'), headline: () => [['a start', '3 ms', '10 ms', '700 ms']] },
      result: result(),
    },
    { subject: subject('calls'), result: result() },
  ];
  const written = withHeadlines(text, measured);
  expect(written).toMatch(/^before\n<!-- figures[^\n]*\n\n\| {2}\| direct \|/);
  expect(written).toContain('| a start | 3 ms | 10 ms | 700 ms |\n\n<!-- end of figures -->\nafter\n');
  expect(written).not.toContain('old');
  expect(withHeadlines(written, measured)).toBe(written);
  expect(() => withHeadlines('no place', measured)).toThrow('no place for figures');
});

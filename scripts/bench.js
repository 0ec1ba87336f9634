// Measures Warder beside the same server run directly, a plain pass-through and what else there is, and writes BENCHMARKS.md
// and the main figures in README.md.
// `node scripts/bench.js [SUBJECT…]`: all subjects, or these, whose figures then take the place of their last ones. `--list`
// names them, `--quick` takes a tenth of the samples and writes to a folder of its own, `--report` only writes the report anew.
// `--only WORD`: a part of a subject, for instance one attack, which is printed and not kept. Needs a built tree: `npm run bench` builds first.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { duration } from './bench/figures.js';
import { BUSY, describeMachine, waitForQuiet } from './bench/machine.js';
import { report, withHeadlines } from './bench/report.js';
import { readResult, writeResult } from './bench/results.js';
import { Stage } from './bench/stage.js';
import { targetTable } from './bench/table.js';

/** In the order of the report. Each is a file of `bench/subjects`. */
const SUBJECTS = [
  ...[
    'cold',
    'calls',
    'large',
    'memory',
    'configured',
    'package',
    'gate',
    'scale',
    'fair',
    'flat',
    'isolation',
  ],
  ...['decision', 'audit', 'remote', 'launch'],
];

const root = join(import.meta.dirname, '..');
const log = (text) => process.stderr.write(`bench: ${text}\n`);

/** Where the figures, the plots and the text go. */
function placesOf(quick) {
  const base = quick ? join(root, 'node_modules/.cache/warder/bench/quick') : root;
  const below = quick ? base : join(root, 'scripts/bench');
  return {
    results: join(below, 'results'),
    plots: join(below, 'plots'),
    text: join(base, 'BENCHMARKS.md'),
    readme: quick ? undefined : join(root, 'README.md'),
    shown: quick ? 'plots' : 'scripts/bench/plots',
  };
}

/** @returns {Promise<import('./bench/subject.d.ts').Subject>} */
const load = (name) => import(`./bench/subjects/${name}.js`);

async function measure(name, { quick, words }) {
  const subject = await load(name);
  const { busy, load: pressure } = await waitForQuiet(quick ? 0 : 60_000);
  if (busy > BUSY)
    log(`others use ${Math.round(busy * 100)} % of this machine: the figures are not to be relied on`);
  log(`${subject.title}`);
  const began = performance.now();
  using stage = new Stage({ quick, words });
  const figures = await subject.measure(stage);
  const seconds = (performance.now() - began) / 1000;
  log(`${subject.title}: ${duration(seconds * 1000)}`);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  }).trim();
  const taken = new Date().toISOString();
  return { taken, commit, machine: describeMachine(), busy, load: pressure, quick, seconds, figures };
}

/** Whether the figures of a subject have the form that it shows. */
function isShown(subject, { figures }) {
  try {
    subject.targets(figures);
    subject.rows(figures);
    subject.notes?.(figures);
    subject.headline?.(figures);
    subject.plots(figures);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

async function writeReport(places) {
  const measured = [];
  for (const name of SUBJECTS) {
    const result = readResult(places.results, name);
    if (result === undefined) continue;
    const subject = await load(name);
    if (isShown(subject, result)) measured.push({ subject, result });
    else log(`${name} has figures of an older form: measure it again`);
  }
  const { text, plots } = report(measured, places.shown);
  mkdirSync(places.plots, { recursive: true });
  for (const file of readdirSync(places.plots)) rmSync(join(places.plots, file));
  for (const { file, text: picture } of plots) writeFileSync(join(places.plots, file), picture);
  writeFileSync(places.text, text);
  if (places.readme !== undefined)
    writeFileSync(places.readme, withHeadlines(readFileSync(places.readme, 'utf8'), measured));
  return measured;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      report: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
    },
  });
  if (values.list) {
    for (const name of SUBJECTS) process.stdout.write(`${name.padEnd(12)}${(await load(name)).title}\n`);
    return;
  }
  const unknown = positionals.find((name) => !SUBJECTS.includes(name));
  if (unknown !== undefined) throw new Error(`there is no subject "${unknown}": ${SUBJECTS.join(', ')}`);
  const places = placesOf(values.quick);
  const failed = [];
  for (const name of values.report
    ? []
    : SUBJECTS.filter((one) => positionals.length === 0 || positionals.includes(one))) {
    try {
      const result = await measure(name, { quick: values.quick, words: values.only });
      // A part of a subject takes no figures' place.
      if (values.only.length === 0) writeResult(places.results, name, result);
      const subject = await load(name);
      process.stdout.write(`${targetTable(subject.targets(result.figures))}\n`);
    } catch (error) {
      // The others are measured all the same.
      log(`${name} failed: ${error.stack}`);
      failed.push(name);
    }
  }
  const measured = await writeReport(places);
  process.stdout.write(
    `\n${targetTable(measured.flatMap(({ subject, result }) => subject.targets(result.figures)))}\n\n${places.text}\n`,
  );
  if (failed.length > 0) throw new Error(`not measured: ${failed.join(', ')}`);
}

await main();

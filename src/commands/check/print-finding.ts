// Prints what `warder check` has found of a profile.
import { formatSize } from '../../profile/units.ts';
import type { PlanSummary } from '../../sandbox/summary.ts';
import type { Context } from '../command.ts';
import { limitLines, networkLines, unixSocketLines } from '../profile/access-summary.ts';
import { commandLine } from '../profile/profile-summary.ts';
import { refusalLine } from '../profile/refused-lately.ts';
import type { Finding } from './finding.ts';

/** What to know of a working folder that is the private home. */
const PRIVATE = ', of its own: not the folder that a host has open';
const LOST = ', and what it writes there is not kept';

export function printFinding({ out, err, paint }: Context['terminal'], finding: Finding): void {
  const {
    name,
    state,
    error,
    hint,
    server,
    credentials = [],
    sandbox,
    holds,
    protected: kept,
    network,
    refused = [],
    policy,
    rows,
    unsupported = [],
    warnings = [],
  } = finding;
  out(`${paint('bold', name)}: ${paint(state === 'ok' ? 'green' : 'red', state)}`);
  if (error !== undefined) {
    err(error);
    if (hint !== undefined) err(`hint: ${hint}`);
  }
  if (rows !== undefined) {
    for (const [label, lines] of rows) printRows({ out }, label, lines);
    out(`  tools   ${policy}`);
  } else if (server !== undefined) {
    out(`  runs    ${server.line}`);
    if (server.program !== undefined) out(`          ${server.program}`);
    if (server.cwd !== undefined)
      out(
        `  in      ${server.cwd}${server.private === true ? `${PRIVATE}${holds?.kept === undefined ? LOST : ''}` : ''}`,
      );
    if (server.starts !== undefined) out(`  starts  ${server.starts}`);
    if (server.variables !== undefined) {
      const { trust, ...others } = server.variables;
      out(`  sees    ${Object.values(others).flat().join(' ')}`);
      if (trust.length > 0) out(`          to trust the gate: ${trust.join(' ')}`);
    }
    for (const { variable, name, deliver, state, limits } of credentials) {
      out(`          ${variable}: ${name}, ${deliver === 'sealed' ? deliver : `by ${deliver}`}, ${state}`);
      for (const [label, text] of limits === undefined ? [] : limitLines(limits)) {
        out(`            ${label.padEnd(8)}  ${text}`);
      }
    }
    if (sandbox === 'off') {
      out(`  files   all that you can read and write: ${paint('red', 'no sandbox')}`);
      out(`  network all that you can reach: ${paint('red', 'no sandbox')}`);
    }
    if (holds !== undefined) printSandbox({ out }, holds, kept);
    if (network !== undefined) printRows({ out }, 'network', networkLines(network));
    if (holds !== undefined) printRows({ out }, 'sockets', unixSocketLines(holds));
    if (holds !== undefined) printLimits({ out }, holds);
    out(`  tools   ${policy}`);
  }
  for (const host of refused) out(`  ${paint('yellow', 'refused')} lately: ${refusalLine(name, host)}`);
  for (const { what, hint } of unsupported) out(`  ${paint('red', 'refused')} ${what}: ${hint}`);
  for (const warning of warnings) out(`  ${paint('yellow', 'note')}    ${warning}`);
}

type Out = Pick<Context['terminal'], 'out'>;

function printSandbox(
  { out }: Out,
  { read, write, mayPlant, hidden, command, kept: home, homeBytes }: PlanSummary,
  kept: string | undefined,
): void {
  out(`  command ${commandLine(command)}`);
  printRows({ out }, 'files', [
    home === undefined
      ? `the system, read-only; a home (${formatSize(homeBytes)}) and a /tmp of its own, empty at each start`
      : `the system, read-only; a home of its own that is kept, up to ${formatSize(homeBytes)}: ${home}; a /tmp, empty at each start`,
    ...read.map((path) => `${path}, read-only`),
    ...write.map((path) => `${path}, to read and write`),
    ...(kept === undefined ? [] : [kept]),
    ...mayPlant.map((name) => `but ${name}, which other programs obey, it may write`),
    ...hidden.map((path) => `${path}, hidden`),
  ]);
}

function printLimits({ out }: Out, { limits: { memory, processes, files } }: PlanSummary): void {
  const whole = memory.said ? ' for all processes together, or nothing starts' : '';
  out(
    `  limits  ${formatSize(memory.most)} of memory${whole}, ${processes.most} processes, ${files} open files`,
  );
}

function printRows({ out }: Out, label: string, rows: readonly string[]): void {
  for (const [index, row] of rows.entries()) out(`  ${(index === 0 ? label : '').padEnd(7)} ${row}`);
}

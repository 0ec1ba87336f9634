// What a person sees of servers before they are imported: what would run whole, and secrets by their names only.
import { escapeUnprintable } from '../../audit/printable.ts';
import { catchWarderError, WarderError } from '../../errors.ts';
import type { Planned, WantedValue } from '../../host/planned.ts';
import { shownUrl } from '../../host/shown-url.ts';
import { whyUnsealed } from '../../host/unsealed.ts';
import { loadSettings } from '../../profile/settings.ts';
import { detectSecret } from '../../profile/variable.ts';
import type { Context } from '../command.ts';
import { pluralize } from '../terminal/plural.ts';
import { type Candidate, type Imported, isPlanned, originOf } from './candidate.ts';
import { commandLine, namedAccess } from './create-profile.ts';

/** The name of a server. One that looks like a secret is not shown. */
export function serverName({ server }: Pick<Candidate, 'server'>): string {
  const name = server.name.slice(0, 200);
  return detectSecret(name) === undefined ? name : '(a name like a secret)';
}

/** A candidate as facts, without any secret. */
export function factsOf(candidate: Candidate): object {
  const { found, plan } = candidate;
  const where = { host: found.id, path: found.path, server: serverName(candidate) };
  if (plan.kind === 'left') return { ...where, left: plan.why };
  const { name, credentials, wanted } = plan;
  const secrets = credentials.map(({ variable, value, from }) => ({
    variable,
    why: from.why,
    url: shownUrl(value),
  }));
  const asked = wanted.map((one) => ({ name: wantedName(one), reference: one.reference.text }));
  if (plan.kind === 'remote') {
    const { url, headers, auth, insecureLoopback } = plan;
    return {
      ...where,
      profile: name,
      url,
      headers,
      auth: auth?.type,
      'insecure-loopback': insecureLoopback,
      secrets,
      asked,
    };
  }
  const { start, words, env, hosts, cwd } = plan;
  const named = namedAccess(plan, originOf(candidate));
  return {
    ...where,
    profile: name,
    start,
    words,
    env: Object.keys(env),
    secrets,
    asked,
    hosts,
    cwd,
    ...named,
  };
}

/** Prints candidates, and what is wrong with files. */
export function showCandidates(
  { terminal }: Context,
  candidates: readonly Candidate[],
  problems: readonly string[],
): void {
  let path = '';
  for (const candidate of candidates) {
    const { found, plan } = candidate;
    if (found.path !== path) terminal.out(`${terminal.paint('bold', found.host.title)}  ${found.path}`);
    path = found.path;
    const name = escapeUnprintable(serverName(candidate));
    if (plan.kind === 'left') terminal.out(`  ${name}: stays, because ${escapeUnprintable(plan.why)}`);
    else {
      const [first = '', ...rest] = linesOf(plan, originOf(candidate));
      terminal.out(`  ${name}: ${first}`);
      for (const line of rest) terminal.out(`    ${line}`);
    }
  }
  for (const problem of problems) terminal.out(`${terminal.paint('yellow', 'problem')}  ${problem}`);
  if (candidates.length === 0) terminal.out('there is no server to import');
}

/** Says how the servers that were shown are imported. */
export function showNext({ terminal, places }: Context, candidates: readonly Candidate[]): void {
  const planned = candidates.filter((candidate) => isPlanned(candidate));
  if (planned.length === 0) return;
  const settings = catchWarderError(() => loadSettings(places));
  const isReady = settings instanceof WarderError || settings.store !== undefined;
  const which =
    planned.length === candidates.length
      ? pluralize(planned.length, 'server')
      : `${planned.length} of ${pluralize(candidates.length, 'server')}`;
  terminal.out(`\n${which} can go through Warder, and the secrets into its store; next:`);
  if (!isReady) terminal.out('  warder init');
  terminal.out('  warder import --apply');
}

/** Says what is to be done once servers were moved. `hadSecrets`: their secrets stood in clear. */
export function showDone({ terminal }: Context, hadSecrets: boolean): void {
  terminal.out('');
  if (hadSecrets)
    terminal.out('the old tokens were in clear: once all works, revoke them where they were issued');
  terminal.out('the first use of each asks for your yes: keep "warder approvals --watch" open');
  terminal.out('to take it all back: warder undo');
}

/** A plan in lines; the first has what runs, or where it is. */
function linesOf(plan: Planned, from: string | null): string[] {
  const secrets = plan.credentials.map(({ variable, value, from }) => {
    const url = shownUrl(value);
    return escapeUnprintable(`secret ${variable} (${from.why})${url === undefined ? '' : `: ${url}`}`);
  });
  const asked = plan.wanted.map(
    (one) =>
      `asked ${escapeUnprintable(wantedName(one))}: the host fills in ${escapeUnprintable(one.reference.text)}`,
  );
  if (plan.kind === 'remote') {
    return [
      escapeUnprintable(plan.url),
      ...Object.entries(plan.headers).map(([name, value]) => escapeUnprintable(`header ${name}: ${value}`)),
      ...secrets,
      ...asked,
      ...(plan.insecureLoopback ? ['on this machine, and without TLS'] : []),
      ...(plan.auth === undefined ? ['the server is asked whether it wants a sign-in'] : []),
    ];
  }
  const { env, cwd, credentials, hosts } = plan;
  const unsealed = whyUnsealed(plan);
  const { read, write, withheld } = namedAccess(plan, from);
  return [
    escapeUnprintable(commandLine(plan)),
    ...read.map((path) => escapeUnprintable(`it may read ${path}`)),
    ...write.map((path) => escapeUnprintable(`it may change ${path}`)),
    ...withheld.map((path) => escapeUnprintable(`it does not get ${path}, which is not of the project`)),
    ...(cwd === undefined ? [] : [`folder ${escapeUnprintable(cwd)}`]),
    ...Object.entries(env).map(([name, value]) => escapeUnprintable(`variable ${name}=${value}`)),
    ...secrets,
    ...asked,
    ...(credentials.length === 0 && asked.length === 0
      ? []
      : [
          unsealed === undefined
            ? `sealed: the server never holds it, and it goes to ${hosts.join(', ')} alone`
            : escapeUnprintable(`the server gets the value itself: ${unsealed}`),
        ]),
  ];
}

/** What a value goes into. */
function wantedName({ into, reference }: WantedValue): string {
  return 'name' in into ? into.name : reference.name;
}

/** Says at the end what was done and what was not, where that is not one server. */
export function showSummary({ terminal }: Context, results: readonly Imported[]): void {
  const stay = results.filter(({ profile }) => profile === undefined);
  if (stay.length === 0 || results.length === 1) return;
  const names = stay.map(({ host, server }) => escapeUnprintable(`${server} (${host})`));
  const moved = results.length - stay.length;
  terminal.out(
    `\n${moved === 0 ? 'nothing was moved' : `${pluralize(moved, 'server')} moved`}; not moved, and as before: ${names.join(', ')}`,
  );
}

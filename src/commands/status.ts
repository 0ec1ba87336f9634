import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import { ownerOf } from '../os/lock.ts';
import { loadValidProfiles } from '../profile/load.ts';
import { LANDLOCK_LAYERS, REQUIRED_LAYERS } from '../sandbox/layers.ts';
import type { PlantedPath, Result, SessionStatus, ShownAccount } from '../wire/control.ts';
import type { Context } from './command.ts';
import { type OlderDaemon, olderDaemons } from './older-daemons.ts';
import { refusalLine } from './profile/refused-lately.ts';
import { type Accounts, accountState, fetchAccounts, shortTimeText } from './remote/account.ts';
import { pluralize } from './terminal/plural.ts';
import type { Terminal } from './terminal.ts';

type Status = Result<'status'>;

/** `status`: shows the state of the daemon. It starts no daemon; that none runs is a result, not an error. */
export function statusCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'status',
    builder: (yargs) => yargs.example('warder status --json', 'for a program'),
    handler: async () => void (await showStatus(context)),
  };
}

/** Shows the status, with `--json` and no daemon `{"daemon": null}`. Returns whether a daemon runs. */
export async function showStatus(context: Context): Promise<boolean> {
  const { terminal, json } = context;
  const status = await fetchStatus(context);
  const accounts =
    status === undefined
      ? undefined
      : await fetchAccounts(
          context,
          loadValidProfiles(context.places).map(({ profile }) => profile),
          { start: false },
        );
  const older = await olderDaemons(context.places);
  const retired = older.map(({ daemon: _daemon, ...facts }) => facts);
  if (json) {
    terminal.json({
      ...(status ?? { daemon: null }),
      ...(accounts !== undefined && accounts.all.length > 0 && { accounts: accounts.all }),
      ...(retired.length > 0 && { retired }),
    });
  } else if (status === undefined) terminal.out('no daemon runs: it starts with the next session');
  else printStatus(terminal, status, context.version);
  if (!json && accounts !== undefined) printAccounts(terminal, accounts);
  for (const daemon of json ? [] : older) {
    terminal.out(olderLine(daemon));
    if (daemon.list.length > 0) printSessions(terminal, daemon.list);
  }
  return status !== undefined;
}

async function fetchStatus(context: Context): Promise<Status | undefined> {
  try {
    await using control = await context.control({ start: false });
    return await control.request('status', {});
  } catch (error) {
    const unreachable = error instanceof WarderError && error.code === 'daemon-unreachable';
    if (unreachable && ownerOf(context.places.lock) === undefined) return undefined;
    throw error;
  }
}

/** `an older daemon goes on until its 2 sessions have ended: pid 123, version 0.1.0`. */
function olderLine({ pid, version = 'unknown', sessions }: OlderDaemon): string {
  const open = sessions === 1 ? '1 session has' : `${sessions ?? ''} sessions have`.trimStart();
  return `\nan older daemon goes on until its ${open} ended: pid ${pid}, version ${version}`;
}

function printAccounts(terminal: Terminal, { all, error }: Accounts): void {
  if (error !== undefined) terminal.out(`\nthe accounts at remote servers are not known: ${error.message}`);
  if (all.length === 0) return;
  const now = clock.now();
  terminal.out('');
  terminal.table(
    all.map((account) => [
      account.profile,
      accountState(account),
      account.issuer === null ? '-' : (URL.parse(account.issuer)?.host ?? account.issuer),
      untilText(account, now),
      account.refreshed === null ? '-' : shortTimeText(account.refreshed, now),
      account.scopes.join(' ') || '-',
    ]),
    ['PROFILE', 'ACCOUNT', 'AT', 'UNTIL', 'REFRESHED', 'SCOPES'],
  );
  for (const { profile, detail } of all) if (detail !== null) terminal.out(`\n${profile}: ${detail}`);
}

/** Until when a token is valid; of one that has ended whether it is refreshed. */
function untilText({ expires, renewable }: ShownAccount, now: number): string {
  if (expires === null) return '-';
  return renewable && Date.parse(expires) <= now ? 'next use' : shortTimeText(expires, now);
}

function printStatus(
  terminal: Terminal,
  { daemon, store, audit, profiles, sessions, planted = [], credentials }: Status,
  version: string,
): void {
  const broken = profiles.filter((profile) => profile.broken !== undefined);
  const detail = (text: string | undefined): string => (text === undefined ? '' : `: ${text}`);
  const lines: [string, string][] = [
    [
      'daemon',
      `pid ${daemon.pid}, version ${daemon.version}, up ${formatUptime(daemon.uptime)}, ${formatMemory(daemon.memory)}`,
    ],
    [
      'peers',
      daemon.peer === 'folder permissions'
        ? "checked only by the folder's permissions"
        : `checked by ${daemon.peer}`,
    ],
    ['store', `${store.kind ?? 'none'}, ${store.state}${detail(store.detail)}`],
    ['audit', `${audit.seq} records, ${audit.signed ? 'signed' : 'not signed'}${detail(audit.detail)}`],
    [
      'profiles',
      `${profiles.length}${broken.length === 0 ? '' : `, ${terminal.paint('red', `${broken.length} broken`)}`}`,
    ],
    ['sessions', String(sessions.length)],
    ...(credentials.locked
      ? [['locked', `${terminal.paint('red', 'no credential is used')}: "warder unlock"`] as [string, string]]
      : []),
    ...credentials.revoked.map((name, index): [string, string] => [index === 0 ? 'revoked' : '', name]),
  ];
  terminal.table(lines.map(([name, value]) => [terminal.paint('bold', name), value]));
  if (daemon.version !== version) {
    terminal.out(
      `\nthis program is version ${version}: the next session starts its daemon, and those that are open go on`,
    );
  }
  for (const { broken: reason } of broken) terminal.out(`\n${reason}`);
  for (const doubt of credentials.doubted) terminal.out(`\n${expiryLine(doubt)}`);
  for (const path of planted) terminal.out(`\n${plantedLine(path)}`);
  if (sessions.length > 0) printSessions(terminal, sessions);
}

function printSessions(terminal: Terminal, sessions: readonly SessionStatus[]): void {
  terminal.out('');
  const now = clock.now();
  terminal.table(
    sessions.map((session) => {
      const { id, profile, host, server, since, calls, inflight, sandbox, network } = session;
      return [
        id.slice(0, SHOWN_ID),
        profile,
        `${host.exe?.split('/').at(-1) ?? '?'} (${host.pid})`,
        serverCell(server),
        shortTimeText(since, now),
        inflight > 0 ? `${calls}, ${inflight} open` : String(calls),
        sandboxCell(terminal, session),
        networkCell(sandbox, network),
      ];
    }),
    ['SESSION', 'PROFILE', 'HOST', 'SERVER', 'SINCE', 'CALLS', 'SANDBOX', 'NETWORK'],
  );
  for (const session of sessions) {
    const missing = missingLayers(session);
    if (missing.length > 0)
      terminal.out(`\nsession ${shown(session)} runs without these layers: ${missing.join(', ')}`);
  }
  for (const session of sessions.filter(heldUp)) terminal.out(`\n${holdLine(session)}`);
  for (const session of sessions) {
    const { profile, refused = [], held = 0, blocked = null } = session;
    if (blocked !== null) terminal.out(`\nsession ${shown(session)} is held back whole: ${blocked}`);
    else if (held > 0) {
      terminal.out(
        `\nsession ${shown(session)}: ${pluralize(held, 'thing')} that its server lists or says held back: "warder trust diff ${profile}"`,
      );
    }
    for (const host of refused)
      terminal.out(`\nsession ${shown(session)} was refused ${refusalLine(profile, host)}`);
  }
}

/** `"/p/.mcp.json" was planted by the server of demo: it is now "…"`. */
function plantedLine({ path, profile, put_away }: PlantedPath): string {
  return put_away === undefined
    ? `"${path}", which other programs obey, has changed while the server of ${profile} could write it: look at it`
    : `"${path}", which other programs obey, was planted by the server of ${profile}: it is now "${put_away}"`;
}

/** A session that held up the others for longer is named. Milliseconds. */
const SLOW_TURN = 50;

function heldUp({ loop_ms, gate_loop_ms }: SessionStatus): boolean {
  return Math.max(loop_ms, gate_loop_ms) > SLOW_TURN;
}

/** `session 1f2e (github) held up all others for 80 ms, by its gate for 120 ms`. */
function holdLine(session: SessionStatus): string {
  const { loop_ms, gate_loop_ms } = session;
  const parts = [
    ...(loop_ms > SLOW_TURN ? [`for ${loop_ms} ms`] : []),
    ...(gate_loop_ms > SLOW_TURN ? [`by its gate for ${gate_loop_ms} ms`] : []),
  ];
  return `session ${shown(session)} held up all others ${parts.join(', ')}`;
}

/** How many characters of a session's id are shown: as many as tell one from another. */
const SHOWN_ID = 8;

/** `1f2e3d4c (github)`. */
function shown({ id, profile }: SessionStatus): string {
  return `${id.slice(0, SHOWN_ID)} (${profile})`;
}

/** Its process, or why there is none. */
function serverCell({ started, idle, spare, pid }: SessionStatus['server']): string {
  if (spare !== undefined) return `${spare}, spare`;
  if (started === false) return idle === true ? 'ended, idle' : 'not started';
  return String(pid ?? '-');
}

/** `full`, or which sandbox it is. */
function sandboxCell(terminal: Terminal, session: SessionStatus): string {
  const { sandbox, layers } = session;
  if (sandbox === 'off') return terminal.paint('red', 'off');
  if (session.server.started === false) return '-';
  if (layers.includes('remote')) return 'remote';
  if (layers.includes('seatbelt-unmeasured')) return 'seatbelt';
  if (missingLayers(session).length > 0) return terminal.paint('yellow', 'not full');
  return layers.includes('landlock') ? 'landlock' : 'full';
}

/** The layers that a sandbox of its kind has and this one does not. What macOS does not report is not looked for. */
function missingLayers({ sandbox, server, layers, network }: SessionStatus): string[] {
  if (
    server.started === false ||
    sandbox === 'off' ||
    layers.includes('remote') ||
    layers.includes('seatbelt-unmeasured')
  )
    return [];
  const expected = layers.includes('landlock')
    ? [...LANDLOCK_LAYERS, 'signals']
    : [...REQUIRED_LAYERS, 'cgroups', ...(network.length > 0 ? ['egress-gate'] : [])];
  return expected.filter((layer) => !layers.includes(layer));
}

/** How many network entries of a session are shown, and how many characters of them. */
const MAX_LISTED = 2;
const MAX_NETWORK = 40;

/** `api.github.com, *.example.com +3`. */
function networkCell(sandbox: 'on' | 'off', network: readonly string[]): string {
  if (sandbox === 'off') return 'all';
  if (network.length === 0) return 'none';
  const listed = network.slice(0, MAX_LISTED).join(', ').length > MAX_NETWORK ? 1 : MAX_LISTED;
  const more = network.length > listed ? ` +${network.length - listed}` : '';
  return `${network.slice(0, listed).join(', ')}${more}`;
}

/** `github/token may have expired: api.github.com answered 401 at 19:20`, in local time. */
function expiryLine({ name, host, status, since }: Status['credentials']['doubted'][number]): string {
  const time = new Date(since);
  const two = (number: number): string => String(number).padStart(2, '0');
  const day =
    time.toDateString() === new Date().toDateString()
      ? ''
      : `on ${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} `;
  const fault = status === 401 ? 'may have expired' : 'may have expired, or lack a permission';
  return `${name} ${fault}: ${host} answered ${status} ${day}at ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** Milliseconds as `3d 4h`, `2h 5m`, `3m 20s` or `7s`. */
function formatUptime(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

function formatMemory(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

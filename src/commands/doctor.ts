// warder doctor: checks everything that a session needs, in the order in which it needs it, and tells how to repair what
// it finds. The daemon makes the checks that only it can make (the store, who connects). doctor therefore starts a
// daemon if none runs, which is a check as well.
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { verifyFolder, verifySocket } from '../os/socket.ts';
import type { Check } from '../wire/control.ts';
import type { Places } from '../wire/places.ts';
import type { Context } from './command.ts';

/** The oldest Node that Warder supports: `engines` in package.json. */
const MIN_NODE = [22, 22] as const;
/** How deep a folder is searched, and how many files one finding names. */
const MAX_DEPTH = 3;
const MAX_LISTED = 5;

export function doctorCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'doctor',
    builder: (yargs) => yargs.example('warder doctor --json', 'exit code 1 if a check fails'),
    handler: () => doctor(context),
  };
}

async function doctor(context: Context): Promise<void> {
  const { places, terminal, json } = context;
  const { checkHosts } = await import('./doctor/host-checks.ts');
  const { checkLaunchCommand } = await import('./doctor/launch-check.ts');
  const { checkCertificates: authorities, checkLocks: locks } = await import('./doctor/settings-checks.ts');
  const { checkImports: imports } = await import('./doctor/import-checks.ts');
  using progress = terminal.progress('checking the daemon and the sandbox', { isGeneral: true });
  const checks = [
    checkNode(process.versions.node),
    checkLaunchCommand(context),
    ...checkFiles(places, process.getuid?.() ?? -1),
    await checkSettings(places),
    ...authorities(places),
    locks(places),
    ...(await checkProfiles(places)),
    ...imports(places),
    ...(await checkDaemon(context)),
    ...(await checkHosts(context)),
  ];
  progress.step('verifying the audit log');
  checks.push(await checkAudit(context));
  const ok = checks.every(({ state }) => state !== 'fail');
  if (!ok) context.exit(1);
  if (json) {
    terminal.json({ ok, checks });
    return;
  }
  const style = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
  for (const { name, state, detail, hint } of checks) {
    terminal.out(`${terminal.paint(style[state], state.padEnd(4))}  ${name}: ${detail}`);
    if (hint !== undefined) terminal.out(`      ${hint}`);
  }
}

function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const current = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  const detail = `${version} at ${process.execPath}`;
  if (current) return { name: 'node', state: 'ok', detail };
  return { name: 'node', state: 'fail', detail, hint: `install Node ${MIN_NODE.join('.')} or later` };
}

/** Folders and files must belong to the user, and be closed to others. */
function checkFiles(places: Places, uid: number): Check[] {
  const { config, state, run, socket } = places;
  const checks: Check[] = [];
  // Settings and profiles contain no secrets: others may read them, but not write them.
  for (const [name, root, mask] of [
    ['settings and profiles', config, 0o022],
    ['state', state, 0o077],
    ['run', run, 0o077],
  ] as const) {
    const open = findOpenPaths(root, uid, mask, MAX_DEPTH);
    const [first] = open;
    if (first === undefined) {
      checks.push({ name, state: 'ok', detail: `${root} is closed to others` });
      continue;
    }
    const more = open.length > MAX_LISTED ? ` and ${open.length - MAX_LISTED} more` : '';
    checks.push({
      name,
      state: 'fail',
      detail: `others have access to ${open.slice(0, MAX_LISTED).join(', ')}${more}`,
      hint: `run "chown -R ${uid} ${root}" and "chmod -R ${mask === 0o022 ? 'go-w' : 'go='} ${root}"`,
    });
  }
  checks.push(
    runCheck('socket', () => {
      const folder = socket.slice(0, socket.lastIndexOf('/'));
      const there = verifyFolder(folder, uid) && verifySocket(socket, uid);
      return there ? `${socket} is yours alone` : `${socket} is created by the daemon`;
    }),
  );
  return checks;
}

/** `path` and paths below it that belong to another user or have a mode that `mask` forbids. */
function findOpenPaths(path: string, uid: number, mask: number, depth: number): string[] {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  // A link has no mode; its target is checked where it is read. Devices of sandboxes are open to all, and protected by
  // the mode of their folder.
  const modeIgnored = stats.isSymbolicLink() || stats.isCharacterDevice();
  const open = stats.uid !== uid || (!modeIgnored && (stats.mode & mask) !== 0);
  const found = open ? [path] : [];
  if (!stats.isDirectory() || depth === 0) return found;
  try {
    for (const name of readdirSync(path))
      found.push(...findOpenPaths(join(path, name), uid, mask, depth - 1));
  } catch {
    return [...found, path];
  }
  return found;
}

async function checkSettings(places: Places): Promise<Check> {
  const { loadSettings, settingsPath } = await import('../profile/settings.ts');
  return runCheck('settings', () => {
    loadSettings(places);
    return settingsPath(places);
  });
}

async function checkProfiles(places: Places): Promise<Check[]> {
  const { listProfiles, loadProfile } = await import('../profile/load.ts');
  const { names, misnamed } = listProfiles(places);
  const checks = names
    .map((name) => runCheck(`profile ${name}`, () => loadProfile(places, name).file))
    .filter(({ state }) => state !== 'ok');
  for (const [name, detail] of misnamed)
    checks.push({ name: `file ${name}`, state: 'warn', detail, hint: 'rename it' });
  if (checks.length === 0) return [{ name: 'profiles', state: 'ok', detail: `${names.length}, all valid` }];
  return checks;
}

/** Whether a daemon runs or can be started, and the checks that it makes. */
async function checkDaemon(context: Context): Promise<Check[]> {
  try {
    await using control = await context.control();
    const { daemon } = await control.request('status', {});
    const { checks } = await control.request('doctor', {});
    const { checkProxyLogin: proxyLogin } = await import('./doctor/settings-checks.ts');
    const detail = `runs: pid ${daemon.pid}, version ${daemon.version}`;
    const version: Check =
      daemon.version === context.version
        ? { name: 'daemon', state: 'ok', detail }
        : {
            name: 'daemon',
            state: 'warn',
            detail: `${detail}; this program is version ${context.version}`,
            hint: 'run "warder stop": the next session starts the daemon of this version',
          };
    const { checkRemoteServers: remote } = await import('./doctor/remote-checks.ts');
    const { checkOrphans: orphans } = await import('./doctor/import-checks.ts');
    return [
      version,
      ...checks,
      ...(await proxyLogin(context.places, control)),
      ...(await orphans(context.places, control)),
      ...(await remote(context.places, control)),
    ];
  } catch (error) {
    return [failedCheck('daemon', error)];
  }
}

/** Verifies the log as "audit verify" does: it has to contain the record that the credential store has as the last signed. */
async function checkAudit(context: Context): Promise<Check> {
  const { audit, state } = context.places;
  const name = 'audit log';
  try {
    const [{ verify }, { findSignedPoint }, { loadSettings }] = await Promise.all([
      import('../audit/verify.ts'),
      import('./audit/signed-point.ts'),
      import('../profile/settings.ts'),
    ]);
    const { point, unknown } = await findSignedPoint(context);
    const { checkpoint } = loadSettings(context.places).audit;
    const { ok, records, problems } = await verify({
      path: audit,
      state,
      checkpoint,
      ...(point !== undefined && { signed: point }),
    });
    if (ok) {
      const known = unknown === undefined ? '' : `; the last signed record is not known: ${unknown}`;
      const detail = records === 0 ? 'none yet' : `${records} records, none altered${known}`;
      return { name, state: 'ok', detail };
    }
    const [first] = problems;
    if (problems.every(({ kind }) => kind === 'unsigned-tail')) {
      const hint = 'everything else verifies; "warder status" says why nothing is signed';
      return { name, state: 'warn', detail: first?.detail ?? '', hint };
    }
    return {
      name,
      state: 'fail',
      detail: first?.detail ?? 'altered',
      hint: 'keep a copy of the log first, then run "warder audit verify" to see all problems',
    };
  } catch (error) {
    return failedCheck(name, error);
  }
}

function runCheck(name: string, detail: () => string): Check {
  try {
    return { name, state: 'ok', detail: detail() };
  } catch (error) {
    return failedCheck(name, error);
  }
}

function failedCheck(name: string, error: unknown): Check {
  const { message, hint } =
    error instanceof WarderError ? error : new WarderError('daemon-internal', String(error));
  return { name, state: 'fail', detail: message, ...(hint !== undefined && { hint }) };
}

import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { CommandModule } from 'yargs';
import { EXIT, WarderError } from '../errors.ts';
import { writeFileAtomic } from '../os/file.ts';
import { homeFolder } from '../os/home.ts';
import { ownerOf } from '../os/lock.ts';
import type { Context } from './command.ts';
import { launchdAgent, type ServiceInput, systemdService, systemdSocket } from './daemon/service-files.ts';
import { ensureLaunchCommand, launchCommandPath } from './launch-command.ts';
import { showStatus } from './status.ts';
import { stop } from './stop.ts';

const SYSTEMCTL_TIMEOUT = 30_000;

/** `daemon run|start|stop|status|install|uninstall`. */
export function daemonCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'daemon',
    builder: (yargs) =>
      yargs
        // `bin/warder.js` runs the daemon's own program instead.
        .command('run', 'run the daemon in the foreground', {}, () => {
          throw new WarderError('usage', 'daemon run takes no options', { hint: 'use "warder daemon run"' });
        })
        .command('start', 'start the daemon if none runs', {}, () => start(context))
        .command('stop', 'the same as "warder stop"', {}, () => stop(context))
        .command('status', 'the same as "warder status"; exit code 69 if no daemon runs', {}, async () => {
          if (!(await showStatus(context))) context.exit(EXIT['daemon-unreachable']);
        })
        .command('install', 'let the system start the daemon: systemd or launchd', {}, () => install(context))
        .command('uninstall', 'undo "install"', {}, () => uninstall(context))
        .demandCommand(1),
    handler() {},
  };
}

async function start({ control, terminal, json }: Context): Promise<void> {
  await using connection = await control();
  const { daemon } = await connection.request('status', {});
  if (json) terminal.json({ pid: daemon.pid, version: daemon.version });
  else terminal.out(`the daemon runs: its pid is ${daemon.pid}`);
}

/** A file of the system's service manager. */
interface ServiceFile {
  readonly path: string;
  text(input: ServiceInput): string;
}

function serviceFiles(): ServiceFile[] {
  if (process.platform === 'darwin') {
    return [{ path: join(homeFolder(process.env), 'Library/LaunchAgents/warder.plist'), text: launchdAgent }];
  }
  const { XDG_CONFIG_HOME: config } = process.env;
  const folder = join(
    config?.startsWith('/') ? config : join(homeFolder(process.env), '.config'),
    'systemd/user',
  );
  return [
    { path: join(folder, 'warder.service'), text: systemdService },
    { path: join(folder, 'warder.socket'), text: systemdSocket },
  ];
}

async function install(context: Context): Promise<void> {
  const { places, terminal, json } = context;
  const owner = ownerOf(places.lock);
  if (owner !== undefined) {
    throw new WarderError('daemon-running', `a daemon runs: its pid is ${owner.pid}`, {
      hint: 'run "warder stop" first, so that the system can start the next one',
    });
  }
  const { socket, variables } = places;
  const launch = ensureLaunchCommand(context, { take: true });
  if (!json) for (const note of launch.notes) terminal.out(note);
  const wrote: string[] = [];
  for (const { path, text } of serviceFiles()) {
    try {
      writeFileAtomic(path, text({ launch: launch.path, socket, variables }));
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot write ${path}`, { cause });
    }
    wrote.push(path);
    if (!json) terminal.out(`wrote ${path}`);
  }
  const enable =
    process.platform === 'darwin'
      ? `launchctl load -w ${wrote[0]}`
      : 'systemctl --user enable --now warder.socket';
  const enabled =
    process.platform === 'linux' &&
    (await systemctl('daemon-reload')) &&
    (await systemctl('enable', '--now', 'warder.socket'));
  if (json) terminal.json({ wrote, enabled, enable });
  else terminal.out(enabled ? 'enabled: the next session starts the daemon' : `enable it with: ${enable}`);
}

async function uninstall(context: Context): Promise<void> {
  const { terminal, json } = context;
  const found = serviceFiles().filter(({ path }) => existsSync(path));
  if (process.platform === 'linux' && found.length > 0) {
    await systemctl('disable', '--now', 'warder.socket', 'warder.service');
  }
  const removed: string[] = [];
  for (const { path } of found) {
    try {
      rmSync(path);
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot remove ${path}`, { cause });
    }
    removed.push(path);
    if (!json) terminal.out(`removed ${path}`);
  }
  if (process.platform === 'linux' && found.length > 0) await systemctl('daemon-reload');
  const launch = launchCommandPath(context);
  if (json) terminal.json({ removed, launchCommand: launch ?? null });
  else if (removed.length === 0) terminal.out('nothing is installed');
  else if (launch !== undefined)
    terminal.out(
      `${launch} stays, because hosts start their servers with it: a session starts the daemon again`,
    );
}

/** Whether `systemctl --user` succeeded; `false` also if there is no systemctl or no user manager. */
async function systemctl(...words: string[]): Promise<boolean> {
  try {
    await promisify(execFile)('systemctl', ['--user', ...words], { timeout: SYSTEMCTL_TIMEOUT });
    return true;
  } catch {
    return false;
  }
}

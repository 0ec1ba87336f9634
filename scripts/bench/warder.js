// Warder as it is installed, for a benchmark: a home of its own, profiles, a daemon, and the launch command that hosts start.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeLaunchCommand } from '../../src/os/launch-command.ts';
import { environment } from './client.js';

const program = join(import.meta.dirname, '../../bin/warder.js');

/** A credential of every profile, so that redaction is part of every figure. */
const SECRET = 'bench-credential-0123456789';
const credentials = {
  TOKEN: { from: { command: ['/bin/echo', SECRET], ttl: '1h' }, deliver: 'env' },
};

export class Warder {
  /** `home`: a new folder. `extra`: variables for its programs. */
  constructor(home, extra = {}) {
    this.home = home;
    this.program = [program];
    this.env = environment({ WARDER_HOME: home, ...extra });
    mkdirSync(join(home, 'config/profiles'), { recursive: true, mode: 0o700 });
    this.settings({});
    this.launchCommand = join(home, 'launch/warder');
    mkdirSync(join(home, 'launch'), { mode: 0o700 });
    writeLaunchCommand(this.launchCommand, { node: process.execPath, program });
  }

  settings(more) {
    const text = JSON.stringify({ consent: { 'first-use': 'accept' }, ...more });
    writeFileSync(join(this.home, 'config/warder.yaml'), text, { mode: 0o600 });
  }

  /** Writes a profile that runs a command, without the sandbox unless `more` says otherwise. */
  profile(name, [command, ...args], { server, ...more } = { sandbox: { off: true } }) {
    const profile = {
      server: { command, args, start: 'eager', ...server },
      credentials,
      policy: { default: 'allow' },
      ...more,
    };
    writeFileSync(join(this.home, `config/profiles/${name}.yaml`), JSON.stringify(profile), { mode: 0o600 });
  }

  /** Has the server of a profile that Warder has written start so. */
  startAs(name, start) {
    const file = join(this.home, `config/profiles/${name}.yaml`);
    const text = readFileSync(file, 'utf8').replace(/^server:\n/m, `server:\n  start: ${start}\n`);
    if (!text.includes(`start: ${start}`)) throw new Error(`${file} has no server`);
    writeFileSync(file, text, { mode: 0o600 });
  }

  /** What a host starts. */
  run(profile) {
    return [this.launchCommand, 'run', profile];
  }

  /** The launcher in Node, which is the fallback. */
  runByNode(profile) {
    return [process.execPath, program, 'run', profile];
  }

  /** Runs the command line to its end, and returns what it printed. */
  says(...words) {
    return execFileSync(process.execPath, [program, ...words], {
      env: this.env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  start() {
    this.says('daemon', 'start');
    this.pid = this.status().daemon.pid;
    return this;
  }

  status() {
    return JSON.parse(this.says('status', '--json'));
  }

  /** Ends the daemon at once. */
  kill() {
    try {
      if (this.pid !== undefined) process.kill(this.pid, 'SIGKILL');
    } catch {
      // It has ended before.
    }
    this.pid = undefined;
  }

  stop() {
    if (this.pid !== undefined) this.says('stop');
    this.pid = undefined;
  }

  [Symbol.dispose]() {
    this.stop();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

// A clean home for one host, with Warder in it, and the processes that run there.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const warderScript = join(import.meta.dirname, '../../bin/warder.js');
/** Milliseconds for one command of Warder: an import fetches packages, and starts servers. */
const TIMEOUT = 300_000;

/** A clean home of one host, and what runs in it. */
export class Home {
  /** `folder` has the homes, `cache` the packages of hosts and of npm. */
  constructor(id, folder, cache) {
    this.id = id;
    this.dir = join(folder, id);
    this.project = join(this.dir, 'project');
    mkdirSync(this.project, { recursive: true });
    const path = `${join(cache, id, 'node_modules/.bin')}:${process.env.PATH}`;
    this.env = { PATH: path, HOME: this.dir, TERM: 'dumb', LANG: 'C.UTF-8', NO_COLOR: '1' };
    // The registry and the certificates of this machine are the only things that a home has of the outside.
    const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
    const settings = [`registry=${registry}`, `cache=${join(cache, 'npm')}`];
    const certificates = process.env.NODE_EXTRA_CA_CERTS;
    if (certificates !== undefined) {
      this.env.NODE_EXTRA_CA_CERTS = certificates;
      settings.push(`cafile=${certificates}`);
    }
    writeFileSync(join(this.dir, '.npmrc'), `${settings.join('\n')}\n`);
  }

  /** Runs `warder` to its end. Throws if it fails. */
  async warder(words, input = '') {
    const child = spawn(process.execPath, [warderScript, ...words], {
      env: this.env,
      cwd: this.project,
      timeout: TIMEOUT,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    child.stdin.end(input);
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0)
      throw new Error(`warder ${words[0]} ended with ${code}: ${stderr.trim() || stdout.trim()}`);
    return stdout;
  }

  async facts(...words) {
    return JSON.parse(await this.warder([...words, '--json']));
  }

  /** A person in another terminal, who says yes to each question. */
  person() {
    const child = spawn(process.execPath, [warderScript, 'approvals', '--watch', '--json'], {
      env: this.env,
      cwd: this.project,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const answered = new Set();
    createInterface({ input: child.stdout }).on('line', (line) => {
      for (const { id } of JSON.parse(line)) {
        if (answered.has(id)) continue;
        answered.add(id);
        // A question may be gone by then: its host has given up.
        this.warder(['approve', id]).catch(() => {});
      }
    });
    return {
      answered,
      [Symbol.asyncDispose]: async () => {
        child.kill();
        await ended;
      },
    };
  }

  /** Ends what is left in this home: the daemon, and whatever a host has left behind. Returns the names of the latter. */
  async end() {
    await this.warder(['stop']).catch(() => {});
    const left = processes().filter(({ environ }) => environ.includes(`HOME=${this.dir}\0`));
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    return left.map(({ name }) => name);
  }
}

/** The processes of this machine whose environment can be read. */
function processes() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const read = (what) => readFileSync(`/proc/${pid}/${what}`, 'latin1');
        return [
          { pid: Number(pid), name: read('comm').trim(), argv: read('cmdline'), environ: read('environ') },
        ];
      } catch {
        return [];
      }
    });
}

/** Watches for a secret in any process's environment or arguments, and for a server that should not have it. */
export function watchFor(secret, server) {
  const found = { holders: new Set(), seen: false };
  const timer = setInterval(() => {
    for (const { name, argv, environ } of processes()) {
      if (argv.includes(server)) found.seen = true;
      if (environ.includes(secret) || argv.includes(secret)) found.holders.add(name);
    }
  }, 100);
  return { found, [Symbol.dispose]: () => clearInterval(timer) };
}

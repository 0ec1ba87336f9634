// What no single key of a profile shows: keys that exclude each other, and names that are not to be had. A key
// that could have no effect is a mistake: somebody wrote it and counts on it.
import { rangeProblem } from './address-range.ts';
import type { Diagnostic, Path } from './diagnostic.ts';
import type { YamlDocument } from './document.ts';
import type { ProfileFile } from './schema.ts';
import { parseDuration, parseSize } from './units.ts';
import { BASE_VARIABLES, isLoaderVariable } from './variable.ts';

/** Ports that are well known to be no HTTP over TLS. */
const NON_HTTPS_PORTS: Readonly<Record<number, string>> = {
  21: 'FTP',
  22: 'SSH',
  25: 'mail',
  53: 'DNS',
  80: 'HTTP without TLS',
  465: 'mail',
  587: 'mail',
  993: 'mail',
  1433: 'SQL Server',
  1521: 'Oracle',
  3306: 'MySQL',
  5432: 'PostgreSQL',
  5671: 'AMQP',
  6379: 'Redis',
  9092: 'Kafka',
  27017: 'MongoDB',
};

/** What is spoken at a port, where that is well known to be no HTTP over TLS. */
export function nonHttpsProtocol(port: number): string | undefined {
  return NON_HTTPS_PORTS[port];
}

const DNS_PORT_MESSAGE = "is the port of names, which Warder itself answers in a server's sandbox";

/** The mistakes of a file that the schema took. */
export function crossCheck(file: ProfileFile, document: YamlDocument): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  const wrong = (path: Path, what: string, hint?: string): void =>
    void mistakes.push(document.diagnose(path, what, { key: true, hint }));
  const { server, env = {}, credentials = {}, sandbox } = file;

  const kinds = (['package', 'command', 'url'] as const).filter((kind) => server[kind] !== undefined);
  if (kinds.length === 0) wrong(['server'], 'needs one of "package", "command" and "url"');
  if (kinds.length > 1) wrong(['server', kinds[1] ?? ''], `cannot stand beside "${kinds[0]}"`);
  if (server.bin !== undefined && server.package === undefined) wrong(['server', 'bin'], 'needs "package"');
  const { command } = server;
  if (command?.includes('/') && !/^([/~]|[A-Za-z]:)/.test(command) && server.cwd === undefined) {
    wrong(['server', 'command'], 'is a relative path, and no "cwd" says to what', 'give the absolute path');
  }
  if (server.url !== undefined) {
    const problem = urlProblem(server.url);
    if (problem !== undefined) wrong(['server', 'url'], problem);
    for (const key of ['args', 'cwd'] as const) {
      if (server[key] !== undefined) wrong(['server', key], 'has no meaning for a remote server');
    }
    for (const key of ['env', 'sandbox'] as const) {
      if (file[key] !== undefined) wrong([key], 'has no meaning for a remote server');
    }
  }

  const files = Object.keys(credentials).filter((name) => credentials[name]?.deliver === 'file');
  const reserved = new Set(['CREDENTIALS_DIRECTORY', ...files.map((name) => `${name}_FILE`)]);
  for (const [part, names] of [
    ['env', Object.keys(env)],
    ['credentials', Object.keys(credentials)],
  ] as const) {
    for (const name of names) {
      if (isLoaderVariable(name)) {
        wrong(
          [part, name],
          'makes programs load or run other code, and is not passed on',
          'say it in "args" if you can',
        );
      }
      if (reserved.has(name) || name.startsWith('WARDER_')) wrong([part, name], 'is set by Warder itself');
      if (part === 'env' && Object.hasOwn(credentials, name)) wrong([part, name], 'is a credential too');
    }
  }
  for (const [name, credential] of Object.entries(credentials)) {
    const deliver = credential.deliver ?? 'sealed';
    if (deliver !== 'file' && BASE_VARIABLES.includes(name)) {
      wrong(['credentials', name], 'is set for every server, and no credential replaces it');
    }
    if (deliver !== 'sealed') {
      for (const key of ['hosts', 'as', 'paths', 'methods', 'confirm', 'lifetime', 'max-uses'] as const) {
        if (credential[key] === undefined) continue;
        wrong(
          ['credentials', name, key],
          `cannot be held to with "deliver: ${deliver}"`,
          'say "deliver: sealed"',
        );
      }
      if (server.url !== undefined) {
        wrong(['credentials', name, 'deliver'], 'must be sealed for a remote server');
      }
    }
    if (deliver === 'sealed') {
      const said = credential.deliver === undefined ? [] : (['deliver'] as const);
      if (sandbox?.off === true) {
        wrong(
          ['credentials', name, ...said],
          'cannot be sealed without a sandbox: the server could take it',
          'take "off: true" out, or say "deliver: env", knowing that the server then holds the secret',
        );
      } else if (credential.hosts === undefined && server.url === undefined) {
        wrong(
          ['credentials', name, ...said],
          'is sealed, and no "hosts" says where it may be used',
          'list the hosts, or say "deliver: env": the server then holds the secret',
        );
      }
      for (const [at, host] of (credential.hosts ?? []).entries()) {
        const protocol = nonHttpsProtocol(Number(/:(\d+)$/.exec(host)?.[1] ?? 443));
        if (protocol === undefined) continue;
        wrong(
          ['credentials', name, 'hosts', at],
          `is the port of ${protocol}, into which the gate cannot put a secret`,
          'say "deliver: env" or "deliver: file", and list the host under "sandbox.network"',
        );
      }
    }
    if (typeof credential.from === 'object') {
      const { ttl } = credential.from;
      if (ttl !== undefined && (parseDuration(ttl) ?? 0) < 1000) {
        wrong(['credentials', name, 'from', 'ttl'], 'must be at least 1s');
      }
    }
  }
  if (sandbox?.off === true) {
    for (const key of Object.keys(sandbox).filter((key) => key !== 'off')) {
      wrong(['sandbox', key], 'cannot hold beside "off: true"');
    }
  }
  for (const [at, entry] of (sandbox?.network ?? []).entries()) {
    const problem = entry.endsWith(':53') ? DNS_PORT_MESSAGE : rangeProblem(entry);
    if (problem !== undefined) wrong(['sandbox', 'network', at], problem);
  }
  if (sandbox?.memory !== undefined && (parseSize(sandbox.memory) ?? 0) < 2 ** 20) {
    wrong(['sandbox', 'memory'], 'must be at least 1MiB');
  }
  return mistakes;
}

function urlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return 'must be a URL';
  if (url.username !== '' || url.password !== '') return 'must not hold a user or password';
  if (url.hash !== '') return 'must not have a fragment';
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return url.protocol === 'https:' || (loopback && url.protocol === 'http:')
    ? undefined
    : 'must begin with https://';
}

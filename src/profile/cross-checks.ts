// Checks across the keys of a profile, which the schema of one key cannot make: keys that exclude each other, and
// reserved names. A key that would have no effect is an error, because whoever wrote it relies on it.
import { rangeProblem } from './address-range.ts';
import { hasBrokenReference, referencedCredentials } from './argument-credentials.ts';
import type { Diagnostic, Path } from './diagnostic.ts';
import type { YamlDocument } from './document.ts';
import { checkRemote, nonHttpsProtocol } from './remote-checks.ts';
import type { ProfileFile } from './schema.ts';
import { signingProblem } from './signing.ts';
import { parseDuration, parseSize } from './units.ts';
import { BASE_VARIABLES, isLoaderVariable } from './variable.ts';

/** What is wrong with port 53. */
export const DNS_PORT_MESSAGE = "is the DNS port, which Warder itself answers in a server's sandbox";

/** The problems of a file that the schema accepted. */
export function crossCheck(file: ProfileFile, document: YamlDocument): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const report = (path: Path, message: string, hint?: string): void =>
    void diagnostics.push(document.diagnose(path, message, { key: true, hint }));
  const { server, env = {}, sandbox } = file;
  // A remote server has none: `checkRemote` says so.
  const credentials = server.url === undefined ? (file.credentials ?? {}) : {};

  const kinds = (['package', 'command', 'url'] as const).filter((kind) => server[kind] !== undefined);
  if (kinds.length === 0) report(['server'], 'needs one of "package", "command" and "url"');
  if (kinds.length > 1) report(['server', kinds[1] ?? ''], `cannot be combined with "${kinds[0]}"`);
  if (server.bin !== undefined && server.package === undefined) report(['server', 'bin'], 'needs "package"');
  const { command } = server;
  if (command?.includes('/') && !/^([/~]|[A-Za-z]:)/.test(command) && server.cwd === undefined) {
    report(['server', 'command'], 'is a relative path, and there is no "cwd"', 'give the absolute path');
  }
  if (server.idle !== undefined && server.start === 'eager')
    report(['server', 'idle'], 'has no effect with "start: eager"', 'a server that comes back starts late');
  if (server.idle !== undefined && (parseDuration(server.idle) ?? 0) < 1000)
    report(['server', 'idle'], 'must be at least 1s');
  checkRemote(file, report);

  const files = Object.keys(credentials).filter((name) => credentials[name]?.deliver === 'file');
  const reserved = new Set(['CREDENTIALS_DIRECTORY', ...files.map((name) => `${name}_FILE`)]);
  for (const [part, names] of [
    ['env', Object.keys(env)],
    ['credentials', Object.keys(credentials)],
  ] as const) {
    for (const name of names) {
      if (isLoaderVariable(name)) {
        report(
          [part, name],
          'makes programs load or run other code, and is not passed on',
          'pass it in "args" if you can',
        );
      }
      if (reserved.has(name) || name.startsWith('WARDER_')) report([part, name], 'is set by Warder itself');
      if (part === 'env' && Object.hasOwn(credentials, name)) report([part, name], 'is a credential too');
    }
  }
  for (const [index, arg] of (server.args ?? []).entries()) {
    const problem = argumentProblem(arg, credentials);
    if (problem !== undefined) report(['server', 'args', index], problem.what, problem.hint);
  }
  for (const [name, value] of Object.entries(env)) {
    const problem = variableProblem(value, credentials);
    if (problem !== undefined) report(['env', name], problem.what, problem.hint);
  }
  const inArguments = referencedCredentials(server.args ?? []);
  for (const [name, credential] of Object.entries(credentials)) {
    if (credential.deliver === 'arg' && !inArguments.includes(name)) {
      report(
        ['credentials', name, 'deliver'],
        `is "arg", but no argument contains "\${credential:${name}}"`,
        'write it in "server.args" where the value belongs',
      );
    }
    const deliver = credential.deliver ?? 'sealed';
    if (deliver !== 'file' && deliver !== 'arg' && BASE_VARIABLES.includes(name)) {
      report(['credentials', name], 'is set for every server, and a credential cannot replace it');
    }
    if (deliver !== 'sealed') {
      for (const key of [
        'hosts',
        'as',
        'paths',
        'methods',
        'confirm',
        'lifetime',
        'max-uses',
        'issues',
        'unsearched',
        'sign',
      ] as const) {
        if (credential[key] === undefined) continue;
        report(
          ['credentials', name, key],
          `has no effect with "deliver: ${deliver}"`,
          'use "deliver: sealed"',
        );
      }
    }
    if (deliver === 'sealed') {
      const deliverKey = credential.deliver === undefined ? [] : (['deliver'] as const);
      if (sandbox?.off === true) {
        report(
          ['credentials', name, ...deliverKey],
          'cannot be sealed without a sandbox: the server could take it',
          'remove "off: true", or use "deliver: env": the server then holds the secret',
        );
      } else if (credential.hosts === undefined) {
        report(
          ['credentials', name, ...deliverKey],
          'is sealed, but "hosts" is missing: it lists where the credential may be used',
          'list the hosts, or use "deliver: env": the server then holds the secret',
        );
      }
      for (const [index, host] of (credential.hosts ?? []).entries()) {
        const protocol = nonHttpsProtocol(Number(/:(\d+)$/.exec(host)?.[1] ?? 443));
        if (protocol === undefined) continue;
        report(
          ['credentials', name, 'hosts', index],
          `is the port of ${protocol}, into which the gate cannot put a secret`,
          'use "deliver: env" or "deliver: file", and list the host under "sandbox.network"',
        );
      }
    }
    const { issues, sign } = credential;
    if (sign !== undefined) {
      const problem = signingProblem(sign);
      if (problem !== undefined) report(['credentials', name, 'sign', problem.key], problem.message);
      if (sign.scheme === 'aws-sigv4' || sign.scheme === 'hmac') {
        for (const key of ['as', 'issues'] as const)
          if (credential[key] !== undefined)
            report(['credentials', name, key], `has no effect with "sign: {scheme: ${sign.scheme}}"`);
      } else if (credential.as === 'body') {
        report(['credentials', name, 'as'], 'cannot be "body": what is made with a key goes into no body');
      }
    }
    if (issues !== undefined && Object.keys(issues).length === 0) {
      report(['credentials', name, 'issues'], 'says nothing', 'name "members", "as", "paths" or "methods"');
    }
    if (issues?.path !== undefined && issues.members === undefined) {
      report(['credentials', name, 'issues', 'path'], 'has no effect without "members"');
    }
    if (typeof credential.from === 'object') {
      const { ttl } = credential.from;
      if (ttl !== undefined && (parseDuration(ttl) ?? 0) < 1000) {
        report(['credentials', name, 'from', 'ttl'], 'must be at least 1s');
      }
    }
  }
  if (sandbox?.off === true) {
    for (const key of Object.keys(sandbox).filter((key) => key !== 'off')) {
      report(['sandbox', key], 'has no effect with "off: true"');
    }
  }
  for (const [index, entry] of (sandbox?.network ?? []).entries()) {
    const problem = entry.endsWith(':53') ? DNS_PORT_MESSAGE : rangeProblem(entry);
    if (problem !== undefined) report(['sandbox', 'network', index], problem);
  }
  const keepsHome =
    sandbox?.home === 'kept' || (typeof sandbox?.home === 'object' && sandbox.home.kept === true);
  if (keepsHome && env.HOME !== undefined) {
    report(['env', 'HOME'], 'takes the place of the home that "sandbox.home" keeps');
  }
  const homeSize = typeof sandbox?.home === 'object' ? sandbox.home.size : undefined;
  if (homeSize !== undefined && (parseSize(homeSize) ?? 0) < 2 ** 20) {
    report(['sandbox', 'home', 'size'], 'must be at least 1MiB');
  }
  const memory = typeof sandbox?.memory === 'object' ? sandbox.memory.most : sandbox?.memory;
  if (memory !== undefined && (parseSize(memory) ?? 0) < 2 ** 20) {
    report(['sandbox', 'memory'], 'must be at least 1MiB');
  }
  return diagnostics;
}

interface Problem {
  readonly what: string;
  readonly hint: string;
}

/** What is wrong with the credentials in an argument. */
function argumentProblem(
  arg: string,
  credentials: NonNullable<ProfileFile['credentials']>,
): Problem | undefined {
  return referenceProblem(
    arg,
    credentials,
    ['sealed', 'arg'],
    'say "deliver: sealed", or "deliver: arg": the value is then where other programs can read it',
  );
}

/** The same in a variable: it has placeholders only. */
function variableProblem(
  value: string,
  credentials: NonNullable<ProfileFile['credentials']>,
): Problem | undefined {
  return referenceProblem(
    value,
    credentials,
    ['sealed'],
    'say "deliver: sealed"; a server that has to hold the secret gets the whole text as a credential by "deliver: env"',
  );
}

function referenceProblem(
  text: string,
  credentials: NonNullable<ProfileFile['credentials']>,
  allowed: readonly string[],
  instead: string,
): Problem | undefined {
  const hint = `write \${credential:NAME}, with a name under "credentials"`;
  if (hasBrokenReference(text)) return { what: `contains "\${credential:" and no name`, hint };
  for (const name of referencedCredentials([text])) {
    if (!Object.hasOwn(credentials, name))
      return { what: `names "${name}", which is not under "credentials"`, hint };
    const deliver = credentials[name]?.deliver ?? 'sealed';
    if (!allowed.includes(deliver))
      return { what: `names "${name}", which has "deliver: ${deliver}"`, hint: instead };
  }
  return undefined;
}

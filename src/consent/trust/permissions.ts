// What a profile lets its server do, as data that can be compared: a profile that gives more than was accepted is asked
// about, one that gives less is not. How much memory and how many processes it may have is no part of it.
import { fromAuth, type RemoteAuth } from '../../profile/auth.ts';
import type { ProfileCredential } from '../../profile/credential.ts';
import type { Profile, ProfileServer, RemoteServer } from '../../profile/format.ts';
import type { Permissions } from './record.ts';

/** The permissions of a profile. `issuer`: who has issued the token that a remote server is used with. */
export function permissionsOf(profile: Profile, issuer?: string): Permissions {
  const { server, env, credentials, sandbox } = profile;
  if (server.kind === 'url') return remotePermissions(server, issuer);
  return {
    sandbox: sandbox?.off === true ? 'off' : 'on',
    runs: runsOf(server),
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    read: sandbox?.read ?? [],
    write: sandbox?.write ?? [],
    network: sandbox?.network ?? [],
    credentials: credentials.map(describeCredential),
    other: [
      ...(sandbox?.mayPlant ?? []).map((name) => `may-plant ${name}`),
      ...(sandbox?.unixSockets === true ? ['unix-sockets'] : []),
      ...(sandbox?.home.kept === true ? ['a home that is kept'] : []),
    ],
  };
}

function remotePermissions(server: RemoteServer, issuer: string | undefined): Permissions {
  const { url, headers, auth, allowPrivate, insecureLoopback } = server;
  return {
    sandbox: 'remote',
    runs: [`url ${url}`, ...Object.entries(headers).map(([name, value]) => `header ${name}: ${value}`)],
    env: [],
    read: [],
    write: [],
    network: [],
    credentials: [
      ...(auth.type === 'none' ? [] : [describeAuth(auth)]),
      ...(issuer === undefined ? [] : [`a token of ${issuer}`]),
    ],
    other: [
      ...allowPrivate.map((range) => `addresses of ${range}`),
      ...(insecureLoopback ? ['this machine, without TLS'] : []),
    ],
  };
}

/** How a person signs in is no part of it. */
function describeAuth(auth: RemoteAuth): string {
  const { type, flow: _, 'callback-port': __, ...rest } = fromAuth(auth) as Record<string, unknown>;
  const said = Object.entries(rest).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} ${JSON.stringify(value)}`],
  );
  return [type, ...said].join(', ');
}

function runsOf(server: Exclude<ProfileServer, RemoteServer>): string[] {
  const { args, cwd } = server;
  const what =
    server.kind === 'package'
      ? [
          `package ${withoutVersion(server.package)}`,
          ...(server.bin === undefined ? [] : [`bin ${server.bin}`]),
        ]
      : [`command ${server.command}`];
  return [...what, ...args.map((arg, at) => `argument ${at + 1} ${arg}`), `cwd ${cwd ?? '~'}`];
}

/** The version is what its digest says: see the identity of a server. */
function withoutVersion(spec: string): string {
  return spec.replace(/(?<=.)(?:@|==)[^@/=]+$/, '');
}

function describeCredential({ variable, name, deliver, hosts, ...rest }: ProfileCredential): string {
  const { as, paths, methods, confirm, lifetime, maxUses, issues, sign } = rest;
  if (deliver !== 'sealed') return `${variable} ${name} ${deliver}`;
  const bounds = { as, paths, methods, lifetime, maxUses, issues, sign };
  const said = Object.entries(bounds).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} ${JSON.stringify(value)}`],
  );
  const list = [`${variable} ${name} sealed for ${[...hosts].sort().join(' ')}`, ...said];
  return [...list, ...(confirm ? ['confirm'] : [])].join(', ');
}

/** What is given now and was not accepted, a line each; empty if nothing is. */
export function widened(accepted: Permissions, now: Permissions): string[] {
  const lines: string[] = [];
  if (now.sandbox !== accepted.sandbox && now.sandbox !== 'on')
    lines.push(now.sandbox === 'off' ? 'it runs without a sandbox' : 'it runs on another machine');
  const add = (what: string, all: readonly string[], covers: (entry: string) => boolean): void => {
    for (const entry of all) if (!covers(entry)) lines.push(`${what}${entry}`);
  };
  add('it runs: ', now.runs, (entry) => accepted.runs.includes(entry));
  if (now.runs.length < accepted.runs.length && lines.length === 0)
    lines.push(`it runs: with fewer arguments than before`);
  add('its environment: ', now.env, (entry) => accepted.env.includes(entry));
  if (now.sandbox === 'on' && accepted.sandbox === 'on') {
    const readable = [...accepted.read, ...accepted.write];
    add('it may read ', now.read, (path) => readable.some((from) => contains(from, path)));
    add('it may change ', now.write, (path) => accepted.write.some((from) => contains(from, path)));
    add('it may reach ', now.network, (host) => accepted.network.some((from) => reaches(from, host)));
    add('it has ', now.other, (entry) => accepted.other.includes(entry));
  }
  if (now.sandbox === 'remote' && accepted.sandbox === 'remote')
    add('it may be at ', now.other, (entry) => accepted.other.includes(entry));
  const uses = now.sandbox === 'remote' ? 'its requests carry ' : 'it may use the credential ';
  add(uses, now.credentials, (entry) => accepted.credentials.includes(entry));
  return lines;
}

function contains(folder: string, path: string): boolean {
  return path === folder || (path.startsWith(`${folder}/`) && !/(?:^|\/)\.\.(?:\/|$)/.test(path));
}

/** Whether one entry of `network` covers another: the same, or a host below its wildcard at the same port. */
function reaches(from: string, to: string): boolean {
  return from === to || (from.startsWith('*.') && to.length > from.length && to.endsWith(from.slice(1)));
}

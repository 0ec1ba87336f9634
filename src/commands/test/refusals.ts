// What a server was refused during a trial, each with the line of the profile that would allow it. Hosts, credentials and calls
// are in the log. Files are not: a file outside the sandbox does not exist for the server, so its messages are searched for
// paths that exist on this machine.
import type { LogRecord } from '../../audit/read.ts';
import { allowingCommand } from '../../egress/refused-hosts.ts';
import { decide } from '../../policy/decide.ts';
import type { ProfileCredential } from '../../profile/credential.ts';
import type { ProfilePolicy } from '../../profile/format.ts';
import type { PlanSummary } from '../../sandbox/summary.ts';

type Entry = LogRecord['entry'];
type Sealed = Pick<ProfileCredential, 'variable' | 'name' | 'hosts'>;

/** A refusal. `allow` is the command, or the line of the profile, that would allow it; undefined if no single one would. */
export interface Refusal {
  readonly kind: 'file' | 'host' | 'credential' | 'call' | 'socket';
  /** The path, `host:port`, the credential and the host, or the call's method and name. */
  readonly what: string;
  readonly reason: string;
  readonly count: number;
  readonly allow: string | undefined;
}

const MISSING =
  /ENOENT|no such file|not found|cannot find|cannot access|not accessible|inaccessible|does not exist|FileNotFound/i;
const NO_SOCKET = /EAFNOSUPPORT|address family not supported/i;
const FORBIDDEN = /EROFS|EACCES|EPERM|read-only file system|permission denied/i;
const PATH = /(?:^|[\s'"`(=:])(\/[^\s'"`():,;]+)/g;
const UNRESOLVED =
  /(?:(?:ENOTFOUND|EAI_AGAIN|ENODATA)|could not resolve host:|failed to resolve|lookup|no such host:?) ['"]?((?:[a-z0-9_-]+\.)+[a-z]{2,})/gi;

/** Rules by which a call is refused whatever the policy says. */
const BEYOND_POLICY = /^(?:protocol|own|trust\..+|remote\..+)$/;

/** A refusal in one line. */
export function refusalLine({ what, reason, count }: Refusal): string {
  return `${what}: ${reason}${count > 1 ? `, ${count} times` : ''}`;
}

/** The refusals in the records of a session. `credentials`: those of the profile. */
export function recordedRefusals(
  profile: string,
  entries: readonly Entry[],
  credentials: readonly Sealed[] = [],
): Refusal[] {
  const found = entries.flatMap((entry): Refusal[] => {
    const { event, action, outcome, decision, count = 1 } = entry;
    if (event === 'credential.use' && action === 'use' && outcome === 'refused')
      return [credentialRefusal(entry, credentials, Number(count))];
    // A record without a host only sums up those before it.
    if (event === 'egress.connect' && outcome === 'refused' && entry.host !== '')
      return [hostRefusal(profile, entry, Number(count))];
    const isCall = event === 'tool.call' || event === 'request' || event === 'question';
    return isCall && decision === 'deny' ? [callRefusal(entry)] : [];
  });
  return sumUp(found);
}

/** The tools of a server about which a person is asked. */
export function askedTools(policy: ProfilePolicy, tools: readonly string[]): string[] {
  return tools.filter(
    (name) => decide(policy, { kind: 'tools', name, method: 'tools/call' }).decision === 'ask',
  );
}

/** The refusals that a server's messages speak of. `exists` is about this machine, outside the sandbox. */
export function reportedRefusals(
  profile: string,
  stderr: string,
  exists: (path: string) => boolean,
): Refusal[] {
  const found = stderr.split('\n').flatMap((line): Refusal[] => {
    const hosts = [...line.matchAll(UNRESOLVED)].map(([, host = '']): Refusal => {
      const name = host.toLowerCase();
      return {
        kind: 'host',
        what: name,
        reason: 'does not resolve in the sandbox',
        count: 1,
        allow: `warder allow ${profile} ${name}`,
      };
    });
    const forbidden = FORBIDDEN.test(line);
    if (!forbidden && !MISSING.test(line)) return hosts;
    const files = [...line.matchAll(PATH)].flatMap(([, path = '']): Refusal[] => {
      const above = path.slice(0, Math.max(path.lastIndexOf('/'), 1));
      if (forbidden && above !== '/' && exists(above)) {
        const allow = `sandbox: {write: [${JSON.stringify(above)}]}`;
        return [{ kind: 'file', what: path, reason: 'cannot be written in the sandbox', count: 1, allow }];
      }
      if (forbidden || !exists(path)) return [];
      const allow = `sandbox: {read: [${JSON.stringify(path)}]}`;
      return [{ kind: 'file', what: path, reason: 'is not in the sandbox', count: 1, allow }];
    });
    return [...hosts, ...files];
  });
  return sumUp(found);
}

/** A Unix socket that was refused, if messages speak of one and the profile's folders are the reason. */
export function refusedSockets(stderr: string, { allowed, because }: PlanSummary['unixSockets']): Refusal[] {
  if (allowed !== 'none' || because === undefined || !NO_SOCKET.test(stderr)) return [];
  const reason = `sockets of other programs may be in ${because}`;
  return [{ kind: 'socket', what: 'Unix sockets', reason, count: 1, allow: 'sandbox: {unix-sockets: true}' }];
}

/** Adds up equal refusals; of a host that was refused, one that only messages speak of is left out. */
export function mergeRefusals(recorded: readonly Refusal[], reported: readonly Refusal[]): Refusal[] {
  const hosts = new Set(recorded.flatMap(({ kind, what }) => (kind === 'host' ? [hostOf(what)] : [])));
  return sumUp([...recorded, ...reported.filter(({ kind, what }) => kind !== 'host' || !hosts.has(what))]);
}

function hostRefusal(profile: string, entry: Entry, count: number): Refusal {
  const [host, port, reason] = [String(entry.host), Number(entry.port), String(entry.reason)];
  return {
    kind: 'host',
    what: port === 53 ? host : `${host}:${port}`,
    reason,
    count,
    allow: allowingCommand(profile, { host, port, reason }),
  };
}

/** A request into which the gate did not put a credential. */
function credentialRefusal(entry: Entry, credentials: readonly Sealed[], count: number): Refusal {
  const [name, host, port] = [String(entry.credential), String(entry.host), Number(entry.port)];
  const reason = String(entry.reason);
  const at = port === 443 ? host : `${host}:${port}`;
  const credential = credentials.find((one) => one.name === name);
  const line = credential && credentialLine(credential, at, reason);
  return {
    kind: 'credential',
    what: `the credential ${name} at ${at}`,
    reason,
    count,
    allow: line && `credentials: {${credential.variable}: {${line}}}`,
  };
}

/** What a profile would say of a credential for the gate to put it in. What it limits on purpose is not undone. */
function credentialLine({ hosts = [] }: Sealed, host: string, reason: string): string | undefined {
  if (reason === 'the host is not one of its hosts') return `hosts: ${JSON.stringify([...hosts, host])}`;
  return reason.startsWith('it may be used in ') ? 'as: any' : undefined;
}

function callRefusal({ event, tool, method, target, rule, reason }: Entry): Refusal {
  const name = String(tool ?? target ?? method);
  const key = event === 'tool.call' ? 'tools' : 'methods';
  const subject = event === 'tool.call' ? name : String(method);
  return {
    kind: 'call',
    what: event === 'tool.call' ? `tools/call ${name}` : String(method),
    reason: String(reason ?? rule),
    count: 1,
    allow: BEYOND_POLICY.test(String(rule))
      ? undefined
      : `policy: {${key}: {${JSON.stringify(subject)}: allow}}`,
  };
}

function hostOf(what: string): string {
  return what.replace(/:\d+$/, '');
}

function sumUp(refusals: readonly Refusal[]): Refusal[] {
  const sums = new Map<string, Refusal>();
  for (const refusal of refusals) {
    const key = `${refusal.kind} ${refusal.what} ${refusal.reason}`;
    const before = sums.get(key)?.count ?? 0;
    sums.set(key, { ...refusal, count: before + refusal.count });
  }
  return [...sums.values()];
}

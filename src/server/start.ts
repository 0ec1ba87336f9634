// The route of a start: profile -> credential -> environment -> the server's process. Nothing runs before the
// profile has been read whole, everything it asks for can be had, and each credential is there; the log knows
// of every credential that leaves before the server has it.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionOpen } from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import type { Credentials, ResolvedCredential } from '../credential/credentials.ts';
import type { Locks } from '../credential/locks.ts';
import type { Egress, EgressRoute, OpenGate } from '../egress/egress.ts';
import { WarderError } from '../errors.ts';
import { resolveBin } from '../package/bin.ts';
import { parseSpec } from '../package/spec.ts';
import type { PackageStore } from '../package/store.ts';
import {
  allowedEgress,
  expandHome,
  type Profile,
  type ProfileServer,
  unsupportedFeatures,
} from '../profile/format.ts';
import type { SandboxKind } from '../sandbox/choose.ts';
import type { AppliedLimits } from '../sandbox/layers.ts';
import type { Machine } from '../sandbox/machine.ts';
import type { NetworkPool } from '../sandbox/network-pool.ts';
import { type PreparedSandbox, prepare, prepareLandlock, prepareSeatbelt } from '../sandbox/start.ts';
import { type DeliveredCredential, environment } from './environment.ts';
import { type ServerParts, type ServerProcess, spawnServer } from './process.ts';
import { RuntimeFolder, type RuntimeRoots } from './runtime-folder.ts';
import { type RequestContext, sandboxRequest } from './sandbox-request.ts';

/** What every start works with. */
export interface StartParts extends RequestContext {
  readonly credentials: Pick<Credentials, 'resolve' | 'watch'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly runtimeRoots: RuntimeRoots;
  readonly packages: Pick<PackageStore, 'find' | 'verify'>;
  readonly server: ServerParts;
  /** What there is to make sandboxes with. */
  readonly machine: Machine;
  /** Which sandbox that gives. */
  readonly kind: () => Promise<SandboxKind>;
  /** The program file of Landlock's stage. */
  readonly stage: string;
  readonly locks: Pick<Locks, 'assertUsable'>;
  readonly networks: Pick<NetworkPool, 'take'>;
  /** The egress room, loaded when it is first needed. */
  readonly egress: () => Promise<Pick<Egress, 'open' | 'ports'>>;
}

/** The session that a server is started for. */
export interface SessionContext {
  readonly session: string;
  /** When it began, in milliseconds of the monotonic clock. */
  readonly began: number;
  /** How often each sealed credential was used in it, by its variable. */
  readonly uses: Map<string, number>;
  /** Names a connection, uniquely in the log. */
  readonly connection: () => string;
  /** The tool calls in flight, by their numbers in the log. */
  readonly calls: () => readonly string[];
}

/** A started server, and what it was given. */
export interface StartedServer {
  readonly server: ServerProcess;
  readonly credentials: readonly ResolvedCredential[];
  /** The command with its arguments, as the log tells it. */
  readonly command: readonly string[];
  /** What confines the server, as the log tells it. */
  readonly sandbox: SessionOpen['sandbox'];
  /** Its route out; none where its profile lists no host. */
  readonly gate: OpenGate | undefined;
}

/**
 * Starts the server of a profile for a session. Throws what its steps throw; `unsupported` where the profile
 * asks for what this build cannot do, `locked` or `credential-revoked` where its credentials may not be used.
 */
export async function startServer(
  profile: Profile,
  context: SessionContext,
  parts: StartParts,
): Promise<StartedServer> {
  const [missing] = unsupportedFeatures(profile);
  const { server } = profile;
  if (missing !== undefined || server.kind === 'url') {
    const { what, hint } = missing ?? { what: '"server" is a URL', hint: 'say "command" and "args"' };
    throw new WarderError('unsupported', `cannot start "${profile.name}": ${what}`, { hint });
  }
  parts.locks.assertUsable(profile.credentials.map(({ name }) => name));
  // Made while the package is looked at and the credentials are fetched.
  const pendingRoute = openRoute(profile, parts);
  pendingRoute.catch(() => {});
  let gate: OpenGate | undefined;
  try {
    const command = await commandOf(profile, server, context.session, parts);
    const credentials = await resolve(profile, parts);
    const route = await pendingRoute;
    const sealed = credentials.filter(({ deliver }) => deliver === 'sealed');
    if (route !== undefined) {
      const { connection: nextConnectionId, ...shared } = context;
      const egress = await parts.egress();
      gate = await egress.open({ ...shared, profile, sealed, route, nextConnectionId });
    }
    const started = await startProcess(profile, server, context, parts, {
      command,
      credentials,
      route,
      gate,
    });
    void started.server.gone.then(() => closeRoute(route, gate));
    return started;
  } catch (error) {
    await closeRoute(await pendingRoute.catch(() => undefined), gate);
    throw error;
  }
}

/** The route out of a server that may reach something: a network of its own, or a proxy where there are no such. */
async function openRoute(profile: Profile, parts: StartParts): Promise<EgressRoute | undefined> {
  const { network, sealed } = allowedEgress(profile);
  if (network.length + sealed.length === 0) return undefined;
  const kind = await parts.kind();
  if (kind === 'seatbelt') return 'proxy';
  if (kind === 'landlock') {
    throw new WarderError(
      'sandbox-unavailable',
      `cannot start "${profile.name}": without user namespaces there is no route to the hosts that it lists`,
      { hint: 'see "warder doctor"' },
    );
  }
  const egress = await parts.egress();
  return await parts.networks.take(egress.ports(profile));
}

async function closeRoute(route: EgressRoute | undefined, gate: OpenGate | undefined): Promise<void> {
  gate?.[Symbol.dispose]();
  if (route !== 'proxy') await route?.[Symbol.asyncDispose]();
}

/** What a server is given. */
interface StartInputs {
  readonly command: Awaited<ReturnType<typeof commandOf>>;
  readonly credentials: readonly ResolvedCredential[];
  readonly route: EgressRoute | undefined;
  readonly gate: OpenGate | undefined;
}

async function startProcess(
  profile: Profile,
  server: Exclude<ProfileServer, { kind: 'url' }>,
  { session }: SessionContext,
  parts: StartParts,
  { command: { command, args, roots }, credentials, route, gate }: StartInputs,
): Promise<StartedServer> {
  const { facts, runtimeRoots, audit } = parts;
  const delivered = credentials.filter(isDelivered);
  for (const { name, version } of delivered) {
    const use = {
      credential: name,
      version,
      action: 'deliver',
      outcome: 'ok',
      session,
      profile: profile.name,
    } as const;
    audit.append('credential.use', use, profile.audit.durability);
  }
  const files = delivered.filter(({ deliver }) => deliver === 'file');
  const runtime = new RuntimeFolder(runtimeRoots, files);
  const trust = join(runtime.path, 'trust');
  let env: Record<string, string>;
  try {
    const settled = route === 'proxy' ? gate?.writeTrustFiles(trust) : undefined;
    const reached = { ...gate?.variables, ...settled };
    env = environment(profile.name, facts, runtime.instance, profile.env, delivered, reached);
  } catch (error) {
    await runtime[Symbol.asyncDispose]();
    throw error;
  }
  const confined = async (file: string): Promise<PreparedSandbox> => {
    const readable = [
      ...roots,
      ...(files.length === 0 ? [] : [runtime.instance.credentials]),
      ...(existsSync(trust) ? [trust] : []),
    ];
    const program = { file, args, env, roots: readable, files: gate?.files ?? [] };
    const request = sandboxRequest(profile, parts, program);
    const kind = await parts.kind();
    if (kind === 'bubblewrap') return prepare(request, parts.machine, route === 'proxy' ? undefined : route);
    const home = join(runtime.path, 'home');
    mkdirSync(home, { mode: 0o700 });
    const weaker = { ...request, privateFolders: { home, tmp: runtime.instance.tmpdir } };
    if (kind === 'seatbelt') return prepareSeatbelt(weaker, gate?.port);
    return prepareLandlock(weaker, parts.machine, parts.stage);
  };
  const plan = {
    profile: profile.name,
    command,
    args,
    cwd: expandHome(server.cwd ?? '~', facts.home),
    env,
    home: facts.home,
    sandbox: profile.sandbox?.off === true ? undefined : confined,
  };
  const started = await spawnServer(plan, runtime, parts.server);
  const { network: allowed, sealed } = allowedEgress(profile);
  return {
    server: started,
    credentials,
    command: [started.file, ...args],
    gate,
    sandbox: {
      off: plan.sandbox === undefined,
      layers: ['environment', ...(started.confined?.layers ?? [])],
      network: [...new Set([...allowed, ...sealed])],
      limits: limitsOf(started.confined?.limits),
    },
  };
}

/** Whether the server gets the value itself. */
function isDelivered(credential: ResolvedCredential): credential is ResolvedCredential & DeliveredCredential {
  return credential.deliver !== 'sealed';
}

/** Limits as the log tells them: it knows no undefined members. */
function limitsOf(holds: AppliedLimits | undefined): SessionOpen['sandbox']['limits'] {
  if (holds === undefined) return null;
  const { files = null, core = null, processes, memory } = holds;
  return {
    files,
    core,
    processes: { most: processes.max ?? null, by: processes.enforcedBy },
    memory: { most: memory.max ?? null, by: memory.enforcedBy },
  };
}

/** What to run. A package's files are checked first, and one whose files have changed is on record as refused. */
async function commandOf(
  profile: Profile,
  server: Exclude<ProfileServer, { kind: 'url' }>,
  session: string,
  { packages, audit }: StartParts,
): Promise<{ command: string; args: readonly string[]; roots: readonly string[] }> {
  if (server.kind === 'command') return { ...server, roots: [] };
  const spec = parseSpec(server.package);
  try {
    const ready = await packages.verify(spec, false);
    const { command, args } = resolveBin(ready, server.bin);
    return { command, args: [...args, ...server.args], roots: [ready.root] };
  } catch (error) {
    if (error instanceof WarderError && error.code === 'package-changed') {
      const digest = packages.find(spec)?.digest ?? '';
      const { name } = profile;
      const { message: detail } = error;
      audit.append(
        'trust.change',
        {
          profile: name,
          session,
          what: 'package',
          package: server.package,
          digest,
          detail,
          outcome: 'refused',
        },
        profile.audit.durability,
      );
    }
    throw error;
  }
}

/** The values of the profile's credentials. A failure tells which server it kept from starting. */
async function resolve(profile: Profile, { credentials }: StartParts): Promise<ResolvedCredential[]> {
  try {
    return await credentials.resolve(profile.name, profile.credentials);
  } catch (cause) {
    if (!(cause instanceof WarderError)) throw cause;
    const { code, message, hint } = cause;
    throw new WarderError(code, `cannot start "${profile.name}": ${message}`, {
      cause,
      ...(hint !== undefined && { hint }),
    });
  }
}

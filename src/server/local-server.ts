// Starts a server on this machine: profile -> credential -> environment -> the server's process. Nothing runs before the whole
// profile has been read, everything that it asks for is available, and each credential is there. The log records
// each credential before the server receives it.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Fields } from '../audit/events.ts';
import type { ResolvedCredential } from '../credential/credentials.ts';
import type { OpenGate } from '../egress/egress.ts';
import type { EgressRoute } from '../egress/gates.ts';
import { WarderError } from '../errors.ts';
import { resolveBin, withinPackage } from '../package/bin.ts';
import { parseSpec } from '../package/spec.ts';
import { substituteCredentials } from '../profile/argument-credentials.ts';
import { allowedEgress, expandHome, type Profile, type ProfileServer } from '../profile/format.ts';
import { stdioServer } from '../relay/stdio-upstream.ts';
import { type AppliedLimits, environmentLayers } from '../sandbox/layers.ts';
import { type SpareRequest, spareRequest } from '../sandbox/spare.ts';
import { prepare, prepareLandlock, prepareSeatbelt } from '../sandbox/start.ts';
import { type DeliveredCredential, environment, MARKER } from './environment.ts';
import { HomeWatch, prepareKeptHome } from './kept-home.ts';
import { type ServerSandbox, spawnServer } from './process.ts';
import { RuntimeFolder } from './runtime-folder.ts';
import { sandboxRequest } from './sandbox-request.ts';
import { updateSealed } from './sealed-update.ts';
import { mayUseAgain } from './spare-folders.ts';
import type { SessionContext, StartedServer, StartParts } from './started-server.ts';

type LocalServer = Exclude<ProfileServer, { kind: 'url' }>;

/** Starts a server on this machine. Throws what its steps throw. */
export async function startLocalServer(
  profile: Profile,
  server: LocalServer,
  context: SessionContext,
  parts: StartParts,
): Promise<StartedServer> {
  // The network is set up while the package is verified and the credentials are fetched.
  const pendingRoute = openRoute(profile, parts);
  pendingRoute.catch(() => {});
  let gate: OpenGate | undefined;
  try {
    const command = await commandOf(profile, server, context.session, parts);
    const credentials = await resolve(profile, parts);
    const route = await pendingRoute;
    const sealed = credentials.filter(({ deliver }) => deliver === 'sealed');
    if (route !== undefined) {
      const { session, began, uses, calls, refused, confirmations, admission } = context;
      const shared = { session, began, uses, calls, refused, confirmations, admission };
      const egress = await parts.egress();
      gate = await egress.open({
        ...shared,
        profile,
        sealed,
        route,
        nextConnectionId: context.connection,
      });
    }
    const inputs = { command, credentials, route, gate };
    const starting = startProcess(profile, server, context, parts, inputs);
    const checked = Promise.resolve(gate?.checkNode());
    // Reported below.
    checked.catch(() => {});
    const started = await starting;
    await checked.catch(async (error: unknown) => {
      await started.server.stop();
      throw error;
    });
    void started.gone.then(() => closeRoute(route, gate));
    void gate?.lost.then(() => context.onGateLost(started));
    return started;
  } catch (error) {
    await closeRoute(await pendingRoute.catch(() => undefined), gate);
    throw error;
  }
}

/**
 * Opens the egress route of a server that may reach a host: a network namespace of its own, or a proxy where the
 * system has none. Undefined for a server that may reach nothing.
 */
async function openRoute(profile: Profile, parts: StartParts): Promise<EgressRoute | undefined> {
  const { network, sealed } = allowedEgress(profile);
  if (network.length + sealed.length === 0) return undefined;
  const kind = await parts.sandboxKind();
  if (kind === 'seatbelt') return 'proxy';
  if (kind === 'landlock') {
    throw new WarderError(
      'sandbox-unavailable',
      `cannot start "${profile.name}": without user namespaces there is no way to the hosts that it lists`,
      { hint: 'see "warder doctor"' },
    );
  }
  const egress = await parts.egress();
  egress.prepare();
  return await parts.networks.take(egress.ports(profile));
}

async function closeRoute(route: EgressRoute | undefined, gate: OpenGate | undefined): Promise<void> {
  await gate?.[Symbol.asyncDispose]();
  if (route !== 'proxy') await route?.[Symbol.asyncDispose]();
}

/** What a server's process is started with. */
interface StartInputs {
  readonly command: Awaited<ReturnType<typeof commandOf>>;
  readonly credentials: readonly ResolvedCredential[];
  readonly route: EgressRoute | undefined;
  readonly gate: OpenGate | undefined;
}

async function startProcess(
  profile: Profile,
  server: LocalServer,
  { session, assertNeeded, onGiven, onPlanted, onOverrun }: SessionContext,
  parts: StartParts,
  { command: { command, bin, roots, pinned, within, paths }, credentials, route, gate }: StartInputs,
): Promise<StartedServer> {
  const { user, runtimeRoots, spareFolders, audit } = parts;
  const kept = await prepareKeptHome(profile, parts.places.state);
  const confinement = profile.sandbox?.off === true ? undefined : await parts.sandboxKind();
  assertNeeded();
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
  const placeholders = gate?.variables ?? {};
  const values = Object.fromEntries(
    credentials.flatMap(({ variable, deliver, value }): [string, string][] => {
      if (deliver === 'arg') return [[variable, value]];
      const placeholder = deliver === 'sealed' ? placeholders[variable] : undefined;
      return placeholder === undefined ? [] : [[variable, placeholder]];
    }),
  );
  // Only the profile's own arguments refer to credentials, and no value of one to the package.
  const args = [...bin, ...substituteCredentials(server.args.map(within), values)];
  const files = delivered.filter(({ deliver }) => deliver === 'file');
  const runtime = new RuntimeFolder(runtimeRoots, files, mayUseAgain(confinement) ? spareFolders : undefined);
  const trust = join(runtime.path, 'trust');
  let env: Record<string, string>;
  try {
    const trustVariables = route === 'proxy' ? gate?.writeTrustFiles(trust) : undefined;
    const gateVariables = { ...gate?.variables, ...trustVariables };
    const literals = Object.fromEntries(
      Object.entries(profile.env).map(([name, value]): [string, string] => {
        const [text = ''] = substituteCredentials([within(value)], placeholders);
        return [name, text];
      }),
    );
    env = environment(profile.name, user, runtime.instance, literals, delivered, gateVariables);
    Object.assign(env, paths);
  } catch (error) {
    await runtime[Symbol.asyncDispose]();
    throw error;
  }
  let home = kept;
  let spare: SpareRequest | undefined;
  const prepareSandbox = async (file: string): Promise<ServerSandbox> => {
    const readable = [
      ...roots,
      ...(files.length === 0 ? [] : [runtime.instance.credentials]),
      ...(existsSync(trust) ? [trust] : []),
    ];
    const program = { file, args, env, roots: readable, files: gate?.files ?? [] };
    const request = sandboxRequest(profile, parts, program);
    const kind = await parts.sandboxKind();
    if (kind === 'bubblewrap') {
      // A value in an argument or a file would be with the sandbox before its server is.
      if (credentials.every(({ deliver }) => deliver === 'env')) spare = spareRequest(request);
      return (
        (spare && parts.sandboxes.take(request)) ??
        prepare(request, parts.machine, route === 'proxy' ? undefined : route)
      );
    }
    const folder = kept?.folder ?? join(runtime.path, 'home');
    if (kept === undefined) mkdirSync(folder, { mode: 0o700 });
    const { homeSize: most } = request.sandbox;
    // On the disk nothing else holds the bound that the profile names.
    if (most !== undefined) home = { profile: profile.name, folder, most };
    const withFolders = { ...request, privateFolders: { home: folder, tmp: runtime.instance.tmpdir } };
    if (kind === 'seatbelt') return prepareSeatbelt(withFolders, gate?.port);
    return prepareLandlock(withFolders, parts.machine, parts.landlockStage);
  };
  const spec = {
    profile: profile.name,
    command,
    args,
    cwd: expandHome(server.cwd ?? '~', user.home),
    env,
    home: user.home,
    sandbox: profile.sandbox?.off === true ? undefined : prepareSandbox,
    onSpawned: () => onGiven(credentials),
    onPlanted,
    onOverrun,
  };
  const started = await spawnServer(spec, runtime, parts.server);
  const { confined } = started;
  // To make one takes a processor from a server that starts.
  const wanted = spare;
  if (wanted !== undefined) void started.spoken.then(() => parts.sandboxes.want(wanted));
  if (home !== undefined && confined !== undefined) {
    const watch = new HomeWatch(home, (device) => confined.unlinkedBytes(device), onOverrun);
    void started.gone.then(() => watch.end());
  }
  const { network: allowed, sealed } = allowedEgress(profile);
  const { pid, marker } = started;
  return {
    server: stdioServer(started),
    // What it had open ends on record, before its session does.
    gone: started.gone.then(() => gate?.[Symbol.asyncDispose]()),
    process: {
      pid,
      ...(started.started !== undefined && { started: started.started }),
      marker: `${MARKER}=${marker}`,
    },
    credentials,
    command: [started.file, ...bin, ...server.args],
    started: pinned ?? { command: { file: started.file, args: server.args, folder: spec.cwd } },
    tokens: () => [],
    onTokens: () => {},
    redact: (text) => gate?.redact(text) ?? text,
    update(named, onGiven) {
      if (gate === undefined || named.some(({ deliver }) => deliver !== 'sealed')) return undefined;
      return updateSealed({ credentials: parts.credentials, gate, profile: profile.name }, named, onGiven);
    },
    revoke: (credential) => ({
      cut: gate?.disconnect(credential) ?? Promise.resolve(0),
      has: credentials.some(({ name, deliver }) => name === credential && deliver !== 'sealed'),
    }),
    get longestTurn() {
      return gate?.longestTurn ?? 0;
    },
    sandbox: {
      off: spec.sandbox === undefined,
      layers: confined?.layers ?? environmentLayers(started.pid, env),
      network: [...new Set([...allowed, ...sealed])],
      limits: limitsOf(confined?.limits),
      ...(kept === undefined ? {} : { home: { kept: true, most: kept.most } }),
    },
  };
}

/** Whether the server receives the value itself. */
function isDelivered(credential: ResolvedCredential): credential is ResolvedCredential & DeliveredCredential {
  return credential.deliver !== 'sealed';
}

/** Limits as they are logged: `null` in place of undefined, which canonical JSON does not have. */
function limitsOf(limits: AppliedLimits | undefined): Fields['session.open']['sandbox']['limits'] {
  if (limits === undefined) return null;
  const { files = null, core = null, processes, memory } = limits;
  return {
    files,
    core,
    processes: { most: processes.max ?? null, by: processes.enforcedBy },
    memory: { most: memory.max ?? null, by: memory.enforcedBy },
  };
}

/** What to run, and what comes before the profile's arguments. A package's files are verified first; a package whose files have changed is logged as refused. */
async function commandOf(
  profile: Profile,
  server: LocalServer,
  session: string,
  { packages, audit, sandboxKind }: StartParts,
): Promise<{
  command: string;
  bin: readonly string[];
  roots: readonly string[];
  /** Puts the package's folder into a text of the profile. */
  within: (text: string) => string;
  /** Variables that name folders of the package with code, which no profile can set. */
  paths: Readonly<Record<string, string>>;
  /** The package, as it was verified. */
  pinned: { readonly package: string; readonly digest: string } | undefined;
}> {
  if (server.kind === 'command') {
    const within = (text: string): string => text;
    return { command: server.command, bin: [], roots: [], within, paths: {}, pinned: undefined };
  }
  const use = { profile: profile.name, spec: parseSpec(server.package) };
  try {
    const ready = await packages.verify(use, false);
    // A cache is used where the sandbox has it read-only: no server may write what a later start executes.
    const isReadOnly = profile.sandbox?.off !== true && (await sandboxKind()) === 'bubblewrap';
    const { code, ...uncompiled } = ready;
    const { command, args, env: paths, roots } = resolveBin(isReadOnly ? ready : uncompiled, server.bin);
    const within = (text: string): string => withinPackage(ready, text);
    const pinned = { package: server.package, digest: ready.lock.digest };
    return { command, bin: args, roots, within, paths, pinned };
  } catch (error) {
    if (error instanceof WarderError && error.code === 'package-changed') {
      const digest = packages.find(use)?.digest ?? '';
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

/** Fetches the values of the profile's credentials. An error names the server that cannot start. */
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

// The way of a start: profile -> credential -> environment -> the server's process. Nothing runs before the
// profile has been read whole, everything it asks for can be had, and each credential is there; the log knows
// of every credential that leaves before the server has it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionOpen } from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import type { Credentials, Resolved } from '../credential/credentials.ts';
import { WarderError } from '../errors.ts';
import { binCommand } from '../package/bin.ts';
import { parseSpec } from '../package/spec.ts';
import type { PackageStore } from '../package/store.ts';
import { expandHome, type Profile, type Server, unsupported } from '../profile/format.ts';
import type { Kind } from '../sandbox/choose.ts';
import type { Holds } from '../sandbox/hold.ts';
import type { Machine } from '../sandbox/machine.ts';
import { type Prepared, prepare, prepareSeatbelt, prepareWeaker } from '../sandbox/start.ts';
import { Delivery, type Ground } from './delivery.ts';
import { environment } from './environment.ts';
import { type ServerParts, type ServerProcess, spawnServer } from './process.ts';
import { type Asker, sandboxRequest } from './request.ts';

/** What every start works with. */
export interface StartParts extends Asker {
  readonly credentials: Pick<Credentials, 'resolve' | 'hold'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly ground: Ground;
  readonly packages: Pick<PackageStore, 'find' | 'verify'>;
  readonly server: ServerParts;
  /** What there is to make sandboxes with. */
  readonly machine: Machine;
  /** Which sandbox that gives. */
  readonly kind: () => Promise<Kind>;
  /** The program file of Landlock's stage. */
  readonly stage: string;
}

/** A started server, and what it was given. */
export interface Started {
  readonly server: ServerProcess;
  readonly credentials: readonly Resolved[];
  /** The command with its arguments, as the log tells it. */
  readonly command: readonly string[];
  /** What confines the server, as the log tells it. */
  readonly sandbox: SessionOpen['sandbox'];
}

/**
 * Starts the server of a profile for a session. Throws what its steps throw; `unsupported` where the profile
 * asks for what this build cannot do.
 */
export async function startServer(profile: Profile, session: string, parts: StartParts): Promise<Started> {
  const { facts, ground, audit } = parts;
  const [missing] = unsupported(profile);
  const { server } = profile;
  if (missing !== undefined || server.kind === 'url') {
    const { what, hint } = missing ?? { what: '"server" is a URL', hint: 'say "command" and "args"' };
    throw new WarderError('unsupported', `cannot start "${profile.name}": ${what}`, { hint });
  }
  const { command, args, roots } = await commandOf(profile, server, session, parts);
  const credentials = await resolve(profile, parts);
  for (const { name, version } of credentials) {
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
  const files = credentials.filter(({ deliver }) => deliver === 'file');
  const delivery = new Delivery(ground, files);
  let env: Record<string, string>;
  try {
    env = environment(profile.name, facts, delivery.own, profile.env, credentials);
  } catch (error) {
    await delivery[Symbol.asyncDispose]();
    throw error;
  }
  const confined = async (file: string): Promise<Prepared> => {
    const brought = files.length === 0 ? roots : [...roots, delivery.own.credentials];
    const request = sandboxRequest(profile, parts, { file, args, env, roots: brought });
    const kind = await parts.kind();
    if (kind === 'bubblewrap') return prepare(request, parts.machine);
    const home = join(delivery.folder, 'home');
    mkdirSync(home, { mode: 0o700 });
    const weaker = { ...request, own: { home, tmp: delivery.own.tmpdir } };
    return kind === 'seatbelt' ? prepareSeatbelt(weaker) : prepareWeaker(weaker, parts.machine, parts.stage);
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
  const started = await spawnServer(plan, delivery, parts.server);
  return {
    server: started,
    credentials,
    command: [started.file, ...args],
    sandbox: {
      off: plan.sandbox === undefined,
      layers: ['environment', ...(started.confined?.layers ?? [])],
      limits: limitsOf(started.confined?.limits),
    },
  };
}

/** Limits as the log tells them: it knows no undefined members. */
function limitsOf(holds: Holds | undefined): SessionOpen['sandbox']['limits'] {
  if (holds === undefined) return null;
  const { files = null, core = null, processes, memory } = holds;
  return {
    files,
    core,
    processes: { most: processes.most ?? null, by: processes.by },
    memory: { most: memory.most ?? null, by: memory.by },
  };
}

/** What to run. A package's files are checked first, and one whose files have changed is on record as refused. */
async function commandOf(
  profile: Profile,
  server: Exclude<Server, { kind: 'url' }>,
  session: string,
  { packages, audit }: StartParts,
): Promise<{ command: string; args: readonly string[]; roots: readonly string[] }> {
  if (server.kind === 'command') return { ...server, roots: [] };
  const spec = parseSpec(server.package);
  try {
    const ready = await packages.verify(spec, false);
    const { command, args } = binCommand(ready, server.bin);
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
async function resolve(profile: Profile, { credentials }: StartParts): Promise<Resolved[]> {
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

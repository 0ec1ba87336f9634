// The way of a start: profile -> credential -> environment -> the server's process. Nothing runs before the
// profile has been read whole, everything it asks for can be had, and each credential is there; the log knows
// of every credential that leaves before the server has it.
import type { AuditLog } from '../audit/log.ts';
import type { Credentials, Resolved } from '../credential/credentials.ts';
import { WarderError } from '../errors.ts';
import { expandHome, type Profile, unsupported } from '../profile/format.ts';
import { Delivery, type Ground } from './delivery.ts';
import { environment, type Facts } from './environment.ts';
import { type ServerParts, type ServerProcess, spawnServer } from './process.ts';

/** What every start works with. */
export interface StartParts {
  readonly credentials: Pick<Credentials, 'resolve' | 'hold'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly facts: Facts;
  readonly ground: Ground;
  readonly server: ServerParts;
}

/** A started server, and what it was given. */
export interface Started {
  readonly server: ServerProcess;
  readonly credentials: readonly Resolved[];
  /** The command with its arguments, as the log tells it. */
  readonly command: readonly string[];
  /** What confines the server. */
  readonly layers: readonly string[];
}

/**
 * Starts the server of a profile for a session. Throws what its steps throw; `unsupported` where the profile
 * asks for what this build cannot do.
 */
export async function startServer(profile: Profile, session: string, parts: StartParts): Promise<Started> {
  const { facts, ground, audit } = parts;
  const [missing] = unsupported(profile);
  const { server } = profile;
  if (missing !== undefined || server.kind !== 'command') {
    const { what, hint } = missing ?? { what: '"server" is no command', hint: 'say "command" and "args"' };
    throw new WarderError('unsupported', `cannot start "${profile.name}": ${what}`, { hint });
  }
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
  const delivery = new Delivery(
    ground,
    credentials.filter(({ deliver }) => deliver === 'file'),
  );
  let env: Record<string, string>;
  try {
    env = environment(profile.name, facts, delivery.own, profile.env, credentials);
  } catch (error) {
    await delivery[Symbol.asyncDispose]();
    throw error;
  }
  const { command, args } = server;
  const plan = {
    profile: profile.name,
    command,
    args,
    cwd: expandHome(server.cwd ?? '~', facts.home),
    env,
    home: facts.home,
  };
  const started = await spawnServer(plan, delivery, parts.server);
  return { server: started, credentials, command: [started.file, ...args], layers: ['environment'] };
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

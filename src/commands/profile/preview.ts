// What the server of a profile will see. It is computed in the same way as at the start of a session, but nothing is
// launched and no value is read.

import { trustVariables } from '../../egress/trust.ts';
import { catchWarderError, WarderError } from '../../errors.ts';
import { homeFolder } from '../../os/home.ts';
import { userName } from '../../os/user.ts';
import { resolveBin, withinPackage } from '../../package/bin.ts';
import { parseSpec } from '../../package/spec.ts';
import type { PackageStore } from '../../package/store.ts';
import { type UserEnvironment, userEnvironment } from '../../profile/environment.ts';
import { allowedEgress, expandHome, type Profile } from '../../profile/format.ts';
import { loadSettings } from '../../profile/settings.ts';
import { type PlanSummary, summarize } from '../../sandbox/summary.ts';
import { environment } from '../../server/environment.ts';
import { findCommand } from '../../server/process.ts';
import { type SandboxProgram, sandboxRequest } from '../../server/sandbox-request.ts';
import type { Places } from '../../wire/places.ts';

/** A server's program, environment and sandbox. */
export interface ServerPreview {
  /** The executable, or why there is none; `undefined` for a remote server. */
  readonly program: string | WarderError | undefined;
  readonly cwd: string;
  readonly path: string;
  /** Names of variables, by their origin. */
  readonly variables: {
    readonly base: string[];
    readonly profile: string[];
    readonly credentials: string[];
    /** The variables that make programs trust the gate. */
    readonly trust: string[];
  };
  /** The contents of the sandbox, or why it is refused; `undefined` without a sandbox or a program. */
  readonly sandbox: PlanSummary | WarderError | undefined;
}

/** Previews the server of a profile with the current files. Throws `profile-invalid` as a start does. */
export function previewServer(
  profile: Profile,
  places: Places,
  packages: Pick<PackageStore, 'locate'>,
): ServerPreview {
  const { name, server, env, credentials } = profile;
  const home = homeFolder(process.env);
  const machine = readMachineFacts();
  const base = environment(name, machine, STAND_IN, {}, []);
  const trustEnv = needsTrustVariables(profile, places) ? trustVariables() : {};
  const whole = environment(
    name,
    machine,
    STAND_IN,
    env,
    // A sealed credential sets its variable too, to a placeholder.
    credentials.map(({ variable, deliver }) => ({
      variable,
      deliver: deliver === 'sealed' ? 'env' : deliver,
      value: '',
    })),
    trustEnv,
  );
  const trust = Object.keys(trustEnv);
  const added = Object.keys(whole).filter((variable) => !(variable in base) && !(variable in env));
  const path = whole.PATH ?? '';
  const cwd = expandHome((server.kind === 'url' ? undefined : server.cwd) ?? '~', home);
  const launch = catchWarderError(() => resolveLaunch(profile, { cwd, path, home }, packages));
  const launched = launch instanceof WarderError ? undefined : launch;
  const requester = { user: machine, uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1, places };
  return {
    program: launch instanceof WarderError ? launch : launch?.shown,
    cwd,
    path,
    variables: {
      base: Object.keys(base).filter((variable) => !(variable in env)),
      profile: [...Object.keys(env), ...Object.keys(launched?.env ?? {})],
      credentials: added.filter((variable) => !trust.includes(variable)),
      trust: added.filter((variable) => trust.includes(variable)),
    },
    sandbox:
      launched === undefined || profile.sandbox?.off === true
        ? undefined
        : catchWarderError(() =>
            summarize(
              sandboxRequest(profile, requester, { ...launched, env: { ...whole, ...launched.env } }),
            ),
          ),
  };
}

/** Whether the server needs trust variables: for the gate, or for the certificates in the settings. */
function needsTrustVariables(profile: Profile, places: Places): boolean {
  const { network, sealed } = allowedEgress(profile);
  return sealed.length > 0 || (network.length > 0 && loadSettings(places).egress.ca !== undefined);
}

/** What a start would run; undefined for a remote server. Throws as a start does. */
function resolveLaunch(
  { name, server }: Profile,
  { cwd, path, home }: { cwd: string; path: string; home: string },
  packages: Pick<PackageStore, 'locate'>,
): (SandboxProgram & { shown: string }) | undefined {
  const at = { profile: name, cwd, home, env: { PATH: path } };
  if (server.kind === 'url') return undefined;
  if (server.kind === 'command') {
    const file = findCommand({ ...at, command: server.command });
    return { file, args: server.args, env: {}, roots: [], shown: file };
  }
  const ready = packages.locate({ profile: name, spec: parseSpec(server.package) });
  const { command, args, env, roots } = resolveBin(ready, server.bin);
  const file = findCommand({ ...at, command });
  const own = server.args.map((arg) => withinPackage(ready, arg));
  const script = [...args, ...own].find((arg) => arg.startsWith(`${ready.root}/`));
  return { file, args: [...args, ...own], env, roots, shown: script ?? file };
}

/** The PATH of a server with this `env`. */
export function serverPath(name: string, env: Readonly<Record<string, string>>): string {
  return environment(name, readMachineFacts(), STAND_IN, env, []).PATH ?? '';
}

function readMachineFacts(): UserEnvironment {
  const { execPath, env } = process;
  return userEnvironment({ execPath, home: homeFolder(process.env), user: userName(env), env });
}

/** Stands for what is created for each server. */
const STAND_IN = { marker: '', tmpdir: '/tmp', credentials: '/' };

/** The executable of a command, or the error of a start. */
export function findExecutable(
  profile: string,
  command: string,
  cwd: string,
  path: string,
  home: string,
): string | WarderError {
  return catchWarderError(() => findCommand({ profile, command, cwd, home, env: { PATH: path } }));
}

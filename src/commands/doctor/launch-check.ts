// Checks the launch command, which the configurations of hosts name: that it is there, is safe, and starts this Warder.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { catchWarderError, WarderError } from '../../errors.ts';
import { PACKAGED, readLaunchCommand } from '../../os/launch-command.ts';
import { nativeLauncher } from '../../os/native-launcher.ts';
import { exposedPart } from '../../os/ownership.ts';
import type { Check } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { launchCommandPath } from '../launch-command.ts';

const TIMEOUT = 10_000;
const name = 'launch command';

export function checkLaunchCommand(context: Pick<Context, 'places' | 'program' | 'version'>): Check {
  const path = launchCommandPath(context) === PACKAGED ? PACKAGED : context.places.launchCommand;
  const check = (state: Check['state'], detail: string, hint?: string): Check => ({
    name,
    state,
    detail,
    ...(hint !== undefined && { hint }),
  });
  const found = catchWarderError(() => readLaunchCommand(path));
  if (found instanceof WarderError) return check('fail', found.message, found.hint);
  if (found.state === 'missing' && found.what !== undefined)
    return check('fail', `${path} ${found.what}`, 'run "warder init"');
  if (found.state === 'missing')
    return check(
      'warn',
      `there is none at ${path} yet`,
      'run "warder init": hosts then need no path of Node',
    );
  if (found.state === 'foreign') return check('fail', `${path} ${found.what}`, found.hint);
  const { node, program } = found.record;
  const native = found.native === undefined ? nativeLauncher(program) : undefined;
  const how =
    native === undefined
      ? 'sessions start by the native launcher'
      : `sessions start by the launcher in Node: there is no native one${'why' in native ? `, ${native.why}` : ''}`;
  for (const part of [node, program]) {
    if (!existsSync(part)) return check('fail', `${path} starts ${part}, which is gone`, 'run "warder init"');
    const exposed = exposedPart(part);
    if (exposed !== undefined)
      return check('fail', `${path} starts ${part}, but ${exposed.what}`, exposed.hint);
  }
  try {
    const options = { encoding: 'utf8', timeout: TIMEOUT, stdio: 'pipe' } as const;
    const version = execFileSync(path, ['--version'], { ...options, input: '' }).trim();
    const detail = `${path} starts ${version} at ${program}, with ${node}; ${how}`;
    if (version === context.version && program === context.program) return check('ok', detail);
    const other = `${detail}; this is ${context.version} at ${context.program}`;
    return check('warn', other, 'hosts start that one; "warder init" with the one to use changes it');
  } catch {
    return check('fail', `${path} does not start ${program} with ${node}`, 'run "warder init"');
  }
}

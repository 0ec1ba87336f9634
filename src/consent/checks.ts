// What `doctor` says of the ways to ask, and of how a person proves to be there.
import type { Settings } from '../profile/settings.ts';
import type { Check } from '../wire/control.ts';
import type { Presence } from './presence.ts';
import type { Way } from './questions/way.ts';

export interface ConsentCheckOptions {
  readonly settings: Pick<Settings['consent'], 'ways'>;
  readonly ways: readonly Way[];
  readonly presence: Pick<Presence, 'isPinSet' | 'polkitAsks'>;
}

export async function consentChecks({ settings, ways, presence }: ConsentCheckOptions): Promise<Check[]> {
  return [await checkWays(settings.ways, ways), await checkPresence(presence)];
}

async function checkWays(order: Settings['consent']['ways'], ways: readonly Way[]): Promise<Check> {
  const name = 'ways to ask';
  const found = await Promise.all(
    order.map(async (way): Promise<readonly [works: boolean, text: string]> => {
      if (way === 'host') return [false, 'host (its own dialog, where it has one)'];
      if (way === 'terminal') return [false, 'terminal (while "warder approvals --watch" runs)'];
      const checks = await Promise.all(
        ways.flatMap((each) => (each.name === way ? (each.check?.() ?? []) : [])),
      );
      const working = checks.find(({ works }) => works);
      const shown = working ?? checks[0];
      return [
        working !== undefined,
        `${way} (${working === undefined ? 'no: ' : ''}${shown?.detail ?? 'not tried'})`,
      ];
    }),
  );
  const detail = found.map(([, text]) => text).join(', ') || 'none: only who watches in a terminal is asked';
  if (found.some(([works]) => works)) return { name, state: 'ok', detail };
  const hint =
    'keep "warder approvals --watch" open where you work, or what asks is refused in hosts without a dialog';
  return { name, state: 'warn', detail, hint };
}

async function checkPresence(presence: ConsentCheckOptions['presence']): Promise<Check> {
  const name = 'proof of presence';
  if (await presence.polkitAsks()) return { name, state: 'ok', detail: 'polkit asks for your password' };
  if (await presence.isPinSet().catch(() => false)) return { name, state: 'ok', detail: 'a PIN is set' };
  const hint = 'run "warder pin"; without it nothing can be allowed for good, nor a credential that asks';
  return { name, state: 'warn', detail: 'neither polkit nor a PIN', hint };
}

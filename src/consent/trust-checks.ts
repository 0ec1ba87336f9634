// What `doctor` says of the servers whose record does not count, or that are other than their record says.
import type { Check, ShownTrust } from '../wire/control.ts';
import type { TrustService } from './trust.ts';

/** One check for each such server, or one of all. What nobody can read while the credential store is locked is not counted. */
export async function trustChecks(
  profiles: readonly string[],
  trust: Pick<TrustService, 'show'>,
): Promise<Check[]> {
  const shown = await Promise.all(profiles.map((profile) => trust.show(profile, false)));
  const faults = shown.flatMap((each) => checkOf(each) ?? []);
  if (faults.length > 0) return faults;
  const accepted = shown.filter(({ state }) => state === 'accepted').length;
  return [{ name: 'trust', state: 'ok', detail: `${accepted} accepted, nothing of them is held back` }];
}

function checkOf({ profile, state, detail, seen }: ShownTrust): Check | undefined {
  const name = `server of ${profile}`;
  if (state === 'unverified') {
    const hint = `"warder trust show ${profile}" shows what is left of it`;
    return { name, state: 'fail', detail: detail ?? 'its record does not verify', hint };
  }
  if (state !== 'accepted' || seen === null) return undefined;
  const { isOtherServer, wider, differences } = seen;
  const held = differences.filter(({ change }) => change !== 'removed').length;
  const reasons = [
    ...(isOtherServer ? ['it is another program'] : []),
    ...(wider.length > 0 ? ['it may do more'] : []),
    ...(held > 0
      ? [`${held} of what it lists ${held === 1 ? 'is' : 'are'} new or changed, and held back`]
      : []),
  ];
  if (reasons.length === 0) return undefined;
  return {
    name,
    state: 'warn',
    detail: `other than you have accepted: ${reasons.join('; ')}`,
    hint: `"warder trust diff ${profile}" shows it, "warder trust accept ${profile}" accepts it`,
  };
}

// The hosts that servers were refused lately, from the audit log, with the command that allows each.
import { recentRecords } from '../../audit/read.ts';
import { Allowlist } from '../../egress/allowlist.ts';
import { allowingCommand, type RefusedHost, refusedName, sumUpHosts } from '../../egress/refused-hosts.ts';
import { allowedEgress, type Profile } from '../../profile/format.ts';

/** How far back is looked: a week, in milliseconds, and so many records. */
const LATELY = 7 * 24 * 3600 * 1000;
const MAX_RECORDS = 20_000;
/** How many hosts of a profile are told. */
const MAX_HOSTS = 10;

/** The refused hosts of each profile, the newest first. `now` is in milliseconds since the epoch. */
export async function refusedLately(
  folder: string,
  now: number,
): Promise<ReadonlyMap<string, readonly RefusedHost[]>> {
  const found = new Map<string, RefusedHost[]>();
  for await (const { entry } of recentRecords(folder, now - LATELY, MAX_RECORDS)) {
    const { event, outcome, profile, host, port, reason, count = 1 } = entry;
    if (event !== 'egress.connect' || outcome !== 'refused' || typeof profile !== 'string' || host === '')
      continue;
    const all = found.get(profile) ?? [];
    all.push({ host: String(host), port: Number(port), reason: String(reason), count: Number(count) });
    found.set(profile, all);
  }
  return new Map([...found].map(([profile, refused]) => [profile, sumUpHosts(refused)]));
}

/** Those that the profile still refuses, and that one entry would allow. */
export function stillRefused(profile: Profile, refused: readonly RefusedHost[]): RefusedHost[] {
  const { network, sealed } = allowedEgress(profile);
  const allowed = new Allowlist(network, sealed);
  return refused
    .filter((one) => allowingCommand(profile.name, one) !== undefined)
    .filter(({ host, port, reason }) => {
      if (reason !== 'not listed') return !allowed.opens(/^resolves to ([^,]+),/.exec(reason)?.[1] ?? '');
      return port === 53 ? !allowed.lists(host) : !allowed.allows(host, port);
    })
    .slice(0, MAX_HOSTS);
}

/** `supabase.com, 3 times; allow it with "warder allow github supabase.com"`. */
export function refusalLine(profile: string, refused: RefusedHost): string {
  const { count, reason } = refused;
  const times = count > 1 ? `, ${count} times` : '';
  const why = reason === 'not listed' ? '' : ` (${reason})`;
  const command = allowingCommand(profile, refused);
  return `${refusedName(refused)}${why}${times}${command === undefined ? '' : `; allow it with "${command}"`}`;
}

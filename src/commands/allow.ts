// warder allow: lets a profile's server reach a host. The profile's text is edited in place, and keeps its comments.
import type { CommandModule } from 'yargs';
import { Allowlist } from '../egress/allowlist.ts';
import { allowingEntry } from '../egress/refused-hosts.ts';
import { WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import { isRange } from '../profile/address-range.ts';
import { allowedEgress, type Profile, parseProfile } from '../profile/format.ts';
import { addToList, removeFromList } from '../profile/list-edit.ts';
import { loadProfile, parseContent, readProfile, writeProfile } from '../profile/load.ts';
import type { Places } from '../wire/places.ts';
import type { Context } from './command.ts';
import { entryLine } from './profile/access-summary.ts';
import { parseNetworkEntry } from './profile/network-entry.ts';
import { refusedLately, stillRefused } from './profile/refused-lately.ts';
import { sharedDomainWarning } from './profile/shared-domain.ts';
import { confirm, yesOption } from './terminal/confirmation.ts';

interface AllowArguments {
  readonly name: string;
  readonly host: string;
  readonly undo: boolean;
  readonly yes: boolean;
}

const LIST = ['sandbox', 'network'] as const;

export function allowCommand(context: Context): CommandModule<object, AllowArguments> {
  return {
    command: 'allow <name> <host>',
    builder: (yargs) =>
      yargs
        .parserConfiguration({ 'parse-positional-numbers': false })
        .usage('warder allow <name> <host>[:<port>] [--undo]')
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .positional('host', {
          type: 'string',
          demandOption: true,
          describe: 'host, host:port, *.host, 127.0.0.1:port, or a range that names may resolve to',
        })
        .option('undo', { type: 'boolean', default: false, describe: 'take it out of the profile again' })
        .option('yes', yesOption)
        .example('warder allow github uploads.github.com', 'ports 80 and 443')
        .example('warder allow db db.example.com:5432', 'that port alone, for any protocol')
        .example('warder allow github uploads.github.com --undo', 'as before'),
    handler: (args) => (args.undo ? undo(context, args) : allow(context, args)),
  };
}

async function allow(context: Context, { name, host, yes }: AllowArguments): Promise<void> {
  const { terminal } = context;
  const edit = open(context, name, host);
  const { entry, profile } = edit;
  const opens = entryLine(entry);
  if (isAllowed(profile, entry))
    return done(context, edit, undefined, `"${name}" may reach ${opens} already`);
  const text = edit.replace(addToList(edit.text, LIST, entry));
  const warning = sharedDomainWarning(entry, 'the server may send it what it has');
  if (warning !== undefined) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${warning}`);
  if (!yes) {
    await confirm(terminal, {
      what: `allowing "${entry}"`,
      question: `"${name}" may reach ${opens}. Allow that?`,
      otherwise: `"${name}" was not changed`,
    });
  }
  done(context, edit, text, `"${name}" may reach ${opens}: it applies to the next session`);
}

async function undo(context: Context, { name, host }: AllowArguments): Promise<void> {
  const edit = open(context, name, host);
  const { entry, profile } = edit;
  if (profile.sandbox?.network.includes(entry) !== true) {
    const why = isAllowed(profile, entry) ? `another entry of "${name}" allows it` : 'nothing is changed';
    return done(context, edit, undefined, `"${name}" does not list ${entry}: ${why}`);
  }
  const text = edit.replace(removeFromList(edit.text, LIST, entry));
  done(context, edit, text, `"${name}" no longer lists ${entry}: it applies to the next session`);
}

/** A profile that is to be edited. */
interface Edit {
  readonly name: string;
  readonly entry: string;
  readonly profile: Profile;
  readonly text: string;
  readonly digest: string;
  readonly file: string;
  /** Takes the new text, which must be a valid profile. Throws `unsupported` where there is none. */
  replace(text: string | undefined): string;
}

/** Throws `usage`, `name-invalid`, `profile-missing`, `profile-invalid`, and `unsupported` where there is no such list. */
function open({ places }: Context, name: string, host: string): Edit {
  const entry = parseNetworkEntry(host, 'this');
  const content = readProfile(places, name);
  const { profile, file, digest } = parseContent(places, name, content);
  if (profile.server.kind === 'url') {
    throw new WarderError(
      'unsupported',
      `the server of "${name}" is remote: Warder connects to ${new URL(profile.server.url).host} and what signs in to it, and it reaches nothing here`,
      { hint: `private addresses are opened with "allow-private" in its profile: warder edit ${name}` },
    );
  }
  if (profile.sandbox?.off === true) {
    throw new WarderError('unsupported', `the sandbox of "${name}" is off: it reaches whatever you reach`, {
      hint: 'remove "off: true" first',
    });
  }
  const replace = (text: string | undefined): string => {
    if (text === undefined) {
      throw new WarderError('unsupported', `the list of "${name}" cannot be edited in place`, {
        hint: `use "warder edit ${name}"`,
      });
    }
    parseProfile(text, file, name);
    return text;
  };
  return { name, entry, profile, text: content.bytes.toString('utf8'), digest, file, replace };
}

/** Writes the new text, if there is one, and says so. Throws `cannot-write` if the profile was changed meanwhile. */
function done(
  { places, terminal, json }: Context,
  { name, entry, digest, file }: Edit,
  text: string | undefined,
  line: string,
): void {
  if (text !== undefined) {
    if (readProfile(places, name).digest !== digest) {
      throw new WarderError('cannot-write', `"${name}" was changed in the meantime`, { hint: 'try again' });
    }
    writeProfile(places, name, text, { replace: true });
  }
  if (json) {
    terminal.json({ name, entry, file, opens: entryLine(entry), changed: text !== undefined });
    return;
  }
  terminal.out(line);
  if (text !== undefined && line.includes(' may reach '))
    terminal.out(`to undo it: warder allow ${name} ${shellWord(entry)} --undo`);
}

/** Whether a profile opens all that an entry opens. */
function isAllowed(profile: Profile, entry: string): boolean {
  const { network, sealed } = allowedEgress(profile);
  if (network.includes(entry)) return true;
  if (isRange(entry) || entry.startsWith('*.')) return false;
  const allowed = new Allowlist(network, sealed);
  const [only] = new Allowlist([entry]).names;
  return only !== undefined && new Allowlist([entry]).ports.every((port) => allowed.allows(only, port));
}

/** A wildcard in quotes, so that no shell expands it. */
function shellWord(entry: string): string {
  return entry.includes('*') ? `'${entry}'` : entry;
}

/** The entries that would allow what a profile was refused lately; none for a profile that cannot be read. */
export async function allowableEntries(places: Places, name: string): Promise<string[]> {
  try {
    const { profile } = loadProfile(places, name);
    const refused = (await refusedLately(places.audit, clock.now())).get(name) ?? [];
    return stillRefused(profile, refused).flatMap((one) => allowingEntry(one) ?? []);
  } catch {
    return [];
  }
}

// What `warder add` says of a profile that it has written: what the server gets and may do, its tools, and what comes next.
import { clock } from '../../os/clock.ts';
import { homeFolder } from '../../os/home.ts';
import { expandHome, type Profile } from '../../profile/format.ts';
import { policyText } from '../../profile/rule-edit.ts';
import type { Context } from '../command.ts';
import { launchNotes } from '../launch-command.ts';
import { offerTools } from '../policy/offer.ts';
import { type DeliveryPlan, deliveryLines } from '../profile/delivery-options.ts';
import { hostEntry, printHostEntry } from '../profile/host-entry.ts';
import { protectedLine } from '../profile/planted.ts';
import { TRIAL_TIMEOUT } from '../test/trial-client.ts';
import { trialRefusals } from '../test/trial-refusals.ts';
import { tryProfile } from '../test/try-profile.ts';
import type { AwsSigning } from './aws-signing.ts';
import { askFirstValues, type SecretForms } from './first-values.ts';

/** A profile that was written. */
export interface Added {
  readonly name: string;
  readonly file: string;
  readonly text: string;
  readonly profile: Profile;
  readonly delivery: DeliveryPlan;
  /** Variables, and those of them that arguments refer to. */
  readonly credentials: readonly string[];
  readonly inArguments: readonly string[];
  readonly signing: Readonly<Record<string, AwsSigning>>;
  readonly as: string | undefined;
  /** The entries of `sandbox.write`. */
  readonly write: readonly string[];
  /** What else a person should know. */
  readonly notes: readonly string[];
  /** Its server is started once. */
  readonly isTried: boolean;
  readonly forms: SecretForms | undefined;
}

/** Prints it, as JSON where that is asked for. In a terminal the secrets are asked for, and the tools are chosen. */
export async function reportAdded(context: Context, added: Added): Promise<void> {
  const { terminal, json } = context;
  const {
    name,
    file,
    text,
    profile,
    delivery,
    credentials,
    inArguments,
    signing,
    as,
    write,
    notes,
    isTried,
    forms,
  } = added;
  const launch = launchNotes(context);
  const entry = hostEntry(context, name);
  const setLine = (variable: string): string => `warder credential set ${name} ${variable}`;
  if (json) {
    const since = clock.now();
    const trial = isTried ? await tryProfile(context, name, { timeout: TRIAL_TIMEOUT }) : undefined;
    const refused =
      trial?.error === undefined ? undefined : await trialRefusals(context, profile, trial, since);
    const tools = trial?.tools?.map(({ name: tool }) => tool);
    const next = [...credentials.map(setLine), `warder test ${name}`];
    terminal.json({
      name,
      file,
      ...delivery,
      notes,
      next,
      host: entry,
      launchNotes: launch,
      tools,
      error: trial?.error,
      refused,
    });
    return;
  }
  terminal.out(`wrote ${file}`);
  for (const line of deliveryLines(delivery, credentials, inArguments, signing, as))
    terminal.out(`  ${line}`);
  if (write.length > 0) {
    const folders = write.map((path) => expandHome(path, homeFolder(process.env)));
    terminal.out(`  sandbox.write: ${await protectedLine(folders, [])}`);
  }
  for (const note of notes) terminal.out(`  ${note}`);
  if (!isTried) {
    for (const line of policyText(text).split('\n')) terminal.out(`  ${line}`);
  }
  const unset = isTried ? await askFirstValues(context, name, credentials, forms) : undefined;
  const isLater = unset !== undefined && unset.length > 0;
  if (isLater)
    terminal.out(`"${name}" is started once ${unset.join(', ')} ${unset.length === 1 ? 'is' : 'are'} set`);
  const isOffered = isTried && !isLater && (await offerTools(context, name, TRIAL_TIMEOUT));
  const next = [
    ...(isOffered ? [] : (unset ?? credentials).map(setLine)),
    ...(isOffered ? [] : [`warder test ${name}`, `warder policy choose ${name}`]),
  ];
  if (next.length > 0) terminal.out('\nnext:');
  for (const step of next) terminal.out(`  ${step}`);
  printHostEntry(context, name, entry, launch);
}

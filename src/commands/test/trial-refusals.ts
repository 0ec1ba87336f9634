// What Warder refused a server in its trial: from the audit log's records of that session, and from the server's own messages.
import { existsSync } from 'node:fs';
import { type LogRecord, listRecords } from '../../audit/read.ts';
import { catchWarderError, WarderError } from '../../errors.ts';
import type { Profile } from '../../profile/format.ts';
import type { Context } from '../command.ts';
import { openPackageStore } from '../package/package-store.ts';
import { previewServer } from '../profile/preview.ts';
import {
  mergeRefusals,
  type Refusal,
  recordedRefusals,
  refusedSockets,
  reportedRefusals,
} from './refusals.ts';
import type { Trial } from './trial-client.ts';

/** How many records of the log are searched. */
const MAX_RECORDS = 10_000;

/** `since`: when the trial began, in milliseconds since the epoch. */
export async function trialRefusals(
  context: Context,
  profile: Profile,
  { stderr }: Pick<Trial, 'stderr'>,
  since: number,
): Promise<Refusal[]> {
  const { name, credentials } = profile;
  const entries = await ownRecords(context.places.audit, name, since);
  return [
    ...mergeRefusals(
      recordedRefusals(name, entries, credentials),
      reportedRefusals(name, stderr, existsSync),
    ),
    ...socketRefusals(context, profile, stderr),
  ];
}

/** What the plan of its sandbox says of sockets that its messages speak of. */
function socketRefusals(context: Context, profile: Profile, stderr: string): Refusal[] {
  const preview = catchWarderError(() => previewServer(profile, context.places, openPackageStore(context)));
  const sandbox = preview instanceof WarderError ? preview : preview.sandbox;
  return sandbox === undefined || sandbox instanceof WarderError
    ? []
    : refusedSockets(stderr, sandbox.unixSockets);
}

/** The records of the session that this process has opened. */
async function ownRecords(folder: string, profile: string, since: number): Promise<LogRecord['entry'][]> {
  const records = await listRecords(folder, { profile, since }, MAX_RECORDS);
  const entries = records.map(({ entry }) => entry);
  const own = entries.find(
    ({ event, host }) => event === 'session.open' && chainOf(host).includes(process.pid),
  );
  return own === undefined ? [] : entries.filter(({ session }) => session === own.session);
}

/** The pids of the processes that opened a session. */
function chainOf(host: unknown): unknown[] {
  const { chain = [] } = (host ?? {}) as { chain?: readonly { pid?: unknown }[] };
  return chain.map(({ pid }) => pid);
}

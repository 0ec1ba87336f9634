// A session whose credential changes while its server runs.
import { expect, test } from 'vitest';
import type { ResolvedCredential } from '../../../src/credential/credentials.ts';
import { Redactor } from '../../../src/credential/redact.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import { Redactors } from '../../../src/server/redactors.ts';
import { updateSealed } from '../../../src/server/sealed-update.ts';
import type { SessionEntry } from '../../../src/server/session-entry.ts';
import { rotateSession } from '../../../src/server/session-rotation.ts';
import { SessionSecrets } from '../../../src/server/session-secrets.ts';
import type { SessionContext, StartedServer } from '../../../src/server/started-server.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const NEW = 'the-new-value-0123456789';

test('W-CRED-52 a new value is redacted from what a server answers before any request can have it', async () => {
  const text = 'server: {command: /bin/true}\ncredentials: {TOKEN: {hosts: [api.test]}}\n';
  const profile = parseProfile(text, 'test.yaml', 'demo');
  const resolved = profile.credentials.map((credential) => ({
    ...credential,
    value: NEW,
    version: 'v2',
  })) as unknown as ResolvedCredential[];
  let redactor = new Redactor([]);
  const answered: string[] = [];
  const gate = {
    // From now on a request has it, and its answer may say it at once.
    update: async () => void answered.push(redactor.text(`it is ${NEW}`)),
  };
  const started: Partial<StartedServer> = {
    update: (named, onGiven) =>
      updateSealed({ credentials: { resolve: async () => resolved }, gate, profile: 'demo' }, named, onGiven),
    credentials: [],
  };
  const records: object[] = [];
  const entry = {
    id: 's',
    loaded: { name: 'demo', profile },
    session: {
      redact: (next: Redactor) => {
        redactor = next;
      },
    },
    secrets: new SessionSecrets('demo', log, new Redactors(), () => []),
    started,
    host: {},
  };
  const outcome = await rotateSession(
    entry as unknown as SessionEntry,
    profile.credentials[0]?.name ?? '',
    () => ({}) as SessionContext,
    {
      audit: { append: (_, fields) => records.push(fields) },
      start: {} as Parameters<typeof rotateSession>[3]['start'],
      log,
    },
  );
  expect(outcome).toBe('moved');
  expect(answered).toHaveLength(1);
  expect(answered[0]).not.toContain(NEW);
  expect(records).toMatchObject([{ action: 'rotate', outcome: 'moved', version: 'v2' }]);
});

import { expect, test } from 'vitest';
import { sessionConsent } from '../../../src/consent/session-consent.ts';
import { type Grant, GrantBook } from '../../../src/consent/store/grants.ts';
import type { ConsentSubject } from '../../../src/relay/consent.ts';

const CALL: ConsentSubject = {
  call: 's-1',
  method: 'tools/call',
  kind: 'tools',
  name: 'create_issue',
  rule: 'policy.default',
  digest: 'of the arguments',
  definition: undefined,
};
const USE = { credential: 'token', host: 'api.github.com', port: 443, method: 'GET', path: '/' };

test('W-CONS-2 W-CONS-41 an answer holds for the server as it was: one that is started anew as another is asked about anew', () => {
  const book = new GrantBook();
  const given = { made: '', by: 'pin', decision: 'allow', host: 'h', profile: 'p', server: 'one' } as const;
  const grants: Grant[] = [
    { ...given, id: '1', kind: 'tools', name: CALL.name },
    { ...given, id: '2', kind: 'credential', name: 'token at api.github.com' },
  ];
  for (const grant of grants) book.add(grant);
  const asked: string[] = [];
  let server = 'one';
  const consent = sessionConsent(
    {
      session: 's',
      profile: 'p',
      host: { key: 'h', name: 'host' },
      get server() {
        return server;
      },
      reach: { network: [], read: [], write: [], sandbox: 'on', credentials: ['token'] },
      definition: () => undefined,
      claims: () => [],
      hasActed: () => true,
      calls: () => [],
      redact: (text) => text,
    },
    {
      broker: {
        ask: ({ subject }) => {
          asked.push(`${subject.server}: ${subject.name}`);
          return { id: '1', outcome: new Promise(() => {}), withdraw: () => {} };
        },
        withdraw: () => {},
      },
      grants: { find: (subject) => book.find(subject, 0) },
      opened: async () => {},
      ended: () => {},
    },
  );
  expect(consent.known(CALL)).toMatchObject({ decision: 'allow' });
  expect(consent.credentials.known(USE)).toMatchObject({ decision: 'allow' });
  server = 'another';
  expect(consent.known(CALL)).toBeUndefined();
  expect(consent.credentials.known(USE)).toBeUndefined();
  consent.credentials.ask(USE);
  expect(asked).toEqual(['another: token at api.github.com']);
});

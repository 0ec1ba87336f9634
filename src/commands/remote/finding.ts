// What `warder check` finds of a profile with a remote server.

import type { Profile, RemoteServer } from '../../profile/format.ts';
import type { CredentialStates } from '../credential/credential-state.ts';
import { policyLine } from '../profile/profile-summary.ts';
import { policyWarnings, valueWarnings } from '../profile/warnings.ts';
import { type Rows, remoteRows, remoteWarnings } from './access.ts';
import { type Accounts, accountRows, hasAccount } from './account.ts';

export function remoteFinding(
  profile: Profile & { readonly server: RemoteServer },
  file: string,
  states: CredentialStates | undefined,
  accounts: Accounts,
) {
  const { name, server } = profile;
  const credentials = profile.credentials.map((credential) => ({
    variable: credential.variable,
    name: credential.name,
    deliver: credential.deliver,
    state: states?.state(credential) ?? 'unknown',
  }));
  const account = accounts.of(name);
  const [first, ...facts] = account === undefined ? [] : accountRows(account);
  const lines = first === undefined ? [] : [first[1], ...facts.map(([label, text]) => `${label} ${text}`)];
  const unknown = hasAccount(profile) && accounts.error !== undefined;
  const rows: Rows = [
    ...remoteRows(server),
    ...(credentials.length === 0
      ? []
      : [
          [
            'secrets',
            credentials.map(({ variable, name, state }) => `${variable}: ${name}, ${state}`),
          ] as const,
        ]),
    ...(lines.length === 0 ? [] : [['account', lines] as const]),
  ];
  return {
    name,
    state: 'ok',
    file,
    server: { line: server.url },
    rows,
    credentials,
    ...(account !== undefined && { account }),
    sandbox: 'remote',
    policy: policyLine(profile.policy),
    unsupported: [] as const,
    warnings: [
      ...valueWarnings(profile, credentials, states),
      ...remoteWarnings(server),
      ...policyWarnings(profile),
      ...(unknown ? [`whether somebody is signed in is not known: ${accounts.error.message}`] : []),
    ],
  } as const;
}

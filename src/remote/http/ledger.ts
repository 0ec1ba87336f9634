// The uses of a remote server's credential in the audit log: a record before each request that carries one, and one after.

import type { CredentialedRequest, EgressLedger } from '../../egress/ledger.ts';
import { withoutBrackets } from '../../profile/host.ts';
import type { AuthorizedRequest, CredentialLedger } from '../pipe.ts';

/** `callOf` gives the number in the log of the tool call that the relay knows by an id. */
export function credentialLedger(
  ledger: Pick<EgressLedger, 'pace' | 'recordUse' | 'addAnswer' | 'recordNoAnswer'>,
  callOf: (id: number) => string | undefined,
): CredentialLedger {
  const toUse = ({ mark, url, method, id }: AuthorizedRequest): CredentialedRequest => {
    // Of several calls in flight only the one whose message it carries is the cause.
    const call = (id === undefined ? undefined : callOf(id)) ?? null;
    const { credential, version, issuer, scopes, token } = mark;
    return {
      credential,
      version,
      host: withoutBrackets(url.hostname),
      port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
      method,
      path: url.pathname,
      token,
      ...(issuer !== undefined && { issuer }),
      ...(scopes !== undefined && { scopes }),
      call,
    };
  };
  let answered: (() => void)[] = [];
  const settle = (): void => {
    if (answered.length === 0) return;
    const records = answered;
    answered = [];
    for (const record of records) record();
  };
  return {
    pace: () => ledger.pace(),
    recordUse(request) {
      settle();
      ledger.recordUse(toUse(request));
    },
    recordAnswer(request, status) {
      const use = toUse(request);
      if (answered.length === 0) setImmediate(settle);
      answered.push(() => ledger.addAnswer(use, status));
    },
    recordNoAnswer(request, reason) {
      settle();
      ledger.recordNoAnswer(toUse(request), reason);
    },
    settle,
  };
}

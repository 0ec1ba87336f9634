// A server that is to be made ready before a request may act on it, as the request waits for that: a person may have to sign in.
import type { HostDialog, OpenConsent } from '../consent.ts';
import type { Upstream } from '../upstream.ts';

const READY = { decision: 'allow', rule: 'remote.ready', reason: undefined } as const;
const NOTICE = 'waiting for the server';

/** `dialog`: that of the host for the request. */
export function prepareServer(upstream: Upstream, dialog: HostDialog | undefined): OpenConsent {
  const left = new AbortController();
  let notice = NOTICE;
  const waits = (text: string): void => {
    notice = text;
  };
  return {
    outcome: upstream
      .prepare(waits, left.signal, dialog)
      .then((reason) =>
        reason === undefined ? READY : ({ decision: 'deny', rule: 'remote.unready', reason } as const),
      ),
    get notice() {
      return notice;
    },
    withdraw: () => left.abort(),
  };
}

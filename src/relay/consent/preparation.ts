// A server that is to be made ready before a request may act on it, as the request waits for that: a person may have to sign in.
import type { HostDialog, OpenConsent } from '../consent.ts';
import type { Current } from '../upstream/current.ts';

const NOTICE = 'waiting for the server';

/** `dialog`: that of the host for the request. */
export function prepareServer(
  { comparison, upstream }: Pick<Current, 'comparison' | 'upstream'>,
  dialog: HostDialog | undefined,
): OpenConsent {
  const left = new AbortController();
  const kind = upstream.mayWait ? 'remote' : 'server';
  let notice = NOTICE;
  const waits = (text: string): void => {
    notice = text;
  };
  return {
    outcome: (comparison ?? upstream.prepare(waits, left.signal, dialog)).then((reason) =>
      reason === undefined
        ? ({ decision: 'allow', rule: `${kind}.ready`, reason } as const)
        : ({ decision: 'deny', rule: `${kind}.unready`, reason } as const),
    ),
    get notice() {
      return notice;
    },
    withdraw: () => left.abort(),
  };
}

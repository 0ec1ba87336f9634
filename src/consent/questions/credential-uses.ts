// Uses of credentials that a person has to confirm (`confirm: true`). The gate asks before a request leaves that carries
// one: the question is about one credential at one host, and shows the method and the path. An answer for more than this
// request holds for the credential at that host; one for these arguments for that method and path there.
//
// Nobody is asked while a server starts: hosts start servers that nobody uses, several at once. Until a request that acts
// was forwarded, earlier answers count, and everything else is refused.
import type {
  Confirmation,
  Confirmations,
  CredentialUse,
  OpenConfirmation,
} from '../../credential/confirmation.ts';
import { digest } from '../../relay/canonical.ts';
import type { Grant, GrantSubject } from '../store/grants.ts';
import { type Asking, outcomeOfGrant } from './outcome.ts';
import { actOf } from './question.ts';

export interface CredentialUsesOptions {
  /** The subject of the session's questions as it is now, but for what they are about: the server may be started anew. */
  readonly subject: () => Pick<GrantSubject, 'session' | 'host' | 'profile' | 'server'>;
  readonly find: (subject: GrantSubject) => Grant | undefined;
  readonly ask: (subject: GrantSubject, about: CredentialQuestion) => Asking;
  /** Settles once earlier answers can be read, if they can. */
  readonly opened: () => Promise<void>;
  /** Whether the server has had a request that acts. */
  readonly hasActed: () => boolean;
  /** The requests that the server has, by their numbers in the log. */
  readonly calls: () => readonly string[];
  /** A text without the values of credentials. */
  readonly redact: (text: string) => string;
}

/** What is asked, for `Question`. */
export interface CredentialQuestion {
  /** A request that the use may belong to; empty if there is none. */
  readonly call: string;
  readonly method: string;
  readonly name: string;
  readonly rule: string;
  /** JSON of the host, the method and the path. */
  readonly arguments: string;
}

const HTTPS = 443;

/** Characters of a path that are shown: the rest is in a digest. */
const MAX_PATH = 2048;

const EARLY: Confirmation = {
  decision: 'deny',
  rule: 'consent.early',
  reason: 'a person has to confirm its use, and nobody is asked before the host has made a call',
};

export class CredentialUses implements Confirmations {
  readonly #options: CredentialUsesOptions;

  constructor(options: CredentialUsesOptions) {
    this.#options = options;
  }

  known(use: CredentialUse): Confirmation | undefined {
    const grant = this.#options.find(this.#subjectOf(use));
    if (grant === undefined) return undefined;
    return outcomeOfGrant(grant, actOf({ kind: 'credential', name: nameOf(use), method: use.method }));
  }

  ask(use: CredentialUse): OpenConfirmation {
    const { ask, calls, hasActed, opened, redact } = this.#options;
    if (!hasActed()) return { outcome: opened().then(() => this.known(use) ?? EARLY), withdraw: () => {} };
    const [call = ''] = calls();
    return ask(this.#subjectOf(use), {
      call,
      method: use.method,
      name: nameOf(use),
      rule: 'credentials.confirm',
      arguments: JSON.stringify({ host: hostOf(use), method: use.method, path: shownPath(redact(use.path)) }),
    });
  }

  #subjectOf(use: CredentialUse): GrantSubject {
    const { method, path } = use;
    return {
      ...this.#options.subject(),
      kind: 'credential',
      name: nameOf(use),
      definition: undefined,
      arguments: digest(JSON.stringify([method, path])),
    };
  }
}

/** `github/token at api.github.com`: the name of a credential has no space. */
function nameOf(use: CredentialUse): string {
  return `${use.credential} at ${hostOf(use)}`;
}

function hostOf({ host, port }: CredentialUse): string {
  return port === HTTPS ? host : `${host}:${port}`;
}

function shownPath(path: string): string {
  return path.length <= MAX_PATH ? path : `${path.slice(0, MAX_PATH)}… (${digest(path)})`;
}

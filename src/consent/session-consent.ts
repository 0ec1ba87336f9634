// The consent of one session: what it is asked about becomes a question to a person or is known from a grant, for its calls,
// for the uses of its credentials, and for the sign-in to its remote server.
import type { Confirmations } from '../credential/confirmation.ts';
import { digest } from '../relay/canonical.ts';
import type { Consent, ConsentRequest, ConsentSubject, HostDialog, OpenConsent } from '../relay/consent.ts';
import type { HostIdentity } from './host-identity.ts';
import type { Broker } from './questions/broker.ts';
import { CredentialUses } from './questions/credential-uses.ts';
import { openConsent, outcomeOfGrant } from './questions/outcome.ts';
import { actOf, type Reach } from './questions/question.ts';
import type { GrantStore } from './store/grant-store.ts';
import type { GrantSubject } from './store/grants.ts';
import { hostDialogWay } from './ways/host-dialog.ts';

/** A session, as questions describe it and grants are bound to it. */
export interface ConsentSession {
  readonly session: string;
  readonly profile: string;
  readonly host: HostIdentity;
  /** The digest of what runs and what it may do, as that is now. */
  readonly server: string;
  readonly reach: Reach;
  /** The digest of a tool's definition, as it was listed in the session or else accepted; undefined: neither. */
  readonly definition: (tool: string) => string | undefined;
  /** What the server says of a tool, to be shown as its claim. */
  readonly claims: (tool: string) => readonly string[];
  /** Whether the server has had a request that acts, and those that it has, by their numbers in the log. */
  readonly hasActed: () => boolean;
  readonly calls: () => readonly string[];
  /** A text without the values of credentials. */
  readonly redact: (text: string) => string;
}

/** The consent of one session, as it is given to the relay and to the gate. */
export interface SessionConsent extends Consent, Disposable {
  readonly credentials: Confirmations;
  /** Asks whether to sign in to a remote server. Sessions of a profile that ask the same share the question. */
  signIn(question: SignInQuestion): OpenConsent;
}

/** A sign-in, as a person is asked about it. */
export interface SignInQuestion {
  /** The number of the request that waits for it; empty: none. */
  readonly call: string;
  /** The host of the remote server. */
  readonly name: string;
  /** Where it goes, and who gets what, in lines whose characters all show. */
  readonly details: readonly string[];
  /** The dialog of the session's host, if it has one. */
  readonly dialog: HostDialog | undefined;
}

export interface SessionConsentParts {
  readonly broker: Pick<Broker, 'ask' | 'withdraw'>;
  readonly grants: Pick<GrantStore, 'find'>;
  /** Opens the grants on disk, if that asks nobody. Never rejects. */
  readonly opened: () => Promise<void>;
  /** The session has ended, and its questions are withdrawn. */
  readonly ended: () => void;
}

/** The consent of one session, until it is disposed of. */
export function sessionConsent(
  about: ConsentSession,
  { broker, grants, opened, ended }: SessionConsentParts,
): SessionConsent {
  const { session, profile, host, reach, claims, definition, hasActed, calls, redact } = about;
  /** Whom a question is for, and what it shows of the session. */
  const shown = { session, profile, host, reach } as const;
  const subjectOf = (request: ConsentSubject): GrantSubject => ({
    session,
    host: host.key,
    profile,
    server: about.server,
    kind: request.kind,
    name: request.name,
    definition: (request.kind === 'tools' ? definition(request.name) : undefined) ?? request.definition,
    arguments: request.digest,
  });
  const ask = (request: ConsentRequest): OpenConsent => {
    const { call, kind, method, name, rule, dialog } = request;
    const question = {
      ...shown,
      call,
      kind,
      method,
      name,
      rule,
      arguments: request.arguments,
      claims: kind === 'tools' ? claims(name) : [],
    };
    return openConsent(
      broker.ask({ subject: subjectOf(request), question, dialog: dialog && hostDialogWay(dialog) }),
    );
  };
  const signIn = ({ call, name, details, dialog }: SignInQuestion): OpenConsent => {
    const kind = 'sign-in';
    const subject: GrantSubject = {
      session: '',
      host: '',
      profile,
      server: '',
      kind,
      name,
      definition: digest(JSON.stringify(details)),
      arguments: undefined,
    };
    const question = {
      ...shown,
      call,
      kind,
      method: '',
      name,
      rule: 'sign-in',
      arguments: '',
      claims: [],
      details,
    } as const;
    return openConsent(
      broker.ask({ subject, question, dialog: dialog && hostDialogWay(dialog), keep: () => undefined }),
    );
  };
  const credentials = new CredentialUses({
    subject: () => ({ session, host: host.key, profile, server: about.server }),
    find: (subject) => grants.find(subject),
    ask: (subject, asked) => {
      const question = { ...asked, ...shown, kind: 'credential', claims: [] } as const;
      // A dialog of the host could not prove that a person answers.
      return broker.ask({ subject, question, dialog: undefined });
    },
    opened,
    hasActed,
    calls,
    redact,
  });
  return {
    known: (request) => {
      const grant = grants.find(subjectOf(request));
      return grant === undefined ? undefined : outcomeOfGrant(grant, actOf(request));
    },
    ask,
    credentials,
    signIn,
    [Symbol.dispose]: () => {
      broker.withdraw(session);
      ended();
    },
  };
}

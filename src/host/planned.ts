// What can become of a host's server.
import type { AuthFile } from '../profile/auth-schema.ts';
import type { KnownServer } from './known.ts';
import type { HostInput, Reference } from './references.ts';
import type { HostSecret } from './secrets.ts';

/** A secret that was found: the variable of its credential, and its value. */
export interface TakenSecret {
  readonly variable: string;
  readonly value: string;
  readonly from: HostSecret;
}

/** A value that the host fills in, and that has to be known in its place. */
export interface WantedValue {
  readonly reference: Reference;
  /** Of VS Code: what the host asks. */
  readonly input: HostInput | undefined;
  /** It becomes a credential, and is typed without echo. */
  readonly isSecret: boolean;
  /**
   * Where it goes. `variable`: into a variable, whose value is `whole` with the value in the place of the reference.
   * `argument`: the credential of this name, to which an argument refers. `words`: into the arguments, where the reference stands.
   */
  readonly into:
    | { readonly kind: 'variable'; readonly name: string; readonly whole: string }
    | { readonly kind: 'argument'; readonly name: string }
    | { readonly kind: 'header'; readonly name: string; readonly whole: string }
    | { readonly kind: 'words' };
}

/** A server that stays as it is. */
export interface Left {
  readonly kind: 'left';
  readonly why: string;
}

/** A server on this machine that becomes a profile. */
export interface PlannedLocal {
  readonly kind: 'profile';
  /** The name of the profile, if it is free. */
  readonly name: string;
  /** How it is started: a pinned package from its npx or uvx line, or a command. */
  readonly start: 'npx' | 'uvx' | 'command';
  /** The words of that line, with `${credential:NAME}` in place of secrets. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The secrets: variables and their values. */
  readonly credentials: readonly TakenSecret[];
  /** What the host fills in: see `fillIn`. */
  readonly wanted: readonly WantedValue[];
  /** What it reaches, as far as that is known; its secrets are sealed for these, unless `whyUnsealed` says why not. */
  readonly hosts: readonly string[];
  readonly cwd: string | undefined;
  readonly knows: KnownServer;
}

/** A remote server that becomes a profile. */
export interface PlannedRemote {
  readonly kind: 'remote';
  readonly name: string;
  readonly url: string;
  /** Headers that are no secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** How it is signed in to; undefined: the server is asked, and wants a sign-in or nothing. */
  readonly auth: AuthFile | undefined;
  /** The token or key, which the profile takes from `<profile>/<variable>`. */
  readonly credentials: readonly TakenSecret[];
  readonly wanted: readonly WantedValue[];
  /** It is on this machine, and without TLS. */
  readonly insecureLoopback: boolean;
  /** What keeps the host's own sign-in, which stays there. */
  readonly signedInBy: string | undefined;
}

export type Planned = PlannedLocal | PlannedRemote;

/** Where a server comes from. */
export interface Origin {
  /** A project's file may be by others: nothing that it wants filled in is. */
  readonly scope: 'user' | 'project';
  readonly inputs: ReadonlyMap<string, HostInput>;
}

const MAX_NAME = 63;

/** A name for a profile: of a-z, 0-9 and "-". */
export function profileName(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '-')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, MAX_NAME);
  return plain === '' ? 'server' : plain;
}

export function left(why: string): Left {
  return { kind: 'left', why };
}

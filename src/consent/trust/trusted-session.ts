// A session, as what is accepted of its server is bound to it.
import type { Profile } from '../../profile/format.ts';
import type { HostIdentity } from '../host-identity.ts';
import type { Reach } from '../questions/question.ts';
import type { StartedCommand } from './executables.ts';

/** What a session runs: a pinned package, a command, or a server elsewhere by its origin and path. */
export type Started =
  | { readonly package: string; readonly digest: string }
  | { readonly command: StartedCommand }
  | { readonly url: string };

export interface TrustedSession {
  readonly session: string;
  readonly profile: Profile;
  readonly host: HostIdentity;
  readonly reach: Reach;
  readonly started: Started;
  /** Whether it runs: until then, what is seen of the server is what was kept of it, and not its own word. */
  readonly isStarted: () => boolean;
  /** Tells the user a line, beside the protocol. */
  readonly tell: (line: string) => void;
}

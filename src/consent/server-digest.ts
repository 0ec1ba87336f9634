// What grants are bound to beside the host: what runs, and what it may do. A profile that gives its server more, another
// command or another version of a package make another server, which is asked about anew. What the policy says and what
// is recorded make none.
import type { Profile } from '../profile/format.ts';
import { digest } from '../relay/canonical.ts';

/** `sha256:<hex>` of a profile's server with its permissions. `command` is what was started, `digests` names its bytes. */
export function serverDigest(
  { server, env, credentials, sandbox }: Profile,
  command: readonly string[],
  digests: string,
): string {
  // When it starts and ends makes no other server.
  const { start: _, idle: __, ...runs } = { start: undefined, idle: undefined, ...server };
  return digest(JSON.stringify([runs, env, credentials, sandbox ?? null, command, digests]));
}

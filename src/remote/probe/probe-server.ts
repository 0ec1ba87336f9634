// Looks at a remote server that has no account yet: what answers, which transport it speaks, what it asks for. No credential is
// sent, and a session that a server opens for the question is ended.
import type * as z from 'zod';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { RemoteVerbs } from '../../wire/control.ts';
import { DISCOVER } from '../era/protocol.ts';
import { openFetch } from '../http/fetch.ts';
import type { AuthorizationServer } from '../oauth/authorization-server.ts';
import { parseChallenge } from '../oauth/challenge.ts';
import { discover } from '../oauth/discovery.ts';
import type { OAuthParts } from '../oauth/parts.ts';
import { findResource } from '../oauth/resource-metadata.ts';
import { deniesSessions, deniesStateless } from '../transport/era-evidence.ts';
import { type Asked, Asker, type AskerParts } from './asker.ts';

export type Found = z.infer<RemoteVerbs['remote.probe']['result']>;

export interface ProbeParts extends AskerParts {
  readonly clock: Pick<Clock, 'now'>;
  readonly random: (length: number) => Uint8Array;
}

/** Characters of a name that is shown. */
const MAX_NAME = 200;

/** Throws `remote-unreachable` and `remote-refused`; what else is odd about an answer is in `detail`. */
export async function probeServer(parts: ProbeParts): Promise<Found> {
  const asker = new Asker(parts);
  const { answer, transport } = await findTransport(asker);
  const server = new URL(parts.server.url);
  const oauth: OAuthParts = {
    fetch: openFetch(parts.http),
    clock: parts.clock,
    random: parts.random,
    insecureLoopback: parts.server.insecureLoopback,
    signal: parts.signal,
  };
  const found: Found = {
    url: parts.server.url,
    transport: answer.result === undefined ? null : transport,
    server: nameIn(answer),
    needs: 'nothing',
    issuers: [],
    scopes: [],
    registration: [],
    detail: null,
  };
  if (answer.status === 401 || answer.status === 403) return await withSignIn(found, oauth, server, answer);
  if (answer.result === undefined && transport !== 'sse') {
    throw new WarderError(
      'remote-unreachable',
      `"${server.host}" answers ${answer.status}, and not as an MCP server`,
      {
        hint: 'check the path of the URL',
      },
    );
  }
  return await withMetadata({ ...found, transport }, oauth, server);
}

/** Asks in the way of each era in turn, the newest first; 401 and 403 are no evidence of any. */
async function findTransport(
  asker: Asker,
): Promise<{ readonly answer: Asked; readonly transport: NonNullable<Found['transport']> }> {
  const modern = await asker.discover();
  if (modern.result !== undefined || !deniesStateless(DISCOVER, modern.status, modern.code))
    return { answer: modern, transport: 'stateless' };
  const session = await asker.initialize();
  if (session.result !== undefined || !deniesSessions(session.status, session.code))
    return { answer: session, transport: 'session' };
  const old = await asker.openStream();
  return old.isStream || old.status === 401 || old.status === 403
    ? { answer: old, transport: 'sse' }
    : { answer: session, transport: 'session' };
}

/** What a server that refuses says of signing in; one that does not explain itself wants a token. */
async function withSignIn(
  found: Found,
  oauth: OAuthParts,
  server: URL,
  { challenge }: Asked,
): Promise<Found> {
  const said = parseChallenge(challenge);
  try {
    const { metadata, server: authorization } = await discover(oauth, server, said);
    if (metadata === undefined && authorization.source === 'default')
      return { ...found, needs: 'token', detail: 'it names no authorization server' };
    return {
      ...found,
      needs: 'oauth',
      issuers: [...(metadata?.authorizationServers ?? [authorization.issuer])],
      scopes: [...(said?.scopes ?? metadata?.scopesSupported ?? [])],
      registration: registrationOf(authorization),
    };
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    return { ...found, needs: 'token', detail: error.message };
  }
}

/** A server that answers everybody may have accounts all the same, for some of its tools. */
async function withMetadata(found: Found, oauth: OAuthParts, server: URL): Promise<Found> {
  const metadata = await findResource(oauth, server).catch((error: unknown) => {
    if (error instanceof WarderError) return undefined;
    throw error;
  });
  if (metadata === undefined) return found;
  const signIn = await withSignIn(found, oauth, server, { status: 401, challenge: null, isStream: false });
  return { ...signIn, detail: signIn.detail ?? 'it answers without a sign-in too' };
}

function registrationOf({
  clientIdMetadataDocuments,
  tokenAuthMethods,
  registrationEndpoint,
}: AuthorizationServer): string[] {
  return [
    ...(clientIdMetadataDocuments && tokenAuthMethods?.includes('none') === true
      ? ['metadata document']
      : []),
    ...(registrationEndpoint === undefined ? [] : ['registration']),
  ];
}

/** The name and version that a server gives itself. */
function nameIn({ result }: Asked): string | null {
  const meta = memberOf(result, '_meta');
  const info = memberOf(meta, 'io.modelcontextprotocol/serverInfo') ?? memberOf(result, 'serverInfo');
  const words = [memberOf(info, 'name'), memberOf(info, 'version')].filter(
    (word) => typeof word === 'string',
  );
  return words.length === 0 ? null : words.join(' ').slice(0, MAX_NAME);
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

// Makes the tokens that are sent in place of a credential that signs: a JWT by itself, an installation token of a GitHub
// App by asking GitHub. A credential has one token at a time, made when a request needs it.
import * as http from 'node:http';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { SealedCredential } from '../credential/sealed.ts';
import { type MadeToken, makeAppJwt, makeJwt } from '../credential/token-maker.ts';
import type { Clock } from '../os/clock.ts';
import { type GithubAppSigning, makesTokens } from '../profile/signing.ts';
import { BUDGETS } from './budgets.ts';
import { Denial } from './http/substitution.ts';
import type { EgressLedger } from './ledger.ts';

export interface TokenSourceParts {
  /** Connects to a host with TLS, verified, for HTTP/1.1. Rejects with what failed. */
  readonly connect: (host: string, port: number) => Promise<Duplex>;
  readonly ledger: EgressLedger;
  readonly clock: Clock;
}

interface Failure {
  readonly denial: Denial;
  /** By the monotonic clock. */
  readonly until: number;
}

export class TokenSource {
  readonly #parts: TokenSourceParts;
  readonly #making = new Map<SealedCredential, Promise<void>>();
  readonly #failures = new Map<SealedCredential, Failure>();

  constructor(parts: TokenSourceParts) {
    this.#parts = parts;
  }

  /**
   * Makes the credential's token unless it has one that is valid for a while. `rule`: how a person has confirmed that. Throws
   * `Denial`.
   */
  ensure(credential: SealedCredential, rule?: string): Promise<void> {
    const { clock } = this.#parts;
    if (!makesTokens(credential.sign) || credential.hasFreshToken(clock.now())) return Promise.resolve();
    const failure = this.#failures.get(credential);
    if (failure !== undefined && clock.monotonic() < failure.until) return Promise.reject(failure.denial);
    const making = this.#making.get(credential) ?? this.#make(credential, rule);
    this.#making.set(credential, making);
    return making;
  }

  async #make(credential: SealedCredential, rule: string | undefined): Promise<void> {
    const { clock } = this.#parts;
    try {
      credential.keepToken(await this.#makeToken(credential, rule), clock.now());
      this.#failures.delete(credential);
    } catch (cause) {
      const denial =
        cause instanceof Denial
          ? cause
          : new Denial(502, `no token of the credential ${credential.name} could be made`, cause);
      this.#failures.set(credential, { denial, until: clock.monotonic() + BUDGETS.tokenRetry });
      throw denial;
    } finally {
      this.#making.delete(credential);
    }
  }

  async #makeToken(credential: SealedCredential, rule: string | undefined): Promise<MadeToken> {
    const { sign, value } = credential;
    const now = this.#parts.clock.now();
    if (sign?.scheme === 'jwt') return await makeJwt(value, sign, now);
    if (sign?.scheme === 'github-app') return await this.#askGithub(credential, sign, now, rule);
    throw new RangeError('the credential makes no tokens');
  }

  /** "Create an installation access token for an app" of GitHub's REST API. */
  async #askGithub(
    credential: SealedCredential,
    sign: GithubAppSigning,
    now: number,
    rule: string | undefined,
  ): Promise<MadeToken> {
    const { ledger, connect } = this.#parts;
    const { host, hostname, port, pathname } = new URL(`https://${sign.api}`);
    const path = `${pathname.replace(/\/$/, '')}/app/installations/${sign.installation}/access_tokens`;
    const { token: jwt } = await makeAppJwt(credential.value, sign.app, now);
    const body = JSON.stringify({
      ...(sign.repositories !== undefined && { repositories: sign.repositories }),
      ...(sign.permissions !== undefined && { permissions: sign.permissions }),
    });
    const used = {
      ...{ credential: credential.name, version: credential.version },
      ...{ host: hostname, port: Number(port) || HTTPS, method: 'POST', path },
      ...(rule !== undefined && { rule }),
    };
    await ledger.pace();
    const socket = await connect(hostname, Number(port) || HTTPS);
    try {
      ledger.recordUse(used);
      const { status, text: answer } = await post(socket, path, body, {
        host,
        authorization: `Bearer ${jwt}`,
        accept: 'application/vnd.github+json',
        'user-agent': 'warder',
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      });
      ledger.recordAnswer(used, status);
      if (status !== CREATED)
        throw new Denial(502, `GitHub gives out no installation token (it answered ${status})`);
      const { token, expires_at } = JSON.parse(answer) as Record<string, unknown>;
      const expires = Date.parse(String(expires_at));
      if (typeof token !== 'string' || !/^[\x21-\x7e]{16,1024}$/.test(token) || Number.isNaN(expires))
        throw new Denial(502, 'what GitHub answers is no installation token');
      return { token, expires };
    } finally {
      socket.destroy();
    }
  }
}

const HTTPS = 443;
const CREATED = 201;

async function post(
  socket: Duplex,
  path: string,
  body: string,
  headers: Record<string, string>,
): Promise<{ readonly status: number; readonly text: string }> {
  const request = http.request({
    createConnection: () => socket,
    method: 'POST',
    path,
    headers,
    setHost: false,
  });
  const limit = setTimeout(() => request.destroy(new Error('does not answer in time')), BUDGETS.handshake);
  try {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).once('error', reject);
      request.end(body);
    });
    let length = 0;
    response.on('data', (piece: Buffer) => {
      length += piece.length;
      if (length > BUDGETS.head) response.destroy(new Error('answers with too much'));
    });
    return { status: response.statusCode ?? 0, text: await text(response) };
  } finally {
    clearTimeout(limit);
    request.on('error', () => {});
  }
}

// A session with the service, in which secrets are encrypted (`cipher.ts`). The service ends it when it is restarted.
import type { Message } from 'dbus-native';
import { ALGORITHM, type SessionCipher, startKeyExchange } from './cipher.ts';
import type { ServiceConnection } from './connection.ts';
import { dbusName, noEncryption } from './errors.ts';
import { NAME, SERVICE, type TimeLimit } from './protocol.ts';

/** A session with the service, in which secrets are encrypted. */
export interface Session {
  /** The unique bus name of the service. Only it knows the session. */
  readonly owner: string;
  readonly path: string;
  readonly cipher: SessionCipher;
}

/** The type of a secret. The one that existing items have. */
const CONTENT_TYPE = 'application/octet-stream';
/** Errors of a call with a session that has ended, since the service was restarted. */
const SESSION_ENDED = new Set([
  'Secret.Error.NoSession',
  'DBus.Error.ServiceUnknown',
  'DBus.Error.NameHasNoOwner',
]);

/** Opens the session when it is first needed, and again after it ended. */
export class Sessions {
  readonly #connection: () => ServiceConnection;
  #session: Promise<Session> | undefined;

  constructor(connection: () => ServiceConnection) {
    this.#connection = connection;
  }

  /** Calls with the current session; once more with a new one if the service has ended it. */
  async run<T>(limit: TimeLimit, call: (session: Session) => Promise<T>): Promise<T> {
    const current = this.#openSession(limit);
    try {
      return await call(await current);
    } catch (error) {
      if (!SESSION_ENDED.has(dbusName(error))) throw error;
      if (this.#session === current) this.end();
      return await call(await this.#openSession(limit));
    }
  }

  #openSession(limit: TimeLimit): Promise<Session> {
    if (this.#session !== undefined) return this.#session;
    const opening = this.#negotiate(limit);
    this.#session = opening;
    opening.catch(() => {
      if (this.#session === opening) this.#session = undefined;
    });
    return opening;
  }

  async #negotiate(limit: TimeLimit): Promise<Session> {
    const [owner] = await this.#connection().call(
      {
        destination: 'org.freedesktop.DBus',
        path: '/org/freedesktop/DBus',
        interface: 'org.freedesktop.DBus',
        member: 'GetNameOwner',
        signature: 's',
        body: [SERVICE],
      },
      limit,
    );
    const exchange = await startKeyExchange();
    const message = {
      destination: String(owner),
      member: 'OpenSession',
      signature: 'sv',
      body: [ALGORITHM, ['ay', exchange.publicKey]],
    };
    const [peerKey, path] = await this.#connection()
      .call(message, limit)
      .catch((error) => {
        throw dbusName(error) === 'DBus.Error.NotSupported' ? noEncryption(error) : error;
      });
    if (!Buffer.isBuffer(peerKey)) throw noEncryption(undefined);
    try {
      return { owner: String(owner), path: String(path), cipher: exchange.complete(peerKey) };
    } catch (error) {
      throw noEncryption(error);
    }
  }

  /** Forgets the session. */
  end(): void {
    this.#session?.then(
      ({ cipher }) => cipher[Symbol.dispose](),
      () => {},
    );
    this.#session = undefined;
  }
}

/** An item, addressed to the service of the session. */
export function item({ owner }: Session, path: string): Message {
  return { destination: owner, path, interface: `${NAME}.Item` };
}

/** A secret as an argument of a method. */
export function encrypted({ path, cipher }: Session, secret: Uint8Array): unknown[] {
  const { parameters, value } = cipher.encrypt(secret);
  return [path, parameters, value, CONTENT_TYPE];
}

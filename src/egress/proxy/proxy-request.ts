// What a program asks of the proxy, in HTTP (RFC 9110 9.3.6; RFC 9112 3.2.2) or in SOCKS5 (RFC 1928, RFC 1929): the first
// byte tells which. It shows the session's token, names a host, and nothing more: no address, no other command. What
// could be read in two ways is refused. A plain HTTP request is turned into what its host expects, and told to be the
// last of its connection: so the next one, to whatever host, is a connection of its own, and is decided on anew.
import type { Socket } from 'node:net';
import { normalizeName } from '../../profile/host.ts';

/** Where a program wants to go. `host` is empty where it was not understood, or not said yet. */
export interface Where {
  readonly host: string;
  readonly port: number;
}

/** What is to be done. */
export interface Asked extends Where {
  /** To be said first. */
  readonly answer: Buffer;
  /** To be read first, before all that comes. */
  readonly head: Buffer;
}

/** What the proxy does not do, and what it says. `message` is short and holds no secret. */
export class Unasked extends Error {
  override readonly name = 'Unasked';
  readonly where: Where;
  readonly answer: Buffer;

  constructor(where: Where, reason: string, answer: Buffer = NOTHING) {
    super(reason);
    this.where = where;
    this.answer = answer;
  }
}

const NOTHING = Buffer.alloc(0);
const NOWHERE: Where = { host: '', port: 0 };
/** Bytes of a request's head. */
const LONGEST_HEAD = 16_384;
const END = '\r\n\r\n';
const TUNNEL = Buffer.from(`HTTP/1.1 200 Connection established${END}`);

const SOCKS = 5;
const LOGIN = 2;
const CONNECT = 1;
const [IPV4, NAME, IPV6] = [1, 3, 4] as const;
/** Answers of RFC 1928 6. */
const [DONE, FORBIDDEN, NO_COMMAND, NO_KIND] = [0, 2, 7, 8] as const;

const MALFORMED = 'the request is malformed';
const STRANGER = 'the token of this session is not shown';
const ADDRESS = 'it is not a host name, and a server reaches hosts by name only';

/** What a paused socket brings, taken piece by piece. What is not taken is put back. */
export class Intake {
  readonly #socket: Socket;
  #read: Buffer = NOTHING;
  #why = 'it ended before it had asked for a host';

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** The next byte, which stays. */
  async first(): Promise<number> {
    while (this.#read.length === 0) await this.#more();
    return this.#read.readUInt8();
  }

  /** So many bytes. */
  async take(length: number): Promise<Buffer> {
    while (this.#read.length < length) await this.#more();
    const taken = this.#read.subarray(0, length);
    this.#read = this.#read.subarray(length);
    return taken;
  }

  /** Bytes with their number in front, which is one byte. */
  async block(): Promise<Buffer> {
    return await this.take((await this.take(1)).readUInt8());
  }

  /** Everything up to an empty line, and that. Undefined if it is too long. */
  async head(): Promise<Buffer | undefined> {
    for (let from = 0; ; ) {
      const at = this.#read.indexOf(END, from);
      if (at + END.length > LONGEST_HEAD || (at < 0 && this.#read.length >= LONGEST_HEAD)) return undefined;
      if (at >= 0) return await this.take(at + END.length);
      from = Math.max(0, this.#read.length - END.length + 1);
      await this.#more();
    }
  }

  say(...bytes: number[]): void {
    this.#socket.write(Buffer.from(bytes));
  }

  /** Leaves the socket paused, with these bytes and all that was not taken to be read next. */
  release(head: Buffer): void {
    this.#socket.pause();
    const rest = Buffer.concat([head, this.#read]);
    if (rest.length > 0) this.#socket.unshift(rest);
  }

  /** Ends the connection; whoever waits for bytes hears why. */
  drop(why: string): void {
    this.#why = why;
    this.#socket.destroy();
  }

  async #more(): Promise<void> {
    const socket = this.#socket;
    for (;;) {
      if (socket.destroyed || socket.readableEnded) throw new Unasked(NOWHERE, this.#why);
      if (socket.readableLength > 0) break;
      const { promise, resolve } = Promise.withResolvers<void>();
      const events = ['readable', 'end', 'close'] as const;
      for (const event of events) socket.on(event, resolve);
      socket.read(0);
      await promise;
      for (const event of events) socket.off(event, resolve);
    }
    // Exactly what is there: a read of more would find the end behind it, and then nothing can be put back.
    this.#read = Buffer.concat([this.#read, socket.read(socket.readableLength)]);
  }
}

/** Reads what is asked for. `knows` says whether a login, `user:password`, is this session's. Throws `Unasked`. */
export async function readAsked(intake: Intake, knows: (login: string) => boolean): Promise<Asked> {
  const first = await intake.first();
  if (first === SOCKS) return await readSocks(intake, knows);
  if (first < 0x41 || first > 0x5a) throw new Unasked(NOWHERE, 'it is neither HTTP nor SOCKS5');
  return await readHttp(intake, knows);
}

async function readSocks(intake: Intake, knows: (login: string) => boolean): Promise<Asked> {
  await intake.take(1);
  if (!(await intake.block()).includes(LOGIN)) throw new Unasked(NOWHERE, STRANGER, Buffer.of(SOCKS, 0xff));
  intake.say(SOCKS, LOGIN);
  const version = (await intake.take(1)).readUInt8();
  if (version !== 1) throw new Unasked(NOWHERE, MALFORMED);
  const [user, password] = [await intake.block(), await intake.block()];
  if (!knows(`${user.toString()}:${password.toString()}`)) {
    throw new Unasked(NOWHERE, STRANGER, Buffer.of(1, 1));
  }
  intake.say(1, 0);
  const [five, command, reserved, kind] = await intake.take(4);
  if (five !== SOCKS || reserved !== 0) throw new Unasked(NOWHERE, MALFORMED);
  const host = await hostOf(kind, intake);
  if (host === undefined) throw new Unasked(NOWHERE, MALFORMED, reply(NO_KIND));
  const where = { host: shown(host), port: (await intake.take(2)).readUInt16BE() };
  if (command !== CONNECT) throw new Unasked(where, 'SOCKS5 is there to connect only', reply(NO_COMMAND));
  if (kind !== NAME) throw new Unasked(where, ADDRESS, reply(NO_KIND));
  const name = normalizeName(host);
  if (name === undefined || where.port === 0) throw new Unasked(where, ADDRESS, reply(FORBIDDEN));
  return { host: name, port: where.port, answer: reply(DONE), head: NOTHING };
}

async function hostOf(kind: number | undefined, intake: Intake): Promise<string | undefined> {
  if (kind === NAME) return (await intake.block()).toString('latin1');
  if (kind === IPV4) return [...(await intake.take(4))].join('.');
  return kind === IPV6 ? (await intake.take(16)).toString('hex').replace(/.{4}(?!$)/g, '$&:') : undefined;
}

/** An answer to a request. The address that the proxy has of its own is nobody's business. */
function reply(code: number): Buffer {
  return Buffer.of(SOCKS, code, 0, IPV4, 0, 0, 0, 0, 0, 0);
}

async function readHttp(intake: Intake, knows: (login: string) => boolean): Promise<Asked> {
  const bytes = await intake.head();
  if (bytes === undefined) {
    const reason = `the head of the request does not end within ${LONGEST_HEAD} bytes`;
    throw new Unasked(NOWHERE, reason, http('431 Request Header Fields Too Large', reason));
  }
  const [line = '', ...lines] = bytes.toString('latin1').slice(0, -END.length).split('\r\n');
  const [, method = '', target = '', version = ''] =
    /^([A-Z][A-Z-]{0,31}) ([!-~]+) HTTP\/(1\.[01])$/.exec(line) ?? [];
  const fields = lines.map((field) => /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([^\0\r\n]*)$/.exec(field));
  if (method === '' || fields.includes(null)) {
    throw new Unasked(NOWHERE, MALFORMED, http('400 Bad Request', MALFORMED));
  }
  const named = (name: string): string[] =>
    fields.flatMap((field) => (field?.[1]?.toLowerCase() === name ? [field[2] ?? ''] : []));

  const tunnel = method === 'CONNECT';
  const [, authority = '', path = ''] = /^http:\/\/([^/?#]*)([^#]*)$/i.exec(target) ?? [];
  const said = readAuthority(tunnel ? target : authority, tunnel ? undefined : 80);
  const [login = '', another] = named('proxy-authorization');
  const [, coded = ''] = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(login) ?? [];
  if (another !== undefined || !knows(Buffer.from(coded, 'base64').toString())) {
    throw new Unasked(said ?? NOWHERE, STRANGER, http('407 Proxy Authentication Required', STRANGER));
  }
  if (said === undefined) {
    const reason = /^https:/i.test(target)
      ? 'https goes through a proxy by CONNECT'
      : 'this is a proxy: it takes CONNECT HOST:PORT, and http://HOST/… as a target';
    throw new Unasked(NOWHERE, reason, http('400 Bad Request', reason));
  }
  const host = normalizeName(said.host);
  if (host === undefined) throw new Unasked(said, ADDRESS, http('403 Forbidden', ADDRESS));
  if (tunnel) return { host, port: said.port, answer: TUNNEL, head: NOTHING };

  const kept = fields.filter((field) => !OWN.has(field?.[1]?.toLowerCase() ?? ''));
  // What else it names belongs to the connection: the gate must see it to drop it.
  const connection = named('connection').flatMap((value) => value.split(',').map((option) => option.trim()));
  const options = connection.filter((option) => option !== '' && !/^(keep-alive|close)$/i.test(option));
  const asterisk = path === '' && method === 'OPTIONS';
  const head = [
    `${method} ${asterisk ? '*' : path.replace(/^(?!\/)/, '/')} HTTP/${version}`,
    ...kept.map((field) => field?.[0] ?? ''),
    `Connection: ${[...options, 'close'].join(', ')}`,
  ];
  return { host, port: said.port, answer: NOTHING, head: Buffer.from(head.join('\r\n') + END, 'latin1') };
}

/** Fields that are said to the proxy. */
const OWN = new Set(['connection', 'proxy-authorization', 'proxy-connection']);

/** A host and its port, without a user. Undefined where it is none, or has no port and needs one. */
function readAuthority(text: string, usual: number | undefined): Where | undefined {
  const [, host, digits] = /^(\[[0-9a-f:.]+\]|[\w.-]{1,255})(?::([1-9]\d{0,4}))?$/i.exec(text) ?? [];
  const port = digits === undefined ? usual : Number(digits);
  return host === undefined || port === undefined || port > 65_535 ? undefined : { host: shown(host), port };
}

/** A host as it may stand in a record: the plain name, or else what was said if it cannot be taken for anything else. */
function shown(host: string): string {
  return normalizeName(host) ?? (/^[\w.:[\]-]{1,255}$/.test(host) ? host.toLowerCase() : '');
}

/** An answer of the proxy itself. */
function http(status: string, reason: string): Buffer {
  const body = `${JSON.stringify({ error: 'warder', message: reason })}\n`;
  const fields = [
    `HTTP/1.1 ${status}`,
    ...(status.startsWith('407') ? ['Proxy-Authenticate: Basic realm="warder"'] : []),
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  return Buffer.from(fields.join('\r\n') + END + body);
}

// The messages between the daemon's main thread and the thread of its gates. Both are of one build: a message is plain data of
// a type below, and whoever reads it handles each type (`unhandled`). Values of credentials are in `Concealed` alone.
//
// Three ways: what the main thread sends; what the gates' thread sends, and does not wait for; and what it stands still for
// until it is answered (`StandingCall`). The latter two go by one port (`standing.ts`), so that they arrive in their order. The
// main thread never waits for the other.
import type { Fields } from '../../audit/events.ts';
import type { Confirmation, CredentialUse } from '../../credential/confirmation.ts';
import { EXIT, WarderError } from '../../errors.ts';
import type { CredentialSource, ProfileCredential } from '../../profile/credential.ts';
import type { GateEvent } from '../ledger.ts';
import type { RefreshOutcome } from '../refresh.ts';
import { EgressRefusal } from '../refusal.ts';

/** Texts that are secret, as UTF-16LE. The memory is to be transferred with the message; `reveal` overwrites it. */
export interface Concealed {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Characters of each text. */
  readonly lengths: readonly number[];
}

/** The number of a gate, unique in the daemon. */
export type GateNumber = number;
/** Identifies a message that is answered, among those of its sender. */
export type CallNumber = number;

/** What a gate is opened with. */
export interface GateData {
  readonly session: string;
  readonly profile: string;
  readonly durability: 'write' | 'fsync';
  /** When the session began, by `processClock`. */
  readonly began: number;
  /** How often its credentials were used before. */
  readonly uses: readonly (readonly [variable: string, count: number])[];
  /** Without their values, which stand in `values`, in the same order. */
  readonly credentials: readonly (ProfileCredential & { readonly version: string })[];
  readonly values: Concealed;
  /** What the allowlist is made of. */
  readonly network: readonly string[];
  readonly sealed: readonly string[];
  /** The proxy of the settings, with its login. */
  readonly proxy: { readonly url: Concealed; readonly except: readonly string[] } | undefined;
  /** How fast what is allowed may be recorded; as `BUDGETS` says where undefined. */
  readonly pace?: { readonly burst: number; readonly rate: number } | undefined;
}

/** What a gate is, once it is open. */
export interface GateFacts {
  /** By the variable of each sealed credential. */
  readonly placeholders: Readonly<Record<string, string>>;
  /** What the sandbox trusts, PEM; undefined where nothing is sealed. */
  readonly certificate: string | undefined;
}

/** An error, as data. */
export interface ThreadError {
  readonly kind: 'warder' | 'refusal' | 'other';
  readonly message: string;
  readonly code: string | undefined;
  readonly hint: string | undefined;
}

export type Outcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: ThreadError };

/** The answer to a message with this number. */
export interface Reply {
  readonly type: 'reply';
  readonly call: CallNumber;
  readonly outcome: Outcome<unknown>;
}

/** Which answer belongs to which message of the main thread. */
export interface Answers {
  open: GateFacts;
  update: undefined;
  /** How many connections were closed. */
  disconnect: number;
  close: undefined;
  checkNode: undefined;
}

/** From the main thread. */
export type ToThread =
  | { readonly type: 'open'; readonly call: CallNumber; readonly gate: GateNumber; readonly data: GateData }
  /** The thread owns the descriptor from now on. */
  | {
      readonly type: 'connection';
      readonly gate: GateNumber;
      readonly descriptor: number;
      readonly host: string;
      readonly port: number;
      /** Its id in the log. */
      readonly id: string;
    }
  | {
      readonly type: 'update';
      readonly call: CallNumber;
      readonly gate: GateNumber;
      readonly credentials: readonly { readonly name: string; readonly version: string }[];
      readonly values: Concealed;
    }
  | {
      readonly type: 'disconnect';
      readonly call: CallNumber;
      readonly gate: GateNumber;
      readonly credential: string;
    }
  | { readonly type: 'close'; readonly call: CallNumber; readonly gate: GateNumber }
  | { readonly type: 'checkNode'; readonly call: CallNumber }
  /** A gate is closed, or was not opened, and all that was sent of it has arrived. */
  | { readonly type: 'settled'; readonly gate: GateNumber }
  | Reply;

/** A message that is answered. */
export type Answered = Extract<ToThread, { readonly type: keyof Answers }>;

/** A credential whose value a request exchanges. */
export interface ExchangingCredential {
  readonly name: string;
  readonly source: CredentialSource;
  readonly version: string;
  readonly value: Concealed;
}

/** What a gate asks the main thread for, and waits for without standing still; and the answers. */
export type Question =
  | { readonly ask: 'admission' }
  | { readonly ask: 'confirmation'; readonly use: CredentialUse }
  | { readonly ask: 'refresh'; readonly credential: ExchangingCredential }
  | { readonly ask: 'exchange'; readonly turn: CallNumber; readonly value: Concealed };

export interface QuestionAnswers {
  admission: undefined;
  confirmation: Confirmation;
  /** The value as it is now; undefined where the turn does not come in time. The turn has the number of its question. */
  refresh: CurrentValue | undefined;
  exchange: { readonly outcome: RefreshOutcome; readonly current: CurrentValue };
}

export interface CurrentValue {
  readonly value: Concealed;
  readonly version: string;
}

/** From the gates' thread. */
export type FromThread =
  | Reply
  /** Something has happened: its record. */
  | ({ readonly type: 'record'; readonly gate: GateNumber } & GateRecord)
  | {
      readonly type: 'question';
      readonly call: CallNumber;
      readonly gate: GateNumber;
      readonly question: Question;
    }
  /** Nobody waits for the answer to a question any more, or the turn that it gave is over. */
  | { readonly type: 'withdraw'; readonly call: CallNumber }
  /** A connection has ended. */
  | { readonly type: 'ended'; readonly gate: GateNumber }
  /** Something was refused; it is on record. */
  | {
      readonly type: 'refused';
      readonly gate: GateNumber;
      readonly host: string;
      readonly port: number;
      readonly reason: string;
    }
  /** A host has answered a request that carried a credential. */
  | {
      readonly type: 'answered';
      readonly gate: GateNumber;
      readonly credential: { readonly name: string; readonly version: string };
      readonly status: number;
      readonly host: string;
    }
  /** The session has used a credential so often now. */
  | {
      readonly type: 'used';
      readonly gate: GateNumber;
      readonly variable: string;
      readonly count: number;
    }
  /** The longest turn of a gate so far, in milliseconds. */
  | { readonly type: 'longest'; readonly gate: GateNumber; readonly ms: number }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly fields: object;
      readonly message: string;
    };

/** A record of a gate, without the tool calls in flight. */
export type GateRecord = {
  [Event in GateEvent]: { readonly event: Event; readonly fields: Fields[Event] };
}[GateEvent];

/** What the gates' thread stands still for. */
export type StandingCall =
  /** Writes the record of what is let out once it is written. */
  | ({ readonly type: 'append'; readonly gate: GateNumber } & GateRecord)
  /** The values that must not reach the server, and their placeholders, in the order of the credentials. */
  | {
      readonly type: 'secrets';
      readonly gate: GateNumber;
      readonly values: Concealed;
      readonly placeholders: readonly string[];
    }
  | { readonly type: 'locks'; readonly gate: GateNumber }
  | { readonly type: 'known'; readonly gate: GateNumber; readonly use: CredentialUse }
  | { readonly type: 'connectionId'; readonly gate: GateNumber }
  /** Waits until all that was sent before has been taken. */
  | { readonly type: 'taken' };

/** What is sent at one time. */
export interface Sent {
  readonly messages: readonly FromThread[];
  /** After these. */
  readonly call: StandingCall | undefined;
}

export interface StandingAnswers {
  append: undefined;
  secrets: undefined;
  locks: { readonly locked: boolean; readonly revoked: readonly string[] };
  known: Confirmation | undefined;
  connectionId: string;
  taken: undefined;
}

export function conceal(texts: readonly string[]): Concealed {
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + text.length * 2, 0));
  let at = 0;
  for (const text of texts) {
    for (let index = 0; index < text.length; index++, at += 2) {
      const unit = text.charCodeAt(index);
      bytes[at] = unit & 0xff;
      bytes[at + 1] = unit >> 8;
    }
  }
  return { bytes, lengths: texts.map(({ length }) => length) };
}

/** Reads the texts once: their memory is overwritten. Throws RangeError where it does not hold exactly these. */
export function reveal({ bytes, lengths }: Concealed): string[] {
  const whole = lengths.reduce((sum, length) => sum + length * 2, 0);
  if (whole !== bytes.length) throw new RangeError('concealed texts of another length');
  const units = new Uint16Array(bytes.length / 2);
  for (let at = 0; at < units.length; at++)
    units[at] = (bytes[at * 2] ?? 0) | ((bytes[at * 2 + 1] ?? 0) << 8);
  bytes.fill(0);
  let from = 0;
  const texts = lengths.map((length) => {
    const part = units.subarray(from, from + length);
    from += length;
    return textOf(part);
  });
  units.fill(0);
  return texts;
}

/** Units that are made a text at a time: a call takes so many arguments. */
const UNITS_AT_ONCE = 4096;

function textOf(units: Uint16Array): string {
  let text = '';
  for (let at = 0; at < units.length; at += UNITS_AT_ONCE)
    text += String.fromCharCode(...units.subarray(at, at + UNITS_AT_ONCE));
  return text;
}

/** The one text of these. */
export function revealOne(concealed: Concealed): string {
  const [text] = reveal(concealed);
  if (text === undefined) throw new RangeError('no concealed text');
  return text;
}

/** The memory of what is concealed in a message, wherever it is: to be transferred with it. */
export function concealedIn(value: unknown): ArrayBuffer[] {
  if (value instanceof Uint8Array) return value.buffer instanceof ArrayBuffer ? [value.buffer] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(concealedIn) : [];
}

/** An error as data: what a person may see of it, and no cause. */
export function toThreadError(error: unknown): ThreadError {
  if (error instanceof WarderError) {
    const { code, message, hint } = error;
    return { kind: 'warder', code, message, hint };
  }
  if (error instanceof EgressRefusal)
    return { kind: 'refusal', code: undefined, message: error.reason, hint: undefined };
  const { message, code } = error instanceof Error ? (error as Error & { code?: unknown }) : {};
  return {
    kind: 'other',
    code: typeof code === 'string' ? code : undefined,
    message: message ?? String(error),
    hint: undefined,
  };
}

/** The error that the data stands for. */
export function fromThreadError({ kind, code, message, hint }: ThreadError): Error {
  switch (kind) {
    case 'warder':
      return isCode(code)
        ? new WarderError(code, message, hint === undefined ? {} : { hint })
        : new Error(message);
    case 'refusal':
      return new EgressRefusal(message);
    case 'other':
      return Object.assign(new Error(message), code === undefined ? {} : { code });
    default:
      return unhandled(kind);
  }
}

function isCode(code: string | undefined): code is keyof typeof EXIT {
  return code !== undefined && Object.hasOwn(EXIT, code);
}

/** A value that the types rule out. */
export function unhandled(value: never): never {
  // Nothing of it is shown: it may hold a value.
  throw new TypeError(`a message of no known type (${typeof value})`);
}

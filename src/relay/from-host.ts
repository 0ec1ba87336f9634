// The way of messages from the host to the server: parse, policy, consent, audit, forward, in this order. There
// is one place where a tool call is let through, and every refusal leaves by the same exit. What is forwarded is
// the line as it came, byte for byte.
import { isAscii, isUtf8 } from 'node:buffer';
import { decide, type Verdict } from '../policy/decide.ts';
import { errorLine } from './error-response.ts';
import {
  BUSY,
  CALL,
  CANCELLED,
  type Exchange,
  ID_OURS,
  INITIALIZE,
  isBlank,
  type Refusal,
  requestIdOf,
  UNAUDITED,
} from './exchange.ts';
import { TELLING } from './handshake.ts';
import { LISTEN } from './host-requests.ts';
import { hasDuplicateMembers } from './json/duplicates.ts';
import { type Envelope, type Id, idText, readEnvelope, readString, withId } from './json/envelope.ts';
import type { LineListener, Oversize } from './json/lines.ts';
import { idOf } from './json/oversize.ts';

/** A verdict on a tool, and the tool's name as it may be shown. */
interface Known extends Verdict {
  readonly shown: string;
}

/** Tools whose verdicts are kept, and the longest name of one, in characters. */
const MAX_KNOWN = 1024;
const MAX_NAME = 1024;

const INITIALIZED = 'notifications/initialized';
const PROGRESS = 'notifications/progress';

const QUOTE = 0x22;
const OPEN_OBJECT = 0x7b;
const NULL = 0x6e;
const LINE_FEED = 0x0a;
const NOTHING = Buffer.alloc(0);

const NOT_UTF8: Refusal = { code: -32700, text: 'the line is not UTF-8' };
const OVERSIZE: Refusal = { code: -32600, text: 'the line is longer than the relay takes' };
const NO_ID: Refusal = { code: -32600, text: 'a tool call without an id has no answer' };
const ID_TAKEN: Refusal = { code: -32600, text: 'the id is that of a request still open', unnamed: true };
const BAD_NAME: Refusal = { code: -32602, text: `a tool's name is a string of 1 to ${MAX_NAME} characters` };
const BAD_ARGUMENTS: Refusal = { code: -32602, text: 'the arguments of a tool are an object' };
const DUPLICATE: Refusal = { code: -32602, text: 'a member of the arguments is there twice' };

/** The host's lines. */
export class FromHost implements LineListener {
  readonly #exchange: Exchange;
  readonly #known = new Map<string, Known>();
  /** The last buffer that was looked at, and whether it was ASCII: found out once for many lines. */
  #looked: Buffer | undefined;
  #ascii = false;
  /** Lines that wait for another server. */
  #held: Buffer[] | undefined;
  #heldBytes = 0;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  line(bytes: Buffer, start: number, end: number): void {
    if (!this.#isText(bytes, start, end)) {
      this.#exchange.odd.note('a line of the host is not UTF-8', () => ({ bytes: end - start }));
      this.#exchange.tell(undefined, NOT_UTF8);
      return;
    }
    const message = readEnvelope(bytes, start, end);
    if (this.#held !== undefined && this.#waits(message, bytes)) this.#keep(bytes, start, end);
    else if (message.method === CALL) this.#call(message, bytes, start, end);
    else if (message.fault !== undefined) this.#refuseLine(message, bytes, start, end);
    else if (message.kind === 'request') this.#request(message, bytes, start, end);
    else if (message.kind === 'notification') this.#notify(message, bytes, start, end);
    else this.#reply(message, bytes, start, end);
  }

  oversize(line: Oversize): void {
    this.#exchange.odd.note('a line of the host is over the limit', () => ({ bytes: line.length }));
    const id = idOf(line);
    const named = id !== undefined && !this.#exchange.requests.has(id);
    this.#exchange.tell(named ? id : undefined, OVERSIZE);
  }

  /** A credential has changed: what was found out with the one before does not hold. */
  forget(): void {
    this.#known.clear();
  }

  /** All lines of what has come are through. */
  settle(): void {
    this.#looked = undefined;
  }

  // The one way of a tool call.
  #call(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { requests, upstream, options } = this.#exchange;
    const call = options.ledger.nextCall();

    // parse
    const fault = this.#fault(message) ?? callFault(message, bytes);

    // policy
    const known = this.#decide(toolOf(message, bytes));

    // consent: until somebody can be asked, `ask` is a refusal that says so
    const refusal = fault ?? this.#judge(known);

    // audit
    const written = options.ledger.called(
      {
        call,
        tool: known.shown,
        id: idText(message.id),
        decision: refusal === undefined ? 'allow' : 'deny',
        rule: fault === undefined ? known.rule : 'protocol',
        ...(fault === undefined ? {} : { reason: fault.text }),
      },
      this.#argumentsOf(message, bytes),
    );
    if (refusal !== undefined || message.id === undefined) {
      this.#refuse(message, refusal ?? NO_ID);
      return;
    }
    if (!written) {
      this.#refuse(message, UNAUDITED);
      return;
    }

    // forward
    this.#meet(message, bytes);
    const since = options.clock.monotonic();
    requests.add({ id: message.id, method: CALL, kept: undefined, call, tool: known.shown, since });
    upstream.out.line(bytes, start, end);
  }

  /** A request that is no tool call. */
  #request(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { id, method } = message;
    const fault = this.#fault(message);
    if (fault !== undefined || id === undefined) {
      this.#refuse(message, fault ?? NO_ID);
      return;
    }
    this.#meet(message, bytes);
    // A rotation may have to say these again.
    let kept: Buffer | undefined;
    if (method === INITIALIZE || method === LISTEN) kept = Buffer.from(bytes.subarray(start, end));
    else if (TELLING.has(method)) kept = Buffer.from(bytes.subarray(message.paramsStart, message.paramsEnd));
    this.#exchange.requests.add({ id, method, kept, call: undefined, tool: '', since: 0 });
    this.#exchange.upstream.out.line(bytes, start, end);
  }

  #notify(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { handshake, upstream } = this.#exchange;
    if (message.method === CANCELLED) this.#cancel(requestIdOf(message, bytes));
    else if (message.method === INITIALIZED) handshake.completed(Buffer.from(bytes.subarray(start, end)));
    upstream.out.line(bytes, start, end);
  }

  /** The host takes a request back: what the server may still answer is then nobody's. */
  #cancel(id: Id | undefined): void {
    const { requests } = this.#exchange;
    if (id === undefined || requests.get(id)?.method === INITIALIZE) return;
    const open = requests.cancel(id);
    if (open === undefined) return;
    this.#exchange.record(open, 'cancelled', NOTHING);
  }

  /** An answer of the host to a question of the server. */
  #reply(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { questions, odd, upstream } = this.#exchange;
    const id = message.id === undefined ? undefined : questions.answer(message.id);
    if (id === undefined) odd.note('the host has answered what is not open', () => ({ bytes: end - start }));
    else if (id === message.id) upstream.out.line(bytes, start, end);
    else upstream.out.message(withId(bytes, start, end, message.idStart, message.idEnd, id));
  }

  /** By what a host says of itself, a new server can be asked in its name. */
  #meet({ metaStart, metaEnd }: Envelope, bytes: Buffer): void {
    const { handshake } = this.#exchange;
    if (metaStart !== -1 && handshake.isUnmet) handshake.met(bytes.subarray(metaStart, metaEnd));
  }

  /** What is wrong with a request, whatever it asks for. */
  #fault({ fault, id }: Envelope): Refusal | undefined {
    const { requests, options } = this.#exchange;
    if (fault !== undefined) return fault;
    if (id === undefined) return NO_ID;
    if (requests.has(id)) return ID_TAKEN;
    if (this.#exchange.isOurs(id)) return ID_OURS;
    return requests.size < options.open ? undefined : BUSY;
  }

  #decide(tool: string): Known {
    const known = this.#known.get(tool);
    if (known !== undefined) return known;
    const { options, redactor } = this.#exchange;
    const verdict = decide(options.policy, { kind: 'tools', name: tool, method: CALL });
    const found = { ...verdict, shown: redactor.text(tool).slice(0, MAX_NAME).toWellFormed() };
    if (this.#known.size < MAX_KNOWN && tool.length <= MAX_NAME) this.#known.set(tool, found);
    return found;
  }

  #judge({ decision, rule, shown }: Known): Refusal | undefined {
    if (decision === 'allow') return undefined;
    const { profile } = this.#exchange.options;
    const says = `refused: ${rule} of profile "${profile}" says ${decision} for ${JSON.stringify(shown)}`;
    return decision === 'deny'
      ? { code: 'refused', text: says, hint: 'only the user can change what a profile allows' }
      : {
          code: 'refused',
          text: `${says}, and nobody can be asked yet`,
          hint: `the user can say allow or deny instead, with "warder edit ${profile}"`,
        };
  }

  #argumentsOf({ argumentsStart, argumentsEnd }: Envelope, bytes: Buffer): string {
    if (argumentsStart === -1) return '';
    const text = bytes.toString('utf8', argumentsStart, argumentsEnd);
    return this.#exchange.isClean(bytes) ? text : this.#exchange.redactor.text(text);
  }

  #refuseLine(message: Envelope, bytes: Buffer, start: number, end: number): void {
    if (message.fault !== undefined && !isBlank(bytes, start, end)) this.#refuse(message, message.fault);
  }

  /** The one exit of what is not forwarded. A notification has no answer, and an answer becomes an error. */
  #refuse(message: Envelope, refusal: Refusal): void {
    const { odd, questions, upstream } = this.#exchange;
    odd.note('refused a line of the host', () => ({ why: refusal.text }));
    if (message.kind === 'notification') return;
    if (message.kind === 'response') {
      const asked = message.id === undefined ? undefined : questions.answer(message.id);
      if (asked !== undefined) upstream.out.message(errorLine(asked, 'withheld', refusal.text));
      return;
    }
    this.#exchange.tell(refusal.unnamed ? undefined : message.id, refusal);
  }

  // ---- while a rotation changes the server

  /** Bytes that wait. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** From now on lines wait, but for those that belong to what is open with the server that is there. */
  hold(): void {
    this.#held ??= [];
  }

  /** The lines that waited go to the server that has the session now. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#heldBytes = 0;
    for (const line of held) this.line(line, 0, line.length - 1);
  }

  #waits(message: Envelope, bytes: Buffer): boolean {
    if (message.fault !== undefined) return false;
    if (message.kind === 'request') return true;
    if (message.kind === 'response' || message.method === PROGRESS) return false;
    if (message.method !== CANCELLED) return true;
    const id = requestIdOf(message, bytes);
    return id === undefined || this.#exchange.requests.get(id) === undefined;
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    const line = Buffer.allocUnsafe(end - start + 1);
    bytes.copy(line, 0, start, end);
    line[end - start] = LINE_FEED;
    this.#held?.push(line);
    this.#heldBytes += line.length;
  }

  #isText(bytes: Buffer, start: number, end: number): boolean {
    if (this.#looked !== bytes) {
      this.#looked = bytes;
      this.#ascii = isAscii(bytes);
    }
    return this.#ascii || isUtf8(bytes.subarray(start, end));
  }
}

/** What is wrong with a tool call as such. */
function callFault(message: Envelope, bytes: Buffer): Refusal | undefined {
  const tool = toolOf(message, bytes);
  if (tool === '' || tool.length > MAX_NAME || !tool.isWellFormed()) return BAD_NAME;
  const first = bytes[message.argumentsStart];
  if (message.argumentsStart === -1 || first === NULL) return undefined;
  if (first !== OPEN_OBJECT) return BAD_ARGUMENTS;
  return hasDuplicateMembers(bytes, message.argumentsStart, message.argumentsEnd) ? DUPLICATE : undefined;
}

/** The name of the tool that is called; empty if there is none. */
function toolOf({ nameStart, nameEnd }: Envelope, bytes: Buffer): string {
  return nameStart !== -1 && bytes[nameStart] === QUOTE ? readString(bytes, nameStart, nameEnd) : '';
}

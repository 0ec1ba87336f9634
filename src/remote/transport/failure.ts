// The errors that a request gets in place of its server's answer.
import { STATUS_CODES } from 'node:http';
import { WarderError } from '../../errors.ts';
import { type Envelope, readEnvelope } from '../../json/envelope.ts';
import { type Range, readMember, readText } from '../../json/read.ts';
import { type AnswerCode, errorLine, type Refusal } from '../../relay/error-response.ts';
import { badAnswer } from '../http/problem.ts';

/** Codes of errors whose request has not reached the server. */
const REFUSED: ReadonlySet<string> = new Set([
  'remote-refused',
  'sign-in-needed',
  'sign-in-failed',
  'sign-in-denied',
  'server-metadata',
  'refused',
  'locked',
  'credential-revoked',
  'credential-missing',
  'keychain-locked',
  'vault-locked',
]);

/** How an error is told to the host. */
export function refusalFor(error: unknown): Refusal {
  if (!(error instanceof WarderError)) return { code: 'internal', text: 'a fault in Warder' };
  const code: AnswerCode =
    error.code === 'audit-unwritable' ? 'audit-unwritable' : REFUSED.has(error.code) ? 'refused' : 'lost';
  return { code, text: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
}

/** An error of Warder's as the answer to a request. */
export function failure(id: number, refusal: Refusal): Buffer {
  return Buffer.from(errorLine(String(id), refusal));
}

/** What a status that is no success says, for people. */
export function statusProblem(url: URL, status: number): WarderError {
  const words = `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd();
  return status >= 300 && status < 400
    ? new WarderError(
        'remote-unreachable',
        `"${url.host}" answers with a redirect (${words}), which is not followed`,
        {
          hint: 'set the URL of the profile to the place that it leads to, if that is the server',
        },
      )
    : badAnswer(url, `answers ${words}`);
}

/**
 * The JSON-RPC error in the body of a response that is no success, as the answer to the request: a server that could not read
 * the request leaves its id out. Undefined where there is none.
 */
export function errorIn(
  body: Buffer,
  id: number,
): { readonly json: Buffer; readonly code: number | undefined } | undefined {
  const message = readEnvelope(body, 0, body.length);
  const isError = message.kind === 'response' && message.failed;
  if (!isError || (message.fault !== undefined && message.idStart >= 0))
    return errorWithoutId(message, body, id);
  if (message.id !== undefined && message.id !== id) return undefined;
  const error = memberOf(body, 'error');
  if (error === undefined) return undefined;
  const json = message.id === id ? body : answerWith(id, body, error);
  return { json, code: codeOf(body, error) };
}

/** The code of the error in a response; undefined where it is none. */
export function errorCodeIn(json: Buffer): number | undefined {
  const error = memberOf(json, 'error');
  return error === undefined ? undefined : codeOf(json, error);
}

/** Whether an error is about the session: many servers answer 400 and such an error where 404 is due. */
export function namesSession(json: Buffer): boolean {
  const error = memberOf(json, 'error');
  const member = error && readMember(json, error.start, error.end, 'message');
  const text = member === undefined || typeof member === 'string' ? undefined : readText(json, member, 4096);
  return text !== undefined && /\bsession\b/i.test(text);
}

function errorWithoutId(
  message: Envelope,
  body: Buffer,
  id: number,
): { readonly json: Buffer; readonly code: number | undefined } | undefined {
  if (message.kind !== 'response' || !message.failed || message.idStart >= 0) return undefined;
  const error = memberOf(body, 'error');
  return error === undefined ? undefined : { json: answerWith(id, body, error), code: codeOf(body, error) };
}

function answerWith(id: number, body: Buffer, { start, end }: Range): Buffer {
  return Buffer.concat([
    Buffer.from(`{"jsonrpc":"2.0","id":${id},"error":`),
    body.subarray(start, end),
    Buffer.from('}'),
  ]);
}

function codeOf(body: Buffer, { start, end }: Range): number | undefined {
  const code = readMember(body, start, end, 'code');
  if (typeof code === 'string') return undefined;
  const value = Number(body.toString('latin1', code.start, code.end));
  return Number.isInteger(value) ? value : undefined;
}

function memberOf(body: Buffer, name: 'error'): Range | undefined {
  const member = readMember(body, 0, body.length, name);
  return typeof member === 'string' || body[member.start] !== 0x7b ? undefined : member;
}

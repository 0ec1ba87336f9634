// What the relay reads of the `params` of a message, beside what a request acts on: see methods.ts.

import { digestOf } from '../json/digest.ts';
import { hasDuplicateMembers } from '../json/duplicates.ts';
import { type Envelope, type Id, readId, readString } from '../json/envelope.ts';
import { OPEN_OBJECT, QUOTE } from '../json/json.ts';
import { readMember } from '../json/read.ts';
import type { Refusal } from './error-response.ts';
import type { RequestJoins } from './recorder.ts';

const NULL = 0x6e;
/** Bytes of JSON text that one character of a string has at most: `\\u` and four digits. */
const LONGEST_CHARACTER = 6;

const BAD_ARGUMENTS: Refusal = { code: -32602, text: 'the arguments of a tool are an object' };
const DUPLICATE: Refusal = { code: -32602, text: 'a member of the arguments is there twice' };

/** The request that `notifications/cancelled` speaks of. */
export function requestIdOf({ requestIdStart, requestIdEnd }: Envelope, bytes: Buffer): Id | undefined {
  return requestIdStart === -1 ? undefined : readId(bytes, requestIdStart, requestIdEnd);
}

/** By what a request that is made again with what was asked for joins the one before it. */
export function retryOf(bytes: Buffer, start: number, end: number): RequestJoins {
  const state = readMember(bytes, start, end, 'requestState');
  const responses = readMember(bytes, start, end, 'inputResponses');
  return {
    ...(typeof state === 'string' ? {} : { state: digestOf(bytes, state) }),
    ...(typeof responses === 'string' ? {} : { responses: digestOf(bytes, responses) }),
  };
}

/** What is wrong with a tool call as such. `isTwice`: whether its arguments have a member twice, where that is known. */
export function callFault(
  tool: string,
  message: Envelope,
  bytes: Buffer,
  maxName: number,
  isTwice: boolean | undefined,
): Refusal | undefined {
  if (tool === '' || tool.length > maxName || !tool.isWellFormed())
    return { code: -32602, text: `a tool's name is a string of 1 to ${maxName} characters` };
  const { argumentsStart, argumentsEnd } = message;
  const first = bytes[argumentsStart];
  if (argumentsStart === -1 || first === NULL) return undefined;
  if (first !== OPEN_OBJECT) return BAD_ARGUMENTS;
  return (isTwice ?? hasDuplicateMembers(bytes, argumentsStart, argumentsEnd)) ? DUPLICATE : undefined;
}

/** The name of the tool that is called; empty if there is none, or one that cannot be as short as it must be. */
export function toolOf({ nameStart, nameEnd }: Envelope, bytes: Buffer, maxName: number): string {
  if (nameStart === -1 || bytes[nameStart] !== QUOTE || nameEnd - nameStart > LONGEST_CHARACTER * maxName + 2)
    return '';
  return readString(bytes, nameStart, nameEnd);
}

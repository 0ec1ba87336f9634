// Forms that a host shows its user: `elicitation/create`, a request of its own up to 2025-11-25, and part of an
// `input_required` result from 2026-07-28. What is read of a host's answer is what it says in one way only: a member that
// is there twice, more members than were asked for, or a value that was not offered make it no answer.
import { hasDuplicateMembers } from '../../json/duplicates.ts';
import { OPEN_OBJECT } from '../../json/json.ts';
import { type Range, readMember, readText } from '../../json/read.ts';

/** The method, and the capability of a host that answers it. */
export const ELICIT = 'elicitation/create';
const CAPABILITY = 'elicitation';

/** The one member of the form. */
const ANSWER = 'answer';
/** The longest answer that is looked at, in bytes of JSON text. */
const MAX_REPLY = 16_384;
const MAX_ACTION = 16;

/** What a host has answered: one of the choices, that its user has declined or dismissed the form, or nothing that counts. */
export type FormReply =
  | { readonly action: 'accept'; readonly choice: string }
  | { readonly action: 'decline' | 'cancel' | 'none' };

const NONE: FormReply = { action: 'none' };

/** Whether capabilities say that forms are shown. Of `elicitation` without members that is what it says. */
export function offersForms(bytes: Buffer, { start, end }: Range): boolean {
  const offered = readMember(bytes, start, end, CAPABILITY);
  if (typeof offered === 'string' || bytes[offered.start] !== OPEN_OBJECT) return false;
  const of = (name: 'form' | 'url'): boolean =>
    readMember(bytes, offered.start, offered.end, name) !== 'absent';
  return of('form') || !of('url');
}

/** The `params` of a form with one choice of several, in their order. */
export function choiceForm(message: string, choices: readonly string[]): object {
  const answer = { type: 'string', title: 'Answer', enum: choices };
  return {
    message,
    requestedSchema: { type: 'object', properties: { [ANSWER]: answer }, required: [ANSWER] },
  };
}

/** Reads the result of such a form. */
export function readFormReply(bytes: Buffer, { start, end }: Range, choices: readonly string[]): FormReply {
  if (end - start > MAX_REPLY || hasDuplicateMembers(bytes, start, end)) return NONE;
  const action = readMember(bytes, start, end, 'action');
  const said = typeof action === 'string' ? undefined : readText(bytes, action, MAX_ACTION);
  if (said === 'decline' || said === 'cancel') return { action: said };
  const content = said === 'accept' ? readMember(bytes, start, end, 'content') : 'absent';
  if (typeof content === 'string' || bytes[content.start] !== OPEN_OBJECT) return NONE;
  const given: object = JSON.parse(bytes.toString('utf8', content.start, content.end));
  const [only, ...rest] = Object.entries(given);
  if (only === undefined || rest.length > 0) return NONE;
  const [name, value] = only;
  const choice = choices.find((each) => name === ANSWER && each === value);
  return choice === undefined ? NONE : { action: 'accept', choice };
}

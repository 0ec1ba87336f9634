// Forms of a server's own, before a host shows them: labelled as the server's, so that none can pass for a question of
// Warder's, and with every character that hides, moves or reorders text shown as an escape. What cannot be labelled is not
// shown. What the server gets back is not changed: names of members and values stay as they are.
import { escapeUnprintable } from '../../audit/printable.ts';
import { hasDuplicateMembers } from '../../json/duplicates.ts';
import { OPEN_OBJECT } from '../../json/json.ts';
import { isExactNumber, parseExactly } from '../../wire/exact-json.ts';
import type { Refusal } from '../error-response.ts';

/** The longest form, in bytes of JSON text. */
export const MAX_FORM = 65_536;

/** Members of a form that are shown, and mean nothing to the server. */
const SHOWN: ReadonlySet<string> = new Set(['message', 'title', 'description', 'enumNames']);
/** Members of `params` that decide what is shown: another spelling of one is another form to some readers. */
const DECISIVE: ReadonlySet<string> = new Set(['mode', 'message', 'requestedschema', 'url', 'elicitationid']);

const TWICE = 'its form has a member twice, or spelled so that some see it twice';
const HIDDEN = 'its form has characters that hide or move text where they cannot be shown as what they are';

/** A form, or another question, that comes above the rate. */
export const TOO_OFTEN: Refusal = { code: 'busy', text: 'the server asks the user too often' };

/** How the forms of a profile's server begin. */
export function whoseForm(profile: string): string {
  return `The server "${profile}"`;
}

/**
 * The `params` of a form, or of any other thing with a `message`, as the host gets them: JSON text. `whose` begins
 * the message. With a fault the form is not to be shown.
 */
export function labelled(params: Buffer, whose: string): Buffer | { readonly fault: string } {
  if (params.length > MAX_FORM) return { fault: `its form has more than ${MAX_FORM} bytes` };
  if (params[0] !== OPEN_OBJECT) return { fault: 'its form is no object' };
  if (hasDuplicateMembers(params, 0, params.length)) return { fault: TWICE };
  const form = parseExactly(params.toString()) as object;
  const names = Object.keys(form).map((name) => name.normalize('NFKC').toLowerCase());
  if (names.some((name, at) => DECISIVE.has(name) && names.indexOf(name) !== at)) return { fault: TWICE };
  const { message } = form as { message?: unknown };
  if (typeof message !== 'string') return { fault: 'its form has no message' };
  const clean = cleaned(form);
  if (clean === undefined) return { fault: HIDDEN };
  const shown = { ...clean, message: `${whose} asks: ${lines(message)}` };
  return Buffer.from(JSON.stringify(shown));
}

/** The lines of a message: all but the first are marked as what follows from it. */
function lines(message: string): string {
  return message
    .split(/\r\n|[\n\r]/)
    .map((line) => escapeUnprintable(line, (character) => character === '\t'))
    .join('\n> ');
}

/** The form with what is shown escaped; undefined where a name or a value has what hides. */
function cleaned(value: object): object | undefined {
  let isClean = true;
  const walk = (node: unknown, isShown: boolean): unknown => {
    if (typeof node === 'string') {
      if (isShown) return escapeUnprintable(node);
      if (escapeUnprintable(node) !== node) isClean = false;
      return node;
    }
    if (Array.isArray(node)) return node.map((each) => walk(each, isShown));
    if (typeof node !== 'object' || node === null || isExactNumber(node)) return node;
    const members = Object.entries(node).map(([name, member]) => {
      if (escapeUnprintable(name) !== name) isClean = false;
      // Of a property that is called "title" the schema is no text.
      return [
        name,
        walk(member, typeof member === 'object' && !Array.isArray(member) ? false : SHOWN.has(name)),
      ];
    });
    return Object.fromEntries(members);
  };
  const clean = walk(value, false) as object;
  return isClean ? clean : undefined;
}

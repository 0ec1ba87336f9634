// A question as a notification of the desktop, as data. The summary and the labels are Warder's own words; what a
// server or a model has written is in the body only.
import { escapeCharacter } from '../../audit/printable.ts';
import { ALLOW_FIRST_USE, ALLOW_ONCE, ALLOW_SESSION, type Answer, DENY_ONCE } from '../questions/answer.ts';
import type { Question } from '../questions/question.ts';
import { excerptOf } from './excerpt.ts';

/** A choice: the key that comes back, and what the person reads. */
export interface Action {
  readonly key: string;
  readonly label: string;
}

export interface Notification {
  readonly summary: string;
  readonly body: string;
  /** The first is the one that does no harm. */
  readonly actions: readonly Action[];
}

/** The keys, and what they mean; `details`: the person wants to answer in a terminal. */
const MEANINGS: Readonly<Record<string, Answer | 'details'>> = {
  deny: DENY_ONCE,
  'allow-once': ALLOW_ONCE,
  'allow-session': ALLOW_SESSION,
  allow: ALLOW_FIRST_USE,
  details: 'details',
};

const DENY: Action = { key: 'deny', label: 'Deny' };
const DETAILS: Action = { key: 'details', label: 'In a terminal' };
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};
const MAX_LINES = 14;
const COLUMNS = 80;

/** `isMarkup`: the program reads the body as markup. */
export function notificationOf(
  question: Question,
  { canAllow, isMarkup }: { readonly canAllow: boolean; readonly isMarkup: boolean },
): Notification {
  const { text, isWhole } = excerptOf(question, {
    columns: COLUMNS,
    fits: (part) => part.split('\n').length <= MAX_LINES,
    ...(!isMarkup && { write: avoidMarkup }),
  });
  const allow: readonly Action[] =
    question.kind === 'profile'
      ? [{ key: 'allow', label: 'Allow' }]
      : question.kind === 'sign-in'
        ? [{ key: 'allow-once', label: 'Sign in' }]
        : [
            { key: 'allow-once', label: 'Allow once' },
            {
              key: 'allow-session',
              label: `Allow this${question.kind === 'tools' ? ' tool' : ''} for the session`,
            },
          ];
  return {
    summary: `Warder asks (${question.id})`,
    body: isMarkup ? escapeMarkup(text) : text,
    actions: [DENY, ...(isWhole && canAllow ? allow : []), DETAILS],
  };
}

/** What the person is told who wants to answer in a terminal. */
export function detailsOf({ id }: Question): Notification {
  return {
    summary: `Warder asks (${id})`,
    body: `All of it: warder approvals\nThen: warder approve ${id}, or warder deny ${id}`,
    actions: [DENY],
  };
}

/** What a key means that came back; undefined: it is none of those that were offered. */
export function meaningOf(key: unknown, { actions }: Notification): Answer | 'details' | undefined {
  const isOffered = actions.some((action) => action.key === key);
  return isOffered ? MEANINGS[key as string] : undefined;
}

/** Text for a program that reads it as markup. By name: GNOME's shell knows no others. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** Text for a program that does not: some take away all the same what looks like markup, and would hide an argument. */
export function avoidMarkup(text: string): string {
  return text.replace(/[&<>]/g, escapeCharacter);
}

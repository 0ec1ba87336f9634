// What a person may answer to a question: the answers that are wanted most, and step by step all others.
import { matches } from '../../policy/pattern.ts';
import { parseDuration } from '../../profile/units.ts';
import type { ShownQuestion } from '../../wire/control.ts';
import type { SelectOption, Unanswered } from '../terminal/select.ts';
import type { Terminal } from '../terminal.ts';
import type { Choice } from './answer.ts';

type Decision = Choice['decision'];
type Asked = Pick<ShownQuestion, 'id' | 'kind' | 'name' | 'presence'>;

const PROOF = 'your PIN or password';

/** Lets a person choose an answer, the first of which is no. */
export async function chooseAnswer(
  terminal: Terminal,
  question: Asked,
  signal: AbortSignal,
): Promise<{ readonly value: Choice } | Unanswered> {
  const chosen = await terminal.select(`Answer to ${question.id}`, firstOptions(question), {
    signal,
    isSudden: true,
  });
  if (typeof chosen === 'string' || typeof chosen.value !== 'string')
    return chosen as { value: Choice } | Unanswered;
  return await chooseOther(terminal, question, chosen.value, signal);
}

/** The first answers; `allow` and `deny` lead to all others. */
export function firstOptions({ kind, name, presence }: Asked): SelectOption<Choice | Decision>[] {
  const what = nounOf(kind);
  const pin = presence ? PROOF : undefined;
  const no = { value: choice('deny', 'once', 'arguments'), label: 'No' };
  const never = { value: choice('deny', 'always', 'name'), label: `No, never ${what}`, hint: name };
  if (kind === 'profile') {
    return [no, { value: choice('allow', 'always', 'name'), label: 'Yes, use this server' }, never];
  }
  if (kind === 'sign-in') {
    return [no, { value: choice('allow', 'once', 'arguments'), label: 'Yes, open the browser' }];
  }
  return [
    no,
    { value: choice('allow', 'once', 'arguments'), label: 'Yes, this once', hint: pin },
    {
      value: choice('allow', 'session', 'name'),
      label: `Yes, ${what} for this session`,
      hint: pin === undefined ? name : `${name}, ${pin}`,
    },
    { value: 'allow', label: 'Yes, for another time or for more ...' },
    never,
    { value: 'deny', label: 'No, for another time or for more ...' },
  ];
}

async function chooseOther(
  terminal: Terminal,
  { kind, name }: Asked,
  decision: Decision,
  signal: AbortSignal,
): Promise<{ readonly value: Choice } | Unanswered> {
  const asking = { signal, isSudden: false };
  const word = decision === 'allow' ? 'Yes' : 'No';
  const extents: SelectOption<'arguments' | 'name' | 'pattern'>[] = [
    { value: 'arguments', label: 'exactly these arguments', hint: name },
    { value: 'name', label: `${nounOf(kind)}, whatever the arguments`, hint: name },
    { value: 'pattern', label: 'all whose names match a pattern ...' },
  ];
  const extent = await terminal.select(`${word}, to what?`, extents, asking);
  if (typeof extent === 'string') return extent;
  const pattern =
    extent.value === 'pattern'
      ? await terminal.type(
          'Pattern (* stands for any characters)',
          name,
          (text) => patternProblem(text, name),
          signal,
        )
      : undefined;
  if (typeof pattern === 'string') return pattern;
  const always = decision === 'allow' ? PROOF : undefined;
  const scopes: SelectOption<Choice['scope'] | 'time'>[] = [
    { value: 'session', label: 'for this session' },
    { value: { ms: 3_600_000 }, label: 'for an hour' },
    { value: { ms: 28_800_000 }, label: 'for 8 hours' },
    { value: 'time', label: 'for another time ...' },
    { value: 'always', label: 'always, until it is revoked', hint: always },
  ];
  const about = pattern?.value ?? (extent.value === 'name' ? name : `${name}, these arguments`);
  const scope = await terminal.select(`${word} to ${about}: for how long?`, scopes, asking);
  if (typeof scope === 'string') return scope;
  const time =
    scope.value === 'time' ? await terminal.type('For how long?', '30m', timeProblem, signal) : undefined;
  if (typeof time === 'string') return time;
  const value = {
    decision,
    scope: time === undefined ? (scope.value as Choice['scope']) : { ms: parseDuration(time.value) ?? 1000 },
    extent: pattern === undefined ? (extent.value as 'arguments' | 'name') : { pattern: pattern.value },
  };
  return { value };
}

function choice(
  decision: Decision,
  scope: 'once' | 'session' | 'always',
  extent: 'arguments' | 'name',
): Choice {
  return { decision, scope, extent };
}

function nounOf(kind: Asked['kind']): string {
  switch (kind) {
    case 'tools':
      return 'this tool';
    case 'resources':
      return 'this resource';
    case 'prompts':
      return 'this prompt';
    case 'credential':
      return 'this credential';
    case 'profile':
      return 'this server';
    default:
      return 'this';
  }
}

function patternProblem(text: string, name: string): string | undefined {
  if (text.trim() === '' || text.length > 256) return 'a pattern has 1 to 256 characters';
  return matches(text, name) ? undefined : `it has to match ${name} as well`;
}

function timeProblem(text: string): string | undefined {
  const ms = parseDuration(text);
  return ms === undefined || ms < 1000 ? 'a duration such as 30m or 8h' : undefined;
}

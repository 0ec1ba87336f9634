// warder policy suggest: proposes rules from what people have answered, as a diff of the profile's file.
import type { CommandModule } from 'yargs';
import { escapeUnprintable } from '../../audit/printable.ts';
import { records } from '../../audit/read.ts';
import { requireConditions } from '../../policy/condition.ts';
import { parseTime, withReadErrors } from '../audit/filter.ts';
import type { Context } from '../command.ts';
import { confirm, yesOption } from '../terminal/confirmation.ts';
import { EvidenceBook } from './evidence.ts';
import { openProfile, replaceText, textWithRules } from './profile-edit.ts';
import { changesOf, type Suggestions, suggestRules } from './suggestions.ts';

interface SuggestArguments {
  readonly profile: string;
  readonly since: string | undefined;
  readonly apply: boolean;
  readonly yes: boolean;
}

export function suggestCommand(context: Context): CommandModule<object, SuggestArguments> {
  return {
    command: 'suggest <profile>',
    describe: 'propose rules from what you have answered, as a diff',
    builder: (yargs) =>
      yargs
        .positional('profile', { type: 'string', demandOption: true, describe: 'a profile' })
        .option('since', {
          type: 'string',
          requiresArg: true,
          describe: 'by calls from this time on: RFC 3339, or how long ago, such as 7d',
        })
        .option('apply', { type: 'boolean', default: false, describe: 'write the rules into the profile' })
        .option('yes', yesOption)
        .example('warder policy suggest github', 'shows what your answers would make of the policy')
        .example('warder policy suggest github --since 7d --apply', 'writes it'),
    handler: (args) => withReadErrors(() => suggest(context, args)),
  };
}

async function suggest(
  context: Context,
  { profile: name, since, apply, yes }: SuggestArguments,
): Promise<void> {
  const { places, terminal, json } = context;
  const from = parseTime('since', since) ?? Number.NEGATIVE_INFINITY;
  const edit = openProfile(places, name);
  await requireConditions(edit.profile.policy, name);
  const book = new EvidenceBook();
  for await (const { entry } of records(places.audit)) {
    if (entry.profile === name && Date.parse(entry.time) >= from) book.add(entry);
  }
  const suggestions = suggestRules(edit.profile.policy, book.all);
  const changes = changesOf(suggestions);
  const text = changes.length === 0 ? edit.text : textWithRules(edit, changes);
  const { createTwoFilesPatch } = await import('diff');
  // Without the rule above it.
  const patch = createTwoFilesPatch(edit.file, edit.file, edit.text, text);
  const diff = text === edit.text ? '' : patch.slice(patch.indexOf('---'));
  if (!json) print(context, name, suggestions, diff);
  const applied = apply && diff !== '';
  if (applied && !yes) {
    const otherwise = `"${name}" was not changed`;
    await confirm(terminal, { what: `changing "${name}"`, question: 'write this?', otherwise });
  }
  if (applied) replaceText(places, edit, text);
  if (json) {
    const rules = suggestions.rules.map(({ part, name: pattern, says, because, evidence }) => ({
      ...{ part, name: pattern, says, because, calls: evidence.calls },
      ...{ yes: evidence.yes.size, no: evidence.no.size, hosts: [...evidence.hosts] },
    }));
    const { notes, narrows } = suggestions;
    terminal.json({ name, file: edit.file, rules, default: narrows ? 'ask' : null, notes, diff, applied });
  } else if (applied) {
    terminal.out(`wrote ${edit.file}: it holds for open sessions too`);
    terminal.out(`to undo it: "warder edit ${name}", or "warder policy choose ${name} --ask NAME"`);
  } else if (diff !== '' && !apply) terminal.out(`to apply it: warder policy suggest ${name} --apply`);
}

function print(
  { terminal }: Context,
  name: string,
  { rules, narrows, notes }: Suggestions,
  diff: string,
): void {
  for (const { part, name: subject, says, because, evidence } of rules) {
    const hosts = evidence.hosts.size > 0 ? `; asked for ${[...evidence.hosts].join(', ')}` : '';
    terminal.out(
      escapeUnprintable(`${says} ${part === 'tools' ? '' : `${part} `}${subject}: ${because}${hosts}`),
    );
  }
  if (narrows) terminal.out('"default: allow" becomes "default: ask": what was called has a rule of its own');
  if (rules.length === 0 && !narrows) terminal.out(`nothing to suggest for "${name}"`);
  for (const note of notes) terminal.out(terminal.paint('dim', escapeUnprintable(note)));
  if (rules.some(({ says }) => says === 'allow'))
    terminal.out('a rule holds for every host program; an answer for the one that you were asked for');
  if (diff === '') return;
  terminal.out('');
  for (const line of diff.trimEnd().split('\n')) {
    const style = line.startsWith('+') ? 'green' : line.startsWith('-') ? 'red' : undefined;
    terminal.out(style === undefined ? showLine(line) : terminal.paint(style, showLine(line)));
  }
}

/** A line of the file, whose tabs stay. */
function showLine(line: string): string {
  return escapeUnprintable(line, (character) => character === '\t');
}

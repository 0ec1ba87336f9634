// Offers a server's tools to the user, who marks those that may be called without a question, and writes what was marked
// into the profile. Nothing is marked beforehand but what the profile allows by its name already.
import { escapeUnprintable } from '../../audit/printable.ts';
import { clock } from '../../os/clock.ts';
import { decide } from '../../policy/decide.ts';
import { loadProfile } from '../../profile/load.ts';
import { policyText, type RuleChange } from '../../profile/rule-edit.ts';
import type { Context } from '../command.ts';
import { pluralize } from '../terminal/plural.ts';
import { type Refusal, refusalLine } from '../test/refusals.ts';
import type { ListedTool, Trial } from '../test/trial-client.ts';
import { trialRefusals } from '../test/trial-refusals.ts';
import { tryProfile } from '../test/try-profile.ts';
import { acceptOffered } from './accept-offered.ts';
import { openProfile, type ProfileEdit, replaceText, textWithRules } from './profile-edit.ts';
import { canBeRule } from './rule-names.ts';
import { aboutTool, claimsOf, looksReadOnly, MAX_ABOUT } from './tool-claims.ts';

const LOOKING =
  'look as if they changed nothing, by their names or as the server claims (Space here marks them all)';
const OTHERS = 'all others';

/** Characters of what a tool is about that are shown at the least, and the columns between those of the table. */
const MIN_ABOUT = 12;
const GAPS = 6;

/** Characters of a name that is shown. */
const MAX_SHOWN = 256;

/**
 * Starts a server once, shows its tools, and in a terminal lets the user choose. `isAgreed`: see `TrialOptions`. Returns whether
 * it listed them.
 */
export async function offerTools(
  context: Context,
  name: string,
  timeout: number,
  isAgreed = false,
): Promise<boolean> {
  const { places, terminal } = context;
  const { profile: tried } = loadProfile(places, name);
  const isRemote = tried.server.kind === 'url';
  const what = isRemote ? `asking "${name}" for its tools` : `starting "${name}" once, to see its tools`;
  const since = clock.now();
  const trial = await (async () => {
    using _progress = terminal.progress(what);
    return await tryProfile(context, name, { timeout, isAgreed });
  })();
  if (trial.tools === undefined) {
    printFailure(context, name, trial, await trialRefusals(context, tried, trial, since));
    return false;
  }
  const edit = openProfile(places, name);
  const { profile } = edit;
  const found = sortTools(profile.policy, trial.tools);
  terminal.out(`"${name}" has ${pluralize(trial.tools.length, 'tool')}`);
  for (const line of found.fixed) terminal.out(`  ${line}`);
  if (found.open.length === 0) return true;
  const longest = (texts: readonly string[]): number => Math.max(...texts.map(({ length }) => length));
  const beside =
    longest(found.open.map(({ name }) => name)) + longest(found.open.map((tool) => claimsOf(tool) ?? ''));
  const most = Math.min(MAX_ABOUT, Math.max(MIN_ABOUT, terminal.columns - beside - GAPS));
  terminal.table(
    found.open.map((tool) => [
      `  ${tool.name}`,
      escapeUnprintable(aboutTool(tool, most)),
      claimsOf(tool) ?? '',
    ]),
  );
  if (!terminal.interactive) {
    terminal.out(`you are asked about each: "warder policy choose ${name}" chooses which need no question`);
    return true;
  }
  const option = (tool: ListedTool) => ({
    value: tool.name,
    label: tool.name,
    hint: claimsOf(tool),
    isMarked: profile.policy.tools[tool.name] === 'allow',
  });
  const marked = await terminal.choose(
    'which may be called without a question? You are asked about all others',
    [
      { heading: LOOKING, options: found.open.filter(looksReadOnly).map(option) },
      { heading: OTHERS, options: found.open.filter((tool) => !looksReadOnly(tool)).map(option) },
    ],
  );
  if (marked === undefined) {
    terminal.out(
      `nothing was chosen: you are asked about each; "warder policy choose ${name}" offers them again`,
    );
    return true;
  }
  apply(context, edit, profile.policy, found.open, new Set(marked));
  await using control = await context.control();
  await acceptOffered(context, control, name);
  return true;
}

type Policy = Parameters<typeof decide>[0];

/** The tools that the user can decide on, and lines on those that a pattern decides on, or that no rule can name. */
function sortTools(
  policy: Policy,
  tools: readonly ListedTool[],
): { readonly open: readonly ListedTool[]; readonly fixed: readonly string[] } {
  const fixed = new Map<string, string[]>();
  const open = tools.filter((tool, i) => {
    const { name } = tool;
    if (tools.findIndex((other) => other.name === name) < i) return false;
    const why = whyFixed(policy, name);
    if (why !== undefined) fixed.set(why, [...(fixed.get(why) ?? []), name]);
    return why === undefined;
  });
  return { open, fixed: [...fixed].map(([why, names]) => `${why}: ${names.map(showName).join(', ')}`) };
}

/** Why a tool is not offered; undefined if it is. */
function whyFixed(policy: Policy, name: string): string | undefined {
  if (/[*?]/.test(name)) return 'always asked about, since a rule for the name would be a pattern';
  if (!canBeRule(name)) return 'always asked about, since no rule can name it';
  if (typeof policy.tools[name] === 'string' && policy.tools[name] !== 'deny') return undefined;
  const { decision, rule, byArguments } = decide(policy, { kind: 'tools', name, method: 'tools/call' });
  if (rule === 'policy.default') return undefined;
  return byArguments === true ? `by its arguments, as ${rule} says` : `${decision}, as ${rule} says`;
}

/** Without what a terminal would obey, its colours too. */
function showName(name: string): string {
  return escapeUnprintable(name.slice(0, MAX_SHOWN));
}

function apply(
  context: Context,
  edit: ProfileEdit,
  policy: Policy,
  offered: readonly ListedTool[],
  marked: ReadonlySet<string>,
): void {
  const { terminal } = context;
  const changes = offered.flatMap(({ name }): RuleChange[] => {
    const before = policy.tools[name];
    if (marked.has(name)) return before === 'allow' ? [] : [{ part: 'tools', pattern: name, says: 'allow' }];
    // What was allowed by its name, and is no more.
    return before === 'allow' ? [{ part: 'tools', pattern: name, says: 'ask' }] : [];
  });
  // What is chosen from is asked about otherwise.
  const isOpen = policy.default === 'allow';
  const text = textWithRules(edit, [
    ...(isOpen ? [{ part: 'default', says: 'ask' } as const] : []),
    ...changes,
  ]);
  const changed = text !== edit.text;
  if (changed) replaceText(context.places, edit, text);
  if (isOpen)
    terminal.out('"default: allow" has become "default: ask": you are asked about what no rule names');
  terminal.out(`${changed ? 'wrote' : 'nothing to change in'} ${edit.file}`);
  for (const line of policyText(text).split('\n')) terminal.out(`  ${line}`);
  terminal.out(`to choose again: warder policy choose ${edit.name}`);
}

function printFailure(
  { terminal }: Context,
  name: string,
  { error, stderr }: Trial,
  refused: readonly Refusal[],
): void {
  for (const refusal of refused) {
    terminal.out(`Warder refused it ${escapeUnprintable(refusalLine(refusal))}`);
    if (refusal.allow !== undefined) terminal.out(`  to allow it: ${escapeUnprintable(refusal.allow)}`);
  }
  terminal.out(`"${name}" has listed no tools yet: ${escapeUnprintable(error ?? 'it did not say why')}`);
  const lines = stderr.trimEnd().split('\n');
  for (const line of lines.slice(-4)) if (line !== '') terminal.out(`  ${escapeUnprintable(line)}`);
}

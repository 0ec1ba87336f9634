// Changes decisions of a profile's policy in its text, in place: everything else stays byte for byte. The result is read
// again; an edit that would change anything else is not made.
import { isMap, isScalar, type Node, parseDocument, type YAMLMap } from 'yaml';
import type { Decision } from './format.ts';
import { addPair, isFlow, nodeAt, rootOf, spanOf } from './yaml-splice.ts';

/** The parts of a policy that are rules by pattern. */
export type RulePart = 'tools' | 'resources' | 'prompts' | 'methods';

/** A decision to be written: of a pattern, or the default. */
export type RuleChange =
  | { readonly part: RulePart; readonly pattern: string; readonly says: Decision }
  | { readonly part: 'default'; readonly says: Decision };

type Data = Readonly<Record<string, unknown>>;

/**
 * The text with the changes. Undefined where one cannot be made in place, or would replace a condition; the caller then
 * asks for an editor. The text must be a valid profile.
 */
export function changeRules(text: string, changes: readonly RuleChange[]): string | undefined {
  let edited = text;
  for (const change of changes) {
    const next = changeOne(edited, change);
    if (next === undefined || !isOnly(edited, next, change)) return undefined;
    edited = next;
  }
  return edited;
}

/** The text of the policy with its key, as it stands in the file; empty if there is none. */
export function policyText(text: string): string {
  const root = rootOf(text);
  const pair = root?.items.find(({ key }) => isScalar(key) && key.value === 'policy');
  const [start] = spanOf(pair?.key);
  const [, end] = spanOf(pair?.value);
  return start === undefined || end === undefined ? '' : text.slice(start, end).trimEnd();
}

function changeOne(text: string, change: RuleChange): string | undefined {
  const { says } = change;
  const root = rootOf(text);
  if (root === undefined) return undefined;
  const [part, ...below] =
    change.part === 'default' ? ['default'] : ([change.part, quoted(change.pattern)] as const);
  const policy = nodeAt(root, 'policy');
  if (policy === undefined) return addNested(text, root, ['policy', part, ...below], says);
  if (!isMap<Node, Node | null>(policy)) return undefined;
  if (change.part === 'default') return setScalar(text, policy, 'default', 'default', says);
  const rules = nodeAt(policy, change.part);
  if (rules === undefined) return addNested(text, policy, [change.part, quoted(change.pattern)], says);
  return isMap<Node, Node | null>(rules)
    ? setScalar(text, rules, change.pattern, quoted(change.pattern), says)
    : undefined;
}

function setScalar(
  text: string,
  map: YAMLMap<Node, Node | null>,
  name: string,
  key: string,
  says: Decision,
): string | undefined {
  const value = nodeAt(map, name);
  if (value === undefined) return addNested(text, map, [key], says);
  const [start, end] = spanOf(value);
  if (!isScalar(value) || start === undefined || end === undefined || start === end) return undefined;
  return `${text.slice(0, start)}${says}${text.slice(end)}`;
}

/** Adds a key, and below it those that follow, as a block where the map is one. */
function addNested(
  text: string,
  map: YAMLMap<Node, Node | null>,
  [key = '', ...below]: readonly string[],
  says: Decision,
): string | undefined {
  // An empty map has no place of its own in a block.
  if (map.items.length === 0 && !isFlow(map)) return undefined;
  return addPair(text, map, key, (indent, eol) => {
    if (indent === undefined) {
      const inner = below.reduceRight((rest, each) => `{${each}: ${rest}}`, String(says));
      return ` ${inner}`;
    }
    const lines = below.map((each, i) => `${eol}${indent}${'  '.repeat(i + 1)}${each}:`);
    return `${lines.join('')} ${says}`;
  });
}

/** Whether the change is all that is different. */
function isOnly(before: string, after: string, change: RuleChange): boolean {
  const [old, edited] = [before, after].map((text) => parseDocument(text).toJS() as Data);
  const policy = (old?.policy ?? {}) as Data;
  const rules = change.part === 'default' ? {} : ((policy[change.part] ?? {}) as Data);
  const changed =
    change.part === 'default'
      ? { default: change.says }
      : { [change.part]: { ...rules, [change.pattern]: change.says } };
  const wanted = { ...old, policy: { ...policy, ...changed } };
  return JSON.stringify(edited) === JSON.stringify(wanted);
}

/** A pattern as YAML: always in quotes, as every other way to write it. */
function quoted(pattern: string): string {
  return JSON.stringify(pattern);
}

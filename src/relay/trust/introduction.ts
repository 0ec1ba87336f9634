// What a server says of itself, in its answer to `initialize` or `server/discover`. Of a server of 2026-07-28 its
// `serverInfo` stands in the result's `_meta`.
import { hasDuplicateMembers } from '../../json/duplicates.ts';
import { readEnvelope } from '../../json/envelope.ts';
import { COMMA, skipSpace } from '../../json/json.ts';
import { type Member, type Range, readMember, readText } from '../../json/read.ts';
import type { Introduction } from '../trust.ts';

type Path = readonly [string, ...string[]];

const INFO: readonly Path[] = [['serverInfo'], ['_meta', 'io.modelcontextprotocol/serverInfo']];
const INSTRUCTIONS: Path = ['instructions'];
const paths = (name: string): readonly Path[] => INFO.map((info) => [...info, name] as const as Path);
const TITLES = paths('title');
const DESCRIPTIONS = paths('description');
const NAMES = paths('name');
const VERSIONS = paths('version');
const CAPABILITIES: Path = ['capabilities'];

/** What is held back together: all that is read by a person or a model and is no name. */
const TEXTS: readonly Path[] = [INSTRUCTIONS, ...TITLES, ...DESCRIPTIONS];

/** Reads the result in a range. Undefined: two readers could see two. */
export function readIntroduction(bytes: Buffer, result: Range): Introduction | undefined {
  if (hasDuplicateMembers(bytes, result.start, result.end)) return undefined;
  const said = TEXTS.map((path) => memberAt(bytes, result, path));
  if (said.includes('ambiguous')) return undefined;
  // It stands where the server likes, and hosts differ in where they read it: what stands in two places counts as both.
  const text = (all: readonly Path[]): string | undefined => {
    const found = new Set(all.flatMap((path) => textOf(bytes, memberAt(bytes, result, path)) ?? []));
    return found.size > 1 ? JSON.stringify([...found]) : found.values().next().value;
  };
  const json = (all: readonly Path[]): string | undefined => {
    const [found] = all
      .map((path) => memberAt(bytes, result, path))
      .filter((member) => typeof member !== 'string');
    return found && bytes.toString('utf8', found.start, found.end);
  };
  return {
    instructions: text([INSTRUCTIONS]),
    title: text(TITLES),
    description: text(DESCRIPTIONS),
    identity: { name: json(NAMES), version: json(VERSIONS), capabilities: json([CAPABILITIES]) },
  };
}

/** An answer, the line from `start` to `end`, without these texts. */
export function withoutIntroduction(bytes: Buffer, start: number, end: number): Buffer {
  let line = bytes.subarray(start, end);
  for (const path of TEXTS) {
    const { resultStart, resultEnd } = readEnvelope(line, 0, line.length);
    const value = memberAt(line, { start: resultStart, end: resultEnd }, path);
    if (typeof value !== 'string') line = without(line, value, path.at(-1) ?? '');
  }
  return line;
}

function memberAt(bytes: Buffer, within: Range, path: Path): Member {
  let found: Member = within;
  for (const name of path) {
    if (typeof found === 'string') return found;
    found = readMember(bytes, found.start, found.end, name);
  }
  return found;
}

/** What is no string counts by its JSON text: some reader may show that. */
function textOf(bytes: Buffer, member: Member): string | undefined {
  if (typeof member === 'string') return undefined;
  const { start, end } = member;
  const json = bytes.toString('utf8', start, end);
  return json === 'null' ? undefined : (readText(bytes, member, end - start) ?? json);
}

/** Takes a member, whose name is spelled plainly, out of its object, with one comma beside it. */
function without(line: Buffer, { start, end }: Range, name: string): Buffer {
  const first = line.lastIndexOf(`"${name}"`, start);
  const after = skipSpace(line, end, line.length);
  if (line[after] === COMMA) return joined(line, first, after + 1);
  let before = first;
  while (line[before - 1] === 0x20 || line[before - 1] === 0x09) before--;
  return joined(line, line[before - 1] === COMMA ? before - 1 : first, end);
}

function joined(line: Buffer, until: number, from: number): Buffer {
  return Buffer.concat([line.subarray(0, until), line.subarray(from)]);
}

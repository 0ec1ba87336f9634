// What a person is shown before a profile is used for the first time: what runs, and all that its server lists, whole.
import { escapeUnprintable } from '../../audit/printable.ts';
import type { Sighting } from './compare.ts';
import type { LookAlikes } from './look-alikes.ts';
import { marksOfDefinition, type Names } from './marks.ts';
import { KINDS, type Part, type RecordedKind } from './record.ts';

/** The longest title or name that is shown, in characters. */
const MAX_SHOWN = 200;

const WORDS: Readonly<Record<RecordedKind, string>> = {
  tools: 'tool',
  prompts: 'prompt',
  resources: 'interface',
  templates: 'resource template',
};

export interface FirstUse {
  readonly profile: string;
  readonly sighting: Sighting;
  /**
   * What it is that is not agreed to: the server as a whole, what the profile gives it in addition, the host alone, or the host
   * before what a remote server offers is known.
   */
  readonly about: 'baseline' | 'host' | 'remote' | readonly string[];
  readonly alike: LookAlikes;
  /** Whether the answer outlives the daemon. */
  readonly lasts: boolean;
}

/** The lines between what is asked and what the server may reach. */
export function firstUseLines({ profile, sighting, about, alike, lasts }: FirstUse): string[] {
  const rest = lasts
    ? []
    : [
        'there is no credential store: this is asked again once the daemon has ended ("warder init" makes one)',
      ];
  if (about === 'host') return ['you have accepted its server; this program has not used it yet', ...rest];
  const { server, seen, permissions } = sighting;
  if (about === 'remote') {
    return [
      ...server.files.map(({ path }) => `it is the server at ${show(path)}`),
      ...permissions.credentials.map((entry) => `its requests carry ${show(entry)}`),
      'what it offers is shown to you before anything of it is used',
      ...rest,
    ];
  }
  if (about !== 'baseline')
    return [
      'its profile gives it more than you have accepted:',
      ...about.map((line) => `  ${show(line)}`),
      ...rest,
    ];
  const { tools } = seen.described;
  const runs = server.files.map(({ path, digest }) =>
    permissions.sandbox === 'remote'
      ? `it is the server at ${show(path)}`
      : `it runs ${show(path)}${digest === null ? '' : ` (${digest.slice(0, 19)})`}`,
  );
  const lists = KINDS.flatMap((kind) => {
    const parts = [...seen.described[kind]];
    if (parts.length === 0) return kind === 'tools' ? ['it lists no tools'] : [];
    return [
      `it lists ${parts.length} ${WORDS[kind]}${parts.length === 1 ? '' : 's'}:`,
      ...parts.map(([name, part]) => `  ${describe(name, part, { alike, tools })}`),
    ];
  });
  const said = [...seen.described.introduction].map(([name, { text = '' }]) => {
    const marks = marksOfDefinition(text, tools);
    return `its ${name}: ${text.length} characters${marks.length === 0 ? '' : ` (${marks.join('; ')})`}`;
  });
  return [...runs, ...lists, ...said, ...rest, `"warder trust show ${profile}" has every word of it`];
}

/** An entry of a list on one line, with what is odd about it. */
function describe(
  name: string,
  { text }: Part,
  { alike, tools }: { readonly alike: LookAlikes; readonly tools: Names },
): string {
  const title = text === undefined ? undefined : titleOf(text);
  const other = alike.markOf(name);
  const odd = [
    ...(other === undefined ? [] : [show(other)]),
    ...(text === undefined ? ['too long to be kept'] : marksOfDefinition(text, tools, name)),
  ];
  return `${show(name)}${title === undefined ? '' : ` - ${show(title)}`}${odd.length === 0 ? '' : ` [${odd.join('; ')}]`}`;
}

/** The title of an entry, as the server says it. */
function titleOf(text: string): string | undefined {
  try {
    const { title, annotations } = JSON.parse(text) as {
      title?: unknown;
      annotations?: { title?: unknown };
    };
    const found = title ?? annotations?.title;
    return typeof found === 'string' ? found : undefined;
  } catch {
    return undefined;
  }
}

function show(text: string): string {
  const shown = escapeUnprintable(text);
  return shown.length <= MAX_SHOWN ? shown : `${shown.slice(0, MAX_SHOWN)}... (${shown.length} characters)`;
}

// The profile that `warder add` writes: what was said on the command line, and every choice that was made for
// the person standing there as a line to change, with a word on what it means.
import { Document, isMap, isScalar, type Node, Scalar, YAMLMap, YAMLSeq } from 'yaml';

/** What a new profile is to say. */
export interface Draft {
  readonly description?: string | undefined;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Variables, each delivered by `env`. */
  readonly credentials: readonly string[];
  /** Patterns of tool names. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Where the JSON Schema lies, for editors. */
  readonly schema?: string | undefined;
}

/** Longest list of arguments on one line. */
const LINE = 60;

/** The YAML of a new profile. */
export function draftProfile(draft: Draft): string {
  const document = new Document({
    ...(draft.description === undefined ? {} : { description: draft.description }),
    server: {
      command: draft.command,
      ...(draft.args.length === 0 ? {} : { args: draft.args }),
      ...(draft.cwd === undefined ? {} : { cwd: draft.cwd }),
    },
    ...(Object.keys(draft.env).length === 0 ? {} : { env: draft.env }),
    ...(draft.credentials.length === 0
      ? {}
      : { credentials: Object.fromEntries(draft.credentials.map((name) => [name, { deliver: 'env' }])) }),
    policy: { default: 'allow', ...tools(draft) },
  });
  remark(document, ['server', 'cwd'], ' where relative paths begin');
  for (const name of draft.credentials) {
    remark(document, ['credentials', name, 'deliver'], ' the server gets the value itself');
  }
  remark(document, ['policy', 'default'], ' tools that no pattern names');
  const args = document.getIn(['server', 'args']);
  if (
    args instanceof YAMLSeq &&
    JSON.stringify(draft.args).length <= LINE &&
    !draft.args.some((arg) => arg.includes('\n'))
  )
    args.flow = true;
  const patterns = document.getIn(['policy', 'tools']);
  if (isMap(patterns)) {
    for (const { key } of patterns.items) if (isScalar(key)) key.type = Scalar.QUOTE_DOUBLE;
  }
  if (draft.schema !== undefined) document.commentBefore = ` yaml-language-server: $schema=${draft.schema}`;
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Denials first, as they win. */
function tools({ allow, deny }: Draft): { tools?: Record<string, string> } {
  const rules = [...deny.map((name) => [name, 'deny']), ...allow.map((name) => [name, 'allow'])];
  return rules.length === 0 ? {} : { tools: Object.fromEntries(rules) };
}

function remark(document: Document, path: readonly string[], comment: string): void {
  const node = document.getIn(path, true) as Node | undefined;
  if (node !== undefined && !(node instanceof YAMLMap)) node.comment = comment;
}

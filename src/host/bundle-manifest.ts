// The manifest.json of a bundle (MCPB 0.1 to 0.4, formerly DXT: https://github.com/modelcontextprotocol/mcpb). Pure: what it
// asks of a person stays open, and its paths are paths in the bundle. What is for a user interface alone (icons, screenshots,
// translations, tools and prompts) is not read.
import * as z from 'zod';
import { isLoaderVariable } from '../profile/variable.ts';
import { readDocument } from './document.ts';
import { TextProblem } from './text/edit.ts';

/** Stands for the bundle's folder, in the manifest and in the profile. */
export const BUNDLE_FOLDER = `\${__dirname}`;

const option = z.object({
  type: z.enum(['string', 'number', 'boolean', 'directory', 'file']),
  title: z.string().optional(),
  description: z.string().optional(),
  required: z.boolean().optional(),
  default: z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]).optional(),
  multiple: z.boolean().optional(),
  sensitive: z.boolean().optional(),
  min: z.number().optional(),
  max: z.number().optional(),
});
const start = z.object({
  command: z.string().min(1),
  args: z.array(z.string()).optional(),
  env: z.record(z.string(), z.string()).optional(),
});
const manifest = z.object({
  manifest_version: z.string().optional(),
  dxt_version: z.string().optional(),
  name: z.string().min(1),
  display_name: z.string().optional(),
  version: z.string().min(1),
  description: z.string().optional(),
  server: z.object({
    type: z.enum(['node', 'python', 'binary', 'uv']),
    entry_point: z.string().optional(),
    mcp_config: start
      .extend({ platform_overrides: z.record(z.string(), start.partial()).optional() })
      .optional(),
  }),
  compatibility: z
    .object({
      platforms: z.array(z.string()).optional(),
      runtimes: z.object({ node: z.string().optional(), python: z.string().optional() }).optional(),
    })
    .optional(),
  user_config: z.record(z.string(), option).optional(),
});
type Server = z.infer<typeof manifest>['server'];

/** What a person is asked for. */
export type BundleOption = z.infer<typeof option>;

/** What Warder takes of a manifest. */
export interface BundleManifest {
  /** Of `a-z0-9._-`. */
  readonly name: string;
  readonly title: string;
  readonly version: string;
  readonly description: string | undefined;
  readonly runtime: 'node' | 'python' | 'binary';
  /** The program's path in the bundle, if it needs neither node nor Python. */
  readonly program: string | undefined;
  /** As in the manifest, but paths in the bundle begin with `BUNDLE_FOLDER`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Variables that make programs load code, and the folders of the bundle that they name. */
  readonly paths: Readonly<Record<string, readonly string[]>>;
  readonly options: Readonly<Record<string, BundleOption>>;
  /** Ranges of versions of what runs it. */
  readonly node: string | undefined;
  readonly python: string | undefined;
}

const SEPARATOR = /\$\{(?:\/|pathSeparator)\}/g;
const KNOWN_VERSION = /^0\.[1-4](?:\.\d+)?$/;
/** Variables that may name folders of the bundle: what else loads code is refused. */
const PATH_VARIABLES = ['PYTHONPATH', 'NODE_PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH'];

/** Reads a manifest for a platform as node names it. `has`: whether a path is in the bundle. Throws `TextProblem`. */
export function readBundleManifest(
  text: string,
  platform: string,
  has: (path: string) => 'file' | 'folder' | undefined,
): BundleManifest {
  const {
    name,
    display_name,
    version,
    description,
    server,
    compatibility = {},
    user_config = {},
    ...said
  } = parse(text);
  const format = said.manifest_version ?? said.dxt_version ?? '';
  if (!KNOWN_VERSION.test(format))
    throw new TextProblem(
      `is of the format ${JSON.stringify(format.slice(0, 20))}, and 0.1 to 0.4 are known`,
    );
  if (server.type === 'uv')
    throw new TextProblem(
      'is of the type "uv": its packages would be fetched at each start, and nothing pins them. If PyPI has the server too, add it from there, with --from-uvx',
    );
  const { platforms, runtimes = {} } = compatibility;
  if (platforms !== undefined && !platforms.includes(platform))
    throw new TextProblem(`is for ${platforms.join(', ') || 'no system'}, and this is ${platform}`);
  const { command, args, env } = startOf(server, platform);
  const bundlePath = (word: string): string => intoBundle(word, has, server.entry_point);
  const { paths, rest } = loaderPaths(env, has);
  const plain = { name: slug(name, 100).toLowerCase().replaceAll('+', '-'), version: slug(version, 64) };
  if (plain.name === '' || plain.version === '')
    throw new TextProblem('has a name or a version without a letter or a digit');
  return {
    ...plain,
    title: display_name ?? name,
    description,
    ...programOf(command, has),
    args: args.map(bundlePath),
    env: Object.fromEntries(Object.entries(rest).map(([variable, value]) => [variable, bundlePath(value)])),
    paths,
    options: user_config,
    node: runtimes.node,
    python: runtimes.python,
  };
}

function parse(text: string): z.infer<typeof manifest> {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
    const [twice] = readDocument(text, 'json').twice;
    if (twice !== undefined) throw new TextProblem(`has ${JSON.stringify(twice.join('.'))} twice`);
  } catch (error) {
    if (error instanceof TextProblem) throw error;
    throw new TextProblem('is not valid JSON');
  }
  const parsed = manifest.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TextProblem(`is not as the format says: see ${issue?.path.join('.') || 'its root'}`);
}

/** What is started on a platform: what is said for it takes the place of what is said for all. */
function startOf(
  server: Server,
  platform: string,
): { command: string; args: string[]; env: Record<string, string> } {
  const { type, entry_point, mcp_config } = server;
  if (mcp_config === undefined) {
    if (entry_point === undefined) throw new TextProblem('does not say what it starts');
    const own = inBundle(entry_point);
    return type === 'binary' ? { command: own, args: [], env: {} } : { command: type, args: [own], env: {} };
  }
  const { platform_overrides = {}, ...all } = mcp_config;
  const special = Object.hasOwn(platform_overrides, platform) ? platform_overrides[platform] : undefined;
  return {
    command: special?.command ?? all.command,
    args: special?.args ?? all.args ?? [],
    env: special?.env ?? all.env ?? {},
  };
}

/** Nothing is started but node, Python, and programs of the bundle. */
function programOf(
  command: string,
  has: (path: string) => 'file' | 'folder' | undefined,
): Pick<BundleManifest, 'runtime' | 'program'> {
  if (/^node(?:\.exe)?$/.test(command)) return { runtime: 'node', program: undefined };
  if (/^python(?:3(?:\.\d+)?)?(?:\.exe)?$/.test(command)) return { runtime: 'python', program: undefined };
  const path = relative(inBundle(command));
  if (path !== undefined && has(path) === 'file') return { runtime: 'binary', program: path };
  throw new TextProblem(
    `starts ${JSON.stringify(command.slice(0, 100))}, which is neither node, nor Python, nor a program in it`,
  );
}

/** A text whose relative path is one in the bundle, with `BUNDLE_FOLDER` before it. Throws for a path that leaves it. */
function intoBundle(
  text: string,
  has: (path: string) => 'file' | 'folder' | undefined,
  entry: string | undefined,
): string {
  const own = inBundle(text);
  const path = relative(own);
  if (own !== text && path !== undefined && (text.includes('/') || text === entry) && has(path) !== undefined)
    return own;
  checkFolders(text);
  return text;
}

/** A relative path with `BUNDLE_FOLDER` before it; what is none stays. */
function inBundle(text: string): string {
  return /^(?:[/~-]|[A-Za-z]:)|\$\{|^$/.test(text)
    ? text
    : `${BUNDLE_FOLDER}/${text.replace(/^(?:\.\/+)+/, '')}`;
}

/** The path in the bundle of a text that is `BUNDLE_FOLDER` and a path in normal form; undefined for another text. */
function relative(text: string): string | undefined {
  checkFolders(text);
  if (!text.startsWith(`${BUNDLE_FOLDER}/`)) return undefined;
  return text.slice(BUNDLE_FOLDER.length + 1).replaceAll(SEPARATOR, '/');
}

/** Throws if what follows the bundle's folder in a text leads out of it. */
function checkFolders(text: string): void {
  const plain = text.replaceAll(SEPARATOR, '/').replaceAll('\\', '/');
  for (const [first, ...parts] of plain
    .split(BUNDLE_FOLDER)
    .slice(1)
    .map((each) => each.split('/'))) {
    if (!/^(?:$|[:;,\s"'=])/.test(first ?? '') || parts.some((part) => /^\.\.(?:$|[:;,\s"'=])/.test(part)))
      throw new TextProblem(`has a path that leads out of it: ${JSON.stringify(text.slice(0, 100))}`);
  }
}

/** Takes the variables that load code out of an environment. Each may only name folders of the bundle. */
function loaderPaths(
  env: Readonly<Record<string, string>>,
  has: (path: string) => 'file' | 'folder' | undefined,
): { paths: Record<string, string[]>; rest: Record<string, string> } {
  const paths: Record<string, string[]> = {};
  const rest: Record<string, string> = {};
  for (const [variable, value] of Object.entries(env)) {
    if (!isLoaderVariable(variable)) {
      rest[variable] = value;
      continue;
    }
    const folders = value.split(/[:;]/).map((part) => {
      const own = inBundle(part);
      return own === BUNDLE_FOLDER ? '.' : relative(own)?.replace(/\/+$/, '');
    });
    if (!PATH_VARIABLES.includes(variable) || folders.some((each) => each === undefined || each === ''))
      throw new TextProblem(
        `sets ${JSON.stringify(variable.slice(0, 100))}, which makes programs load other code than its own`,
      );
    // What is not in the bundle has nothing to load.
    const present = folders.filter((each) => each !== undefined && (each === '.' || has(each) === 'folder'));
    if (present.length > 0) paths[variable] = present.map(String);
  }
  return { paths, rest };
}

function slug(text: string, most: number): string {
  return text
    .normalize('NFKD')
    .replaceAll(/[^0-9A-Za-z.+_-]+/g, '-')
    .replaceAll(/^[-._+]+|[-._+]+$/g, '')
    .slice(0, most);
}

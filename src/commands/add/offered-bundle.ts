// `warder add NAME --from FILE.mcpb`: a bundle, shown whole before anything of it is unpacked. What its manifest asks for is
// asked at the terminal, or given with `--user-config`; secrets are declared by name, and set by the person afterwards.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { WarderError } from '../../errors.ts';
import { type BundleSecret, fillIn } from '../../host/bundle-config.ts';
import { type BundleManifest, readBundleManifest } from '../../host/bundle-manifest.ts';
import { TextProblem } from '../../host/document.ts';
import { type Bundle, isInRange, openBundle } from '../../package/bundle.ts';
import type { Context } from '../command.ts';
import { parseEnvOptions, refuseSealedTexts } from '../profile/option-checks.ts';
import { answeredOptions } from './bundle-answers.ts';
import { type AddArguments, isSealed } from './options.ts';
import { commandLine, plainDescription, say } from './shown-words.ts';

/** Bytes of a bundle that is not read at once. */
const LARGE = 4 * 2 ** 20;

/** A bundle as options of `add`, and what a person reads of it before. */
export interface OfferedBundle {
  readonly args: AddArguments;
  readonly lines: readonly string[];
}

/**
 * Reads a bundle and what its manifest asks for. `show` gets what a person should know before the questions. Throws
 * `package-integrity` for an archive that is not what it should be, `usage` for a manifest or an answer that is not.
 */
export async function offeredBundle(
  context: Context,
  args: AddArguments,
  { title, bytes, show }: { title: string; bytes: Buffer; show: (line: string) => void },
): Promise<OfferedBundle> {
  // Its directory alone takes a moment.
  if (bytes.length > LARGE && !context.json) context.terminal.err(`warder: reading ${title}`);
  const bundle = await openBundle(bytes, title);
  try {
    return await offer(context, args, bundle, show);
  } catch (error) {
    if (!(error instanceof TextProblem)) throw error;
    throw new WarderError('usage', `the manifest of ${title} ${error.message}`, {
      hint: 'ask its authors; a command can be added by itself: warder add NAME -- COMMAND',
    });
  }
}

async function offer(
  context: Context,
  args: AddArguments,
  bundle: Bundle,
  show: (line: string) => void,
): Promise<OfferedBundle> {
  const kinds = new Map(bundle.entries.map(({ name, folder }) => [name, folder] as const));
  const above = new Set(bundle.entries.flatMap(({ name }) => foldersAbove(name)));
  const manifest = readBundleManifest(bundle.manifest, process.platform, (path) => {
    const folder = kinds.get(path) ?? (above.has(path) ? true : undefined);
    return folder === undefined ? undefined : folder ? 'folder' : 'file';
  });
  checkNode(manifest);
  show(`"${manifest.title}" ${manifest.version} is a bundle${say(manifest.description)}:`);
  const home = homedir();
  const folders = {
    HOME: home,
    DESKTOP: join(home, 'Desktop'),
    DOCUMENTS: join(home, 'Documents'),
    DOWNLOADS: join(home, 'Downloads'),
  };
  const answered = await answeredOptions(context, manifest, args, folders);
  const areSealed = isSealed(args);
  const fill = (wanted: readonly string[]) =>
    fillIn(manifest, {
      values: answered.values,
      wanted: [...args.credential, ...wanted],
      folders,
      isSealed: areSealed,
    });
  const optional = fill([]).unused;
  const filled = fill(
    context.terminal.interactive && !context.json ? await wantedSecrets(context, manifest, optional) : [],
  );
  if (areSealed)
    refuseSealedTexts(filled.env, filled.args, () => 'use "--deliver env": the server then holds the secret');
  const own = parseEnvOptions(args.env);
  const env = Object.entries(filled.env).filter(([name]) => !Object.hasOwn(own, name));
  const words = [...filled.args, ...(args['--'] ?? [])];
  const secrets = filled.secrets.map(({ variable }) => variable);
  const variables = filled.secrets.flatMap(({ variable, isReferred }) => (isReferred ? [] : [variable]));
  const { name, version, runtime, program, paths, python } = manifest;
  return {
    args: {
      ...args,
      description: args.description ?? plainDescription(manifest.description),
      bundle: { bundle, start: { name, version, runtime, program, paths, python } },
      credential: [
        ...new Set([...args.credential.filter((each) => !secrets.includes(each)), ...variables]),
      ].filter((each) => !Object.hasOwn(own, each)),
      env: [...args.env, ...env.map(([variable, value]) => `${variable}=${value}`)],
      read: [...new Set([...args.read, ...answered.read])],
      write: [...new Set([...args.write, ...answered.write])],
      'secret-forms': Object.fromEntries(
        filled.secrets.flatMap(({ variable, form }) => (form === undefined ? [] : [[variable, form]])),
      ),
      '--': words,
    },
    lines: [
      `  SHA-256 ${bundle.sha256}${bundle.isSigned ? '; its signature is not verified' : '; not signed'}`,
      `  package mcpb:${name}@${version}, ${bundle.entries.length} files`,
      `  command ${commandLine([program ?? runtime, ...words])}`,
      ...Object.entries(paths).map(
        ([variable, all]) => `  variable ${variable}: ${all.join(', ')} of the bundle`,
      ),
      ...env.map(([variable, value]) => `  variable ${variable}=${value}`),
      ...answered.read.map((path) => `  it may read ${path}`),
      ...[...args.write, ...answered.write].map((path) => `  it may change ${path}`),
      ...filled.secrets.map(
        (secret) => `  secret ${secretWords(manifest, secret)}: to be set, not taken from there`,
      ),
      ...filled.unused.map(
        (secret) =>
          `  left out, optional: ${secretWords(manifest, secret)} (--credential ${secret.variable})`,
      ),
      ...answered.unused.map((key) => `  left out, optional: ${key} (--user-config ${key}=VALUE)`),
      ...args.host.map((host) => `  it may reach ${host}`),
    ],
  };
}

/** The variables of those optional secrets that the person has. */
async function wantedSecrets(
  { terminal }: Context,
  manifest: BundleManifest,
  optional: readonly BundleSecret[],
): Promise<string[]> {
  const wanted: string[] = [];
  for (const secret of optional) {
    if (
      await terminal.confirm(
        `do you have ${secretWords(manifest, secret)}? it is optional, and set afterwards:`,
      )
    )
      wanted.push(secret.variable);
  }
  return wanted;
}

function secretWords({ options }: BundleManifest, { variable, key, form }: BundleSecret): string {
  const { title = key } = options[key] ?? {};
  return `${variable}${say(title)}${form === undefined ? '' : `, as '${form}'`}`;
}

/** Throws `usage` if the manifest asks for another node. */
function checkNode({ runtime, node, title }: BundleManifest): void {
  if (runtime !== 'node' || node === undefined) return;
  if (isInRange(process.versions.node, node) !== false) return;
  throw new WarderError(
    'usage',
    `"${title}" needs node ${node}, and Warder runs on ${process.versions.node}`,
    {
      hint: 'run Warder with such a node, or get another version of the bundle',
    },
  );
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_part, index) => parts.slice(0, index + 1).join('/'));
}

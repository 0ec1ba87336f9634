// `warder add NAME --from FILE`: a server as others describe it, in the registry's server.json or in the JSON that a README
// has for hosts, or as a bundle. It is shown whole before anything is written, with secrets by name only; no value of a secret is taken.
import { escapeUnprintable } from '../../audit/printable.ts';
import { WarderError } from '../../errors.ts';
import { TextProblem } from '../../host/document.ts';
import { type PastedServer, pastedServers, readPasted } from '../../host/pasted.ts';
import { profileName } from '../../host/planned.ts';
import { isServerJson, readServerJson } from '../../host/server-json.ts';
import { referencedCredentials } from '../../profile/argument-credentials.ts';
import { checkProfileName } from '../../profile/format.ts';
import type { Context } from '../command.ts';
import { confirm } from '../terminal/confirmation.ts';
import { isArchive, readOffered } from './bundle-file.ts';
import { fromPasted, fromRegistry, type Offered } from './described-server.ts';
import { offeredBundle } from './offered-bundle.ts';
import { type AddArguments, isSealed } from './options.ts';
import { refuseStored } from './stored-credentials.ts';

/** The options that a description comes to, after the person agreed. Throws `usage`, `refused` and `package-spec`. */
export async function offeredArguments(
  context: Context,
  args: AddArguments,
  from: string,
): Promise<AddArguments> {
  const { terminal, json } = context;
  checkProfileName(args.name);
  const title = from === '-' ? 'stdin' : from;
  const show = (line: string): void => {
    const escaped = escapeUnprintable(line);
    if (json) terminal.err(escaped);
    else terminal.out(escaped);
  };
  const offered = await read(context, title, args, show);
  if (from === '-' && (offered.args.bearer || offered.args['key-header'] !== undefined)) {
    throw new WarderError('usage', 'the server takes a token, which stdin cannot give as well', {
      hint: 'save the text in a file, and use "--from FILE"',
    });
  }
  for (const line of offered.lines) show(line);
  const { credential, env, '--': words = [] } = offered.args;
  await refuseStored(context, args.name, [...credential, ...referencedCredentials([...words, ...env])]);
  if (args.yes !== true) {
    await confirm(terminal, {
      what: `adding a server from ${title}`,
      question: `add it as "${args.name}"?`,
      otherwise: 'nothing was written',
    });
  }
  return offered.args;
}

async function read(
  context: Context,
  title: string,
  args: AddArguments,
  show: (line: string) => void,
): Promise<Offered> {
  const bytes = args.from === '-' ? undefined : readOffered(title);
  if (bytes !== undefined && isArchive(bytes))
    return await offeredBundle(context, args, { title, bytes, show });
  if (args['user-config']?.length)
    throw new WarderError('usage', '"--user-config" is for a bundle, and there is none', {
      hint: 'variables are given with --env, arguments after "--"',
    });
  const text = bytes?.toString('utf8') ?? (await context.terminal.readStdin());
  return readDescription(text, title, args);
}

function readDescription(text: string, title: string, args: AddArguments): Offered {
  try {
    const value = readPasted(text);
    return isServerJson(value)
      ? fromRegistry(readServerJson(value, isSealed(args)), args)
      : fromPasted(choose(pastedServers(value), title, args.name), args);
  } catch (error) {
    if (!(error instanceof TextProblem)) throw error;
    throw new WarderError('usage', `${title} ${error.message}`, {
      hint: 'it is a server.json of the registry, or an entry as a README has it: {"mcpServers": {…}}',
    });
  }
}

function choose(servers: readonly PastedServer[], title: string, name: string): PastedServer {
  const [first] = servers;
  if (first === undefined) throw new TextProblem('has no server in it');
  const found =
    servers.length === 1
      ? first
      : servers.find(({ server }) => server.name === name || profileName(server.name) === name);
  if (found !== undefined) return found;
  const names = servers.map(({ server }) => profileName(server.name)).join(', ');
  throw new WarderError('usage', `${title} has ${servers.length} servers, and none is "${name}"`, {
    hint: `the name says which: ${names}`,
  });
}

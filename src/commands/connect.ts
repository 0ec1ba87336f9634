// warder connect: puts a profile's entry into the configuration of hosts, or prints it in their form.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { changeHostFile, newGroup, openHostFile } from '../host/change.ts';
import { snippetOf } from '../host/document.ts';
import { type FoundFile, fileForNew } from '../host/find.ts';
import { secretsOf } from '../host/secrets.ts';
import { addServer, moveServer, newEntry, serversOf } from '../host/servers.ts';
import { hosts } from '../host/table.ts';
import { profileMissingError, profileStamp } from '../profile/load.ts';
import type { Context } from './command.ts';
import { askHost, type HostSays, inWords } from './connect/host-check.ts';
import { checkHosts, hostsHere, launchedProfile, surroundingsOf } from './hosts/surroundings.ts';
import { ensureLaunchCommand } from './launch-command.ts';
import { hostEntry } from './profile/host-entry.ts';
import { repeatable } from './terminal/repeatable-option.ts';

interface ConnectArguments {
  readonly name: string;
  readonly host: readonly string[];
  readonly as: string | undefined;
  readonly project: boolean;
  readonly print: boolean;
  readonly replace: boolean;
  readonly check: boolean;
}

export function connectCommand(context: Context): CommandModule<object, ConnectArguments> {
  return {
    command: 'connect <name>',
    describe: 'put a profile into the configuration of a host',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .option('host', repeatable(`a host: ${Object.keys(hosts).join(', ')}; can be repeated`))
        .option('as', {
          type: 'string',
          requiresArg: true,
          describe: "the server's name in the host; by default the profile's",
        })
        .option('project', {
          type: 'boolean',
          default: false,
          describe: "in the project's file of this folder, not in the user's",
        })
        .option('replace', {
          type: 'boolean',
          default: false,
          describe: 'take the place of a server of that name; "warder undo" puts it back',
        })
        .option('print', { type: 'boolean', default: false, describe: 'print the entry, and write nothing' })
        .option('check', {
          type: 'boolean',
          default: true,
          describe: "ask the host's own command afterwards whether the server starts",
        })
        .example('warder connect github --host claude-code --host vscode', 'in both, for all projects')
        .example('warder connect github --host codex --print', "the entry in the host's own form"),
    handler: (args) => connect(context, args),
  };
}

async function connect(context: Context, args: ConnectArguments): Promise<void> {
  const { places, terminal, json } = context;
  const { name, as = name } = args;
  if (profileStamp(places, name) === undefined) throw profileMissingError(places, name);
  checkHosts(args.host);
  if (args.host.length === 0) {
    const here = hostsHere(process.env);
    throw new WarderError('usage', 'which host?', {
      hint: `use "--host HOST"; on this machine: ${here.join(', ') || 'none that Warder knows'}`,
    });
  }
  const launch = ensureLaunchCommand(context);
  if (!json) for (const note of launch.notes) terminal.out(note);
  const entry = hostEntry(context, name);
  const results: object[] = [];
  const group = newGroup();
  for (const id of args.host) {
    const found = fileForNew(id, args.project ? 'project' : 'user', surroundingsOf(process.env));
    if (found === undefined) {
      throw new WarderError('usage', `${hosts[id]?.title ?? id} has no file of a project`, {
        hint: 'leave "--project" out',
      });
    }
    if (args.print) results.push(print(context, found, as, entry));
    else results.push(await write(context, found, as, entry, { ...args, group }));
  }
  if (json) terminal.json(results);
}

/** Prints an entry as its host has it. */
function print(
  { terminal, json }: Context,
  found: FoundFile,
  as: string,
  entry: ReturnType<typeof hostEntry>,
): object {
  const { file, path, host, id } = found;
  const { shape, format, servers } = file;
  const [place = []] = servers;
  const whole = [...place, ...(shape.named === undefined ? [as] : [0])];
  const text = snippetOf(format, whole, newEntry(shape, as, entry));
  if (!json) {
    terminal.out(`${host.title}, in ${path}:`);
    terminal.text(text.trimEnd());
    if (id === 'claude-code') terminal.out(`or: ${claudeLine(as, entry)}`);
    terminal.out(`then ${host.restart}`);
  }
  return { host: id, path, entry: text, restart: host.restart };
}

function claudeLine(as: string, { command, args, env = {} }: ReturnType<typeof hostEntry>): string {
  const words = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  return ['claude', 'mcp', 'add', '--scope', 'user', as, ...words, '--', command, ...args]
    .map(quoteWord)
    .join(' ');
}

async function write(
  context: Context,
  found: FoundFile,
  as: string,
  entry: ReturnType<typeof hostEntry>,
  args: ConnectArguments & { readonly group: string },
): Promise<object> {
  const { places, terminal, json } = context;
  const { file, path, host, id } = found;
  const [place = []] = file.servers;
  const sameName = (document: Parameters<typeof serversOf>[0]) =>
    serversOf(document, file).find(
      (server) =>
        server.name === as &&
        (file.shape.named !== undefined || server.path.length === place.length + 1 || id === 'opencode'),
    );
  const existing = sameName(openHostFile(found).document);
  if (existing !== undefined && !args.replace && launchedProfile(existing, places) !== args.name) {
    throw new WarderError('refused', `${host.title} has a server "${as}" already, in ${path}`, {
      hint: 'use "--as NAME" for another name, or "--replace" to take its place; "warder import" also takes its secrets along',
    });
  }
  await using control = await context.control();
  const done = await changeHostFile(
    found,
    {
      what: 'connect',
      servers: [as],
      group: args.group,
      edits(document) {
        const now = sameName(document);
        return [
          now === undefined ? addServer(document, file, as, entry) : moveServer(now, entry, file.shape),
        ];
      },
    },
    control,
  );
  if (!json) {
    terminal.out(
      done === undefined ? `${host.title} has it already, in ${path}` : `wrote "${as}" into ${path}`,
    );
    if (done !== undefined) {
      terminal.out(`  ${host.restart}`);
      if (existing !== undefined && secretsOf(existing).length > 0)
        terminal.out(
          '  what stood there had its own secrets: revoke them where they were issued once this works',
        );
      terminal.out(`  to take it back: warder undo ${done.id}`);
    }
  }
  const isAsked = done !== undefined && args.check && host.check !== undefined;
  const says = isAsked ? await ask() : undefined;
  if (!json && says !== undefined) terminal.out(`  ${inWords(says.state, host.title, says.command)}`);
  return { host: id, path, changed: done !== undefined, undo: done?.id ?? null, says: says ?? null };

  async function ask(): Promise<HostSays | undefined> {
    using _progress = terminal.progress(`asking ${host.title} whether it starts "${as}"`);
    return await askHost(found, as, [entry.command, ...entry.args]);
  }
}

function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

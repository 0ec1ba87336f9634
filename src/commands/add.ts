// warder add: writes a profile. Every default that it chooses is written into the file and printed.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import { homeFolder } from '../os/home.ts';
import { referencedCredentials } from '../profile/argument-credentials.ts';
import { draftProfile } from '../profile/draft.ts';
import { checkProfileName, parseProfile } from '../profile/format.ts';
import { profileExistsError, profilePath, profileStamp, writeProfile } from '../profile/load.ts';
import { setHomeAside } from '../server/kept-home.ts';
import { awsSigning } from './add/aws-signing.ts';
import { knownAccess, knowsOf, makeFolders, proposeKnown } from './add/known-server.ts';
import { offeredArguments } from './add/offered-server.ts';
import { type AddArguments, addOptions, givenOptions } from './add/options.ts';
import { pathChoice } from './add/path-questions.ts';
import { listedPath, resolveCommand, workingFolder } from './add/paths.ts';
import { addRemote } from './add/remote.ts';
import { reportAdded } from './add/report.ts';
import { lockPackage, requestedServer } from './add/requested-server.ts';
import { requestedUrl } from './add/requested-url.ts';
import { schemaPath } from './add/schema-path.ts';
import { agreeOnStored } from './add/stored-credentials.ts';
import type { Context } from './command.ts';
import { openPackageStore, skipsOthers } from './package/package-store.ts';
import { planDelivery } from './profile/delivery-options.ts';
import { type ListedPaths, listPaths, namedPaths } from './profile/named-paths.ts';
import {
  checkVariableNames,
  parseEnvOptions,
  refuseSealedTexts,
  refuseSecrets,
} from './profile/option-checks.ts';
import { previewServer } from './profile/preview.ts';
import { refuseRunner } from './profile/runner.ts';

export function addCommand(context: Context): CommandModule<object, AddArguments> {
  return {
    command: 'add <name> [place]',
    describe: 'write a profile for a server',
    builder: addOptions,
    handler: async (given) => {
      const args =
        given.from === undefined
          ? await proposeKnown(context, given)
          : await offeredArguments(context, given, given.from);
      const url = requestedUrl(args);
      await (url === undefined ? addLocal(context, args) : addRemote(context, args, url));
    },
  };
}

/**
 * Writes the profile of a server on this machine. `from`: the folder in which relative paths begin; null: none do. `willWrite` is
 * told the text before it is written. Returns what is said of a package that is known.
 */
export async function addLocal(
  context: Context,
  args: AddArguments,
  from: string | null = process.cwd(),
  willWrite: (text: string) => void = () => {},
): Promise<readonly string[]> {
  const { places, terminal, json } = context;
  const { name, allow, ask, deny } = args;
  checkProfileName(name);
  const asked = requestedServer(args);
  const inArguments = referencedCredentials(asked.args);
  const given = parseEnvOptions(args.env);
  const credentials = [
    ...new Set([...args.credential, ...inArguments, ...referencedCredentials(Object.values(given))]),
  ];
  const home = homeFolder(process.env);
  const known = knownAccess(knowsOf(asked), name, { args: asked.args, env: given, credentials }, home);
  const requested = { ...asked, args: [...asked.args, ...known.args] };
  const planned = planDelivery(args.host, args.deliver ?? known.deliver, credentials.length);
  const delivery = { ...planned, network: [...new Set([...planned.network, ...known.reaches])] };
  const env = { ...known.env, ...given };
  checkVariableNames([...Object.keys(env), ...credentials]);
  refuseSecrets(
    name,
    env,
    requested.kind === 'command' ? [requested.command, ...requested.args] : requested.args,
    credentials,
  );
  if (delivery.deliver === 'sealed')
    refuseSealedTexts(env, requested.args, (variable) =>
      variable === undefined
        ? 'use "--deliver arg": the server then holds the secret'
        : `use "--credential ${variable} --deliver env" in place of "--env ${variable}=…": the server then holds the whole text`,
    );
  const as = args.as ?? known.as;
  if (args.as !== undefined && delivery.deliver !== 'sealed')
    throw new WarderError('usage', '"--as" is for a sealed credential, and there is none', {
      hint: 'name the hosts that get the secret: "--host api.example.com"',
    });
  const signing = delivery.deliver === 'sealed' ? awsSigning(credentials, delivery.hosts) : {};
  // Its hint repeats the words, which hold no secret.
  if (requested.kind === 'command')
    refuseRunner(name, [requested.command, ...requested.args], givenOptions(args));
  if (profileStamp(places, name) !== undefined) throw profileExistsError(places, name);
  if (args['use-stored'] !== true) await agreeOnStored(context, name, credentials);

  const notes: string[] = [...known.notes];
  const keepHome = args.home === 'kept' || known.keepHome;
  const cwd = workingFolder(
    args.cwd,
    requested.kind === 'command' ? [requested.command, ...requested.args] : ['', ...requested.args],
    keepHome,
    notes,
    from,
  );
  const server =
    requested.kind === 'command'
      ? { command: resolveCommand(name, requested.command, cwd, env, notes) }
      : await lockPackage(
          context,
          name,
          requested,
          {
            allow: args['allow-scripts'],
            skipOthers: skipsOthers(args['allow-scripts'], args['without-scripts']),
          },
          notes,
        );
  const draft = {
    description: args.description,
    server,
    args: requested.args,
    cwd,
    env,
    credentials,
    inArguments,
    ...delivery,
    as,
    signing,
    read: [...new Set([...args.read.map(listedPath), ...known.read])],
    write: [...new Set([...args.write.map(listedPath), ...known.write])],
    keepHome,
    allow,
    ask,
    deny,
    schema: schemaPath(),
  };
  // An invalid profile is not written.
  const parse = (more: ListedPaths) => {
    const read = [...draft.read, ...more.read];
    const write = [...draft.write, ...more.write];
    const text = draftProfile({ ...draft, read, write });
    return { text, write, profile: parseProfile(text, profilePath(places, name), name) };
  };
  const store = openPackageStore(context);
  const named = await listPaths(
    namedPaths(requested.args, cwd),
    (more) => previewServer(parse(more).profile, places, store).sandbox,
    pathChoice(context, args, notes),
  );
  // Of a profile whose file was removed by hand. It may be another server's.
  const earlier = setHomeAside(places.state, name, clock.now());
  if (earlier !== undefined) notes.push(`the home of an earlier profile "${name}" was put aside: ${earlier}`);
  const { text, write, profile } = parse(named);
  makeFolders(known);
  willWrite(text);
  const file = writeProfile(places, name, text);

  await reportAdded(context, {
    name,
    file,
    text,
    profile,
    delivery,
    credentials,
    inArguments,
    signing,
    as,
    write,
    notes,
    isTried: args.test ?? (terminal.interactive && !json),
    forms: args['secret-forms'],
  });
  return known.notes;
}

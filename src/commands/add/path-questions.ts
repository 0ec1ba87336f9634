// What a new server may do with the files and folders that its arguments name: a person is asked. Where nobody is, the server
// gets none of them, and what would give it one is said.
import type { WarderError } from '../../errors.ts';
import type { Context } from '../command.ts';
import type { PathUse } from '../profile/named-paths.ts';
import type { AddArguments } from './options.ts';

/** How the question is answered for one path; `notes` gets what a person should know afterwards. */
export function pathChoice(
  { terminal, json }: Context,
  args: Pick<AddArguments, 'name' | 'from' | 'reads-named'>,
  notes: string[],
): (path: string, refused: WarderError | undefined) => Promise<PathUse> {
  const isAsked = terminal.interactive && !json;
  const staysOut = (path: string, { message, hint }: WarderError): PathUse => {
    notes.push(`${path} stays out of its sandbox: ${message} (${hint ?? ''})`);
    return 'nothing';
  };
  return async (path, refused) => {
    if (args['reads-named']?.(path) === true) {
      if (refused !== undefined) return staysOut(path, refused);
      notes.push(
        `sandbox.read: ${path}, because the arguments name it; if the server changes it, list its folder under "write"`,
      );
      return 'read';
    }
    if (!isAsked) {
      notes.push(
        `${path} is named by the arguments and not in its sandbox: "--read ${path}" lists it to be read, "--write ${path}" to be changed; in the profile: "sandbox: {read: [${path}]}"`,
      );
      return 'nothing';
    }
    if (refused !== undefined)
      terminal.err(`${refused.message}${refused.hint === undefined ? '' : ` (${refused.hint})`}`);
    const options: { value: PathUse; label: string }[] = [
      { value: 'read', label: 'read it' },
      { value: 'write', label: 'read and change it' },
      { value: 'nothing', label: 'not see it' },
    ];
    // What others have written proposes nothing, and neither does an answer that cannot be.
    if (args.from !== undefined || refused !== undefined) options.unshift(...options.splice(2));
    const answer = await terminal.select(`the arguments name ${path}; the server may`, options, {
      signal: new AbortController().signal,
      isSudden: false,
    });
    return typeof answer === 'string' ? 'nothing' : answer.value;
  };
}

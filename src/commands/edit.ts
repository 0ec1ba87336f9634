// warder edit: opens a copy of a profile in the user's editor, and replaces the profile once the copy is valid. A
// half-edited profile is therefore never in force.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { parseProfile } from '../profile/format.ts';
import { readProfile, writeProfile } from '../profile/load.ts';
import type { Context } from './command.ts';

interface EditArguments {
  readonly name: string;
}

export function editCommand(context: Context): CommandModule<object, EditArguments> {
  return {
    command: 'edit <name>',
    describe: 'change a profile in your editor',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .example('warder edit github', 'the editor is $VISUAL, $EDITOR or vi'),
    handler: ({ name }) => edit(context, name),
  };
}

async function edit({ places, terminal, json }: Context, name: string): Promise<void> {
  const before = readProfile(places, name);
  const folder = mkdtempSync(join(tmpdir(), 'warder-edit-'));
  const draft = join(folder, `${name}.yaml`);
  writeFileSync(draft, before.bytes, { mode: 0o600 });
  let keep = false;
  try {
    const text = await edited();
    if (text === before.bytes.toString('utf8')) return done('unchanged');
    keep = true;
    if (readProfile(places, name).digest !== before.digest) {
      throw new WarderError('cannot-write', `"${name}" was changed in the meantime`, {
        hint: `your text is in ${draft}`,
      });
    }
    writeProfile(places, name, text, { replace: true });
    keep = false;
    done('changed');
  } finally {
    if (!keep) rmSync(folder, { recursive: true, force: true });
  }

  /** Opens the editor until the text is valid or the user gives up. */
  async function edited(): Promise<string> {
    for (;;) {
      await openEditor(draft);
      const text = readFileSync(draft, 'utf8');
      try {
        parseProfile(text, draft, name);
        return text;
      } catch (error) {
        if (!(error instanceof WarderError)) throw error;
        keep = true;
        const hint = `the old version is still in force; your text is in ${draft}`;
        if (!terminal.interactive) throw new WarderError(error.code, error.message, { hint, cause: error });
        terminal.err(error.message);
        if (error.hint !== undefined) terminal.err(error.hint);
        if (!(await terminal.confirm('edit again?')))
          throw new WarderError(error.code, `"${name}" was not changed`, { hint });
        keep = false;
      }
    }
  }

  function done(outcome: 'changed' | 'unchanged'): void {
    if (json) terminal.json({ name, outcome });
    else
      terminal.out(
        outcome === 'changed' ? `changed "${name}": it applies to the next session` : 'nothing changed',
      );
  }
}

/** Runs the user's editor on a file and waits for it. Throws `usage` if it cannot be started or fails. */
async function openEditor(file: string): Promise<void> {
  const editor = process.env.VISUAL || process.env.EDITOR || 'vi';
  // "code --wait" is a program and an argument. A path that exists may contain spaces. No shell is used.
  const [program = editor, ...args] = existsSync(editor) ? [editor] : editor.trim().split(/\s+/);
  const child = spawn(program, [...args, file], { stdio: 'inherit', shell: false });
  const [code] = await once(child, 'exit').catch((cause: unknown) => {
    throw new WarderError('usage', `cannot start the editor "${program}"`, {
      cause,
      hint: 'set $EDITOR to your editor',
    });
  });
  if (code !== 0)
    throw new WarderError(
      'usage',
      `the editor "${program}" ended with ${code ?? 'a signal'}: nothing is changed`,
    );
}

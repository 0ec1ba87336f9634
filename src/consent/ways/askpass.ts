// Asks by ssh-askpass, for desktops without pinentry. Its mode that confirms (`SSH_ASKPASS_PROMPT=confirm`) is for what
// can only be denied there: some programs do not know it, and in others Return is a yes.
import { escapeCharacter } from '../../audit/printable.ts';
import { DENY_ONCE, UNREAD } from '../questions/answer.ts';
import type { Way } from '../questions/way.ts';
import { runDialog } from './run.ts';
import { meaningOfWord, typedQuestion } from './typed.ts';
import { type TypedWayOptions, typedWay } from './typed-way.ts';
import { untilWithdrawn } from './withdrawal.ts';

/** Characters of an argument that any of these programs shows. */
const MAX_TEXT = 1000;

export function askpassWay(options: TypedWayOptions): Way {
  const { program, environment, spawn, clock } = options;
  return {
    ...typedWay(options),
    async ask(question, signal) {
      const file = program();
      const found = await environment.find();
      // It draws no terminals, and what it prints could be read by others before it is checked: no PIN is typed here.
      if (file === undefined || found?.env.DISPLAY === undefined || question.kind === 'credential')
        return 'nobody';
      const fits = (text: string): boolean => text.length <= MAX_TEXT;
      const asked = typedQuestion(question, 'word', { fits, write: toAscii });
      if (asked.typing === undefined) {
        const text = `${asked.text}\n\nDeny it here? To answer in a terminal, cancel.`;
        const env = { ...found.env, SSH_ASKPASS_PROMPT: 'confirm' };
        const since = clock.monotonic();
        const denied = await runDialog(spawn, { file, args: [text], env }, signal);
        if (denied?.code === 0) return DENY_ONCE;
        if (denied === undefined || clock.monotonic() - since < UNREAD) return 'nobody';
        await untilWithdrawn(signal);
        return 'nobody';
      }
      const result = await runDialog(spawn, { file, args: [asked.text], env: found.env }, signal);
      if (result?.code !== 0) return 'nobody';
      return meaningOfWord(result.output.replace(/\r?\n$/, ''), question) ?? 'nobody';
    },
  };
}

/** x11-ssh-askpass reads no UTF-8. */
function toAscii(text: string): string {
  return text.replace(/[^ -~]/gu, escapeCharacter);
}

import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import type { Context } from './command.ts';

const BASH = `# Completes warder's commands. Load it from ~/.bashrc:  eval "$(warder completion bash)"
_warder() {
  local IFS=$'\\n'
  COMPREPLY=($(warder --get-yargs-completions "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _warder warder
`;
const ZSH = `#compdef warder
# Completes warder's commands. Load it from ~/.zshrc, after compinit:  eval "$(warder completion zsh)"
_warder() {
  local -a found
  found=("\${(@f)$(warder --get-yargs-completions "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if (( \${#found} )) && [[ -n $found[1] ]]; then compadd -a found; else _default; fi
}
compdef _warder warder
`;

/** `completion`: prints the completion script of a shell; by default of the shell in `SHELL`. */
export function completionCommand({
  terminal,
}: Context): CommandModule<object, { shell: string | undefined }> {
  return {
    command: 'completion [shell]',
    builder: (yargs) =>
      yargs
        .positional('shell', {
          type: 'string',
          choices: ['bash', 'zsh'],
          describe: 'by default your login shell',
        })
        .example('eval "$(warder completion bash)"', 'in ~/.bashrc'),
    handler({ shell = process.env.SHELL?.split('/').at(-1) ?? '' }) {
      const script = shell === 'bash' ? BASH : shell === 'zsh' ? ZSH : undefined;
      if (script === undefined) {
        throw new WarderError('usage', `there is no completion for the shell "${shell}"`, {
          hint: 'name one: "warder completion bash" or "warder completion zsh"',
        });
      }
      terminal.text(script.trimEnd());
    },
  };
}

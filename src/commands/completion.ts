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
const FISH = `# Completes warder's commands. Put it where fish looks:  warder completion fish > ~/.config/fish/completions/warder.fish
function __warder_complete
  set -l words (commandline -opc) (commandline -ct)
  warder --get-yargs-completions $words[2..-1] 2>/dev/null
end
complete -c warder -n 'test (count (__warder_complete)) -gt 0' -f
complete -c warder -a '(__warder_complete)'
`;
const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

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
          choices: Object.keys(SCRIPTS),
          describe: 'by default your login shell',
        })
        .example('eval "$(warder completion bash)"', 'in ~/.bashrc'),
    handler({ shell = process.env.SHELL?.split('/').at(-1) ?? '' }) {
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
      if (script === undefined) {
        throw new WarderError('usage', `there is no completion for the shell "${shell}"`, {
          hint: 'name one: "warder completion bash", "warder completion zsh" or "warder completion fish"',
        });
      }
      terminal.text(script.trimEnd());
    },
  };
}

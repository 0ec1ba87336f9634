// warder hosts export: what an organisation puts into a host's managed settings, so that it starts only servers behind
// Warder. Claude Code and Copilot's clients compare the whole command with its arguments, Codex the name of the server and
// the command alone. Each was tried with the host itself.
import { WarderError } from '../../errors.ts';
import { snippetOf } from '../../host/document.ts';
import { listProfiles } from '../../profile/load.ts';
import type { Context } from '../command.ts';
import { ensureLaunchCommand } from '../launch-command.ts';

export const MANAGED = ['claude-code', 'codex', 'copilot'] as const;
export type Managed = (typeof MANAGED)[number];

/** Where each of them is, by the documentation of the host. */
const FILES: Readonly<Record<Managed, string>> = {
  'claude-code': 'managed-settings.json of Claude Code (Linux: /etc/claude-code)',
  codex: 'requirements.toml of Codex (Linux: /etc/codex)',
  copilot: "managed-settings.json of Copilot's clients (Linux: /etc/github-copilot)",
};

/** Prints the snippet for all profiles, or those named. */
export function exportManaged(context: Context, managed: Managed, wanted: readonly string[]): void {
  const { places, terminal, json } = context;
  const { names } = listProfiles(places);
  const missing = wanted.find((name) => !names.includes(name));
  if (missing !== undefined)
    throw new WarderError('profile-missing', `there is no profile "${missing}"`, {
      hint: '"warder list" lists them',
    });
  const { path } = ensureLaunchCommand(context);
  const text = snippet(managed, path, wanted.length > 0 ? wanted : names);
  if (json) terminal.json({ managed, file: FILES[managed], text });
  else {
    terminal.err(`for the ${FILES[managed]}:`);
    terminal.text(text.trimEnd());
  }
}

function snippet(managed: Managed, command: string, profiles: readonly string[]): string {
  if (managed !== 'codex') {
    const allowedMcpServers = profiles.map((name) => ({ serverCommand: [command, 'run', name] }));
    // Without it Claude Code also allows what a user's own settings allow.
    const only = managed === 'claude-code' ? { allowManagedMcpServersOnly: true } : {};
    return JSON.stringify({ allowedMcpServers, ...only }, null, 2);
  }
  return profiles.map((name) => snippetOf('toml', ['mcp_servers', name, 'identity'], { command })).join('\n');
}

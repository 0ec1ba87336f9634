// What programs outside a sandbox execute or obey because of its name: hooks, tasks, instructions, start files. A server
// that may write a project could plant them there, and git, an editor, a shell or an MCP host would run them as the user.
// They are protected below each folder that a profile lists under `write`, unless `sandbox.may-plant` names them.

/** Names, relative to any folder below a writable one. A folder stands for everything in it. */
export const PLANTABLE = [
  // git and what it runs
  '.git/config',
  '.git/config.worktree',
  '.git/hooks',
  '.git/info/attributes',
  '.gitconfig',
  '.github/workflows',
  '.husky',
  '.pre-commit-config.yaml',
  // editors
  '.devcontainer',
  '.idea',
  '.vscode',
  '.zed',
  // MCP hosts and their instructions
  '.claude',
  '.claude.json',
  '.codex',
  '.continue',
  '.cursor',
  '.cursorrules',
  '.gemini',
  '.github/copilot-instructions.md',
  '.mcp.json',
  '.windsurf',
  '.windsurfrules',
  'AGENTS.md',
  'CLAUDE.local.md',
  'CLAUDE.md',
  'GEMINI.md',
  // shells and package managers
  '.bash_login',
  '.bash_profile',
  '.bashrc',
  '.envrc',
  '.mise.toml',
  '.npmrc',
  '.profile',
  '.yarnrc.yml',
  '.zlogin',
  '.zprofile',
  '.zshenv',
  '.zshrc',
  // the desktop and the user's own programs
  '.config/autostart',
  '.config/fish',
  '.config/git',
  '.config/systemd',
  '.local/bin',
  '.local/share/applications',
  '.local/share/dbus-1',
  '.local/share/systemd',
  'Library/LaunchAgents',
] as const;

const LOWER = PLANTABLE.map((name) => ({ name, lower: name.toLowerCase() }));

/** The protected name that a path ends with. Case does not count: some file systems ignore it. */
export function plantableAt(path: string): string | undefined {
  const lower = `/${path.toLowerCase()}`;
  return LOWER.find((entry) => lower.endsWith(`/${entry.lower}`))?.name;
}

/** The protected name that a path is, or lies in. */
export function plantableAround(path: string): string | undefined {
  const lower = `/${path.toLowerCase()}/`;
  return LOWER.find((entry) => lower.includes(`/${entry.lower}/`))?.name;
}

/** Whether protected names may follow below a path: `project/.git`, `.github`. */
export function leadsToPlantable(path: string): boolean {
  const lower = `/${path.toLowerCase()}`;
  return LOWER.some((entry) =>
    entry.lower
      .split('/')
      .some((_, at, parts) => at > 0 && lower.endsWith(`/${parts.slice(0, at).join('/')}`)),
  );
}

// The line of mcp-remote, by which hosts that only start programs reach a remote server. Pure.

/** The server behind the line. */
export interface Bridged {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Why a line is not understood. */
export interface BridgeProblem {
  readonly problem: string;
}

export function isBridgeProblem(read: Bridged | BridgeProblem): read is BridgeProblem {
  return 'problem' in read;
}

/** Options that say how the bridge works, and nothing of the server. Those of the second kind have a value. */
const ALONE = new Set(['--allow-http', '--debug', '--silent']);
const WITH_VALUE = new Set(['--transport', '--host', '--auth-timeout']);

/**
 * Reads `npx -y mcp-remote URL [PORT] [options]`. `${X}` in a header is a variable of the entry itself, and of nothing else:
 * one that the entry does not have stays as it is.
 */
export function readBridge(
  line: readonly string[],
  env: Readonly<Record<string, string>>,
): Bridged | BridgeProblem {
  const at = line.findIndex((word) => /^mcp-remote(?:@|$)/.test(word));
  const words = line.slice(at + 1);
  const headers = new Map<string, string>();
  const used = new Set<string>();
  let url: string | undefined;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    if (ALONE.has(word)) continue;
    if (WITH_VALUE.has(word)) index++;
    else if (word === '--header') {
      const [, name, value = ''] = /^([^:]+): *(.*)$/s.exec(words[++index] ?? '') ?? [];
      if (name === undefined) return { problem: 'mcp-remote has a header without a value' };
      const filled = value.replace(/\$\{([A-Za-z_]\w*)\}/g, (whole, variable: string) => {
        if (!Object.hasOwn(env, variable)) return whole;
        used.add(variable);
        return env[variable] ?? '';
      });
      headers.set(name.trim(), filled.trim());
    } else if (word.startsWith('-'))
      // What is no name of an option may be a secret.
      return {
        problem: `mcp-remote has ${/^--[a-z]+(?:-[a-z]+)*$/.exec(word.split('=')[0] ?? '')?.[0] ?? 'an option'}, for which a profile has nothing`,
      };
    else if (url === undefined) url = word;
    else if (!/^\d+$/.test(word)) return { problem: 'mcp-remote has words that are not understood' };
  }
  const unused = Object.keys(env).find((name) => !used.has(name) && name !== 'MCP_REMOTE_CONFIG_DIR');
  if (unused !== undefined)
    return { problem: `mcp-remote has the variable ${unused}, for which a profile has nothing` };
  if (url === undefined) return { problem: 'mcp-remote has no URL' };
  return { url, headers: Object.fromEntries(headers) };
}

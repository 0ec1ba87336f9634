// Commands that fetch a package at each start, of every name that hosts' files and READMEs have.

/** The line of npx or uvx that says which package a command runs; undefined: the command is the server itself. */
export function packageRunner(
  words: readonly string[],
): { kind: 'npx' | 'uvx'; words: readonly string[] } | undefined {
  const [first = '', second = '', third = ''] = words;
  const program = baseName(first);
  const npx = (skip: number) => ({ kind: 'npx' as const, words: ['npx', ...words.slice(skip)] });
  if (program === 'npx' || program === 'bunx') return npx(1);
  if ((program === 'npm' && (second === 'exec' || second === 'x')) || (program === 'bun' && second === 'x'))
    return npx(2);
  if ((program === 'pnpm' || program === 'yarn') && second === 'dlx') return npx(2);
  if (program === 'uvx') return { kind: 'uvx', words: ['uvx', ...words.slice(1)] };
  if (program === 'uv' && second === 'tool' && third === 'run')
    return { kind: 'uvx', words: ['uvx', ...words.slice(3)] };
  return undefined;
}

/** The base of a path of any system, without `.exe` and the like. */
export function baseName(path: string): string {
  return (path.split(/[/\\]/).at(-1) ?? '').replace(/\.(?:exe|cmd|bat)$/i, '');
}

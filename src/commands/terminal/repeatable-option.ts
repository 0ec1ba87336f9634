/** An option with one value per occurrence. With an array option, yargs would take the following words as values too. */
export function repeatable(describe: string) {
  return {
    type: 'string',
    default: [],
    coerce: (value: string | string[]) => [value].flat(),
    describe,
    requiresArg: true,
  } as const;
}

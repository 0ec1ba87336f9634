// Credentials within the arguments and variables of a server: `--api-key=${credential:API_KEY}`, or in a variable
// `{"Authorization":"Bearer ${credential:TOKEN}"}`. The name is that of a variable under `credentials`. Pure.

/** A reference, and the beginning of one that is not valid. */
const REFERENCE = /\$\{credential:([A-Za-z_][A-Za-z0-9_]{0,127})\}/g;
const BROKEN = /\$\{credential:(?![A-Za-z_][A-Za-z0-9_]{0,127}\})/;

/** The variables of the credentials that texts refer to, each once. */
export function referencedCredentials(texts: readonly string[]): string[] {
  return [...new Set(texts.flatMap((text) => [...text.matchAll(REFERENCE)].map(([, name = '']) => name)))];
}

/** Whether a text begins a reference that is none. */
export function hasBrokenReference(arg: string): boolean {
  return BROKEN.test(arg);
}

/** Replaces each reference by a value. One without a value stays. */
export function substituteCredentials(
  args: readonly string[],
  values: Readonly<Record<string, string>>,
): string[] {
  return args.map((arg) =>
    arg.replace(REFERENCE, (whole, name: string) =>
      Object.hasOwn(values, name) ? (values[name] ?? whole) : whole,
    ),
  );
}

/** An argument without its references, in which a guess at secrets sees only what was written. */
export function withoutReferences(arg: string): string {
  return arg.replace(REFERENCE, '');
}

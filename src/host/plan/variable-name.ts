// Names of variables for secrets that have none of their own: those of arguments and of a bundle's options.

/** A name in the form of a variable's, as far as it can be: `--api-key` is `API_KEY`. It may be empty, or begin with a digit. */
export function variableForm(name: string): string {
  return name
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .toUpperCase();
}

/** A name that is not taken: this one, or with a number. It is taken from now on. */
export function takeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted}_${number}`;
  taken.add(name);
  return name;
}

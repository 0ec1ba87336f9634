// JSON whose numbers keep their spelling when they are written again: an integer beyond 2^53 stays what it is, and 1.0 is
// not 1.

/** The proposal "JSON.parse source text access", part of V8 since 11.4, which TypeScript does not know yet. */
interface JsonSource {
  rawJSON(text: string): object;
  isRawJSON(value: unknown): value is object;
}

const { rawJSON, isRawJSON } = JSON as unknown as JsonSource;

/** The value of a JSON text; its numbers are `isExactNumber`. Throws a `SyntaxError`. */
export function parseExactly(text: string): unknown {
  return JSON.parse(text, (_, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && context?.source !== undefined ? rawJSON(context.source) : value,
  );
}

/** A number of `parseExactly`: an object that `JSON.stringify` writes as it was spelled. */
export function isExactNumber(value: unknown): value is object {
  return isRawJSON(value);
}

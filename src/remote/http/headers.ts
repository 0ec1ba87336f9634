// The header fields of a response, as the parser of HTTP has taken them in: `Headers` of Fetch checks and sorts them once more.

/** Names in any case. Of a field that comes several times the values are joined, as RFC 9110 5.3 says. */
export type ResponseHeaders = Pick<Headers, 'get'> & Iterable<[string, string]>;

/** From names and values in turns. Cookies are left out: nothing here keeps any. */
export function responseHeaders(raw: readonly string[]): ResponseHeaders {
  const fields = new Map<string, string>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase();
    if (name === 'set-cookie') continue;
    const value = raw[at + 1] as string;
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return {
    get: (name) => fields.get(name.toLowerCase()) ?? null,
    [Symbol.iterator]: () => fields[Symbol.iterator](),
  };
}

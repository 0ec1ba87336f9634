// What a server says of a tool, for people who are asked about a call: its claims, which decide nothing.

/** The longest line, in characters. */
const MAX_LINE = 200;

/** `definition` is the JSON text of a tool. A line each: title, description, annotations. */
export function claimsOf(definition: string): string[] {
  let tool: { title?: unknown; description?: unknown; annotations?: unknown };
  try {
    tool = JSON.parse(definition) ?? {};
  } catch {
    return [];
  }
  const { title, description, annotations } = tool;
  const hints =
    typeof annotations === 'object' && annotations !== null
      ? Object.entries(annotations).flatMap(([name, value]) =>
          typeof value === 'boolean' || typeof value === 'string' ? [`${name}: ${value}`] : [],
        )
      : [];
  const lines = [title, description, hints.join(', ')];
  return lines.flatMap((line) => (typeof line === 'string' && line !== '' ? [shorten(line)] : []));
}

function shorten(line: string): string {
  const flat = line.replace(/\s+/g, ' ').trim();
  return flat.length <= MAX_LINE ? flat : `${flat.slice(0, MAX_LINE - 3)}...`;
}

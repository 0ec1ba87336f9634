// Formats figures as text.

/** The value below which the share `q` of `values` lies. */
export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

export const median = (values) => quantile(values, 0.5);

/** Milliseconds in a readable unit. */
export function duration(ms) {
  const size = Math.abs(ms);
  if (size < 1) return `${(ms * 1000).toFixed(size < 0.01 ? 1 : 0)} µs`;
  return `${ms.toFixed(size < 100 ? 1 : 0)} ms`;
}

export const rate = (value) => Math.round(value).toLocaleString('en');

export const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** A Markdown table; the first row is its head. */
export function table(rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const [head, ...body] = rows;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...body.map(line)].join(
    '\n',
  );
}

// Figures: what is kept of samples, and how amounts are written.

/** The value below which the share `q` of `values` lies. */
export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

export const median = (values) => quantile(values, 0.5);

/** What is kept of samples: quartiles, the 99th percentile, and how many there were. Throws where there are none. */
export function spread(values) {
  if (values.length === 0) throw new Error('nothing was measured');
  const at = (q) => quantile(values, q);
  return { low: at(0.25), median: at(0.5), high: at(0.75), p99: at(0.99), count: values.length };
}

/** Of samples by side, what is kept of each; a side without samples is left out. */
export function spreads(taken) {
  return Object.fromEntries(
    Object.entries(taken).flatMap(([side, all]) => (all.length === 0 ? [] : [[side, spread(all)]])),
  );
}

/** Milliseconds in a readable unit. */
export function duration(ms) {
  const size = Math.abs(ms);
  if (size < 1) return `${(ms * 1000).toFixed(size < 0.01 ? 1 : 0)} µs`;
  if (size < 1000) return `${ms.toFixed(size < 100 ? 1 : 0)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

export const rate = (value) => Math.round(value).toLocaleString('en');

export const mebibytes = (bytes) =>
  `${(bytes / 2 ** 20).toFixed(Math.abs(bytes) < 100 * 2 ** 20 ? 1 : 0)} MiB`;

export const megabytesPerSecond = (bytes) => `${Math.round(bytes / 1e6)} MB/s`;

export const ratio = (value) => `${value.toFixed(2)} ×`;

export const percent = (share) => `${Math.round(share * 100)} %`;

export const count = (value) => Math.round(value).toLocaleString('en');

// Durations and sizes as people write them: a whole number and a unit, `15m`, `64MiB`. A number without a unit is
// refused, because it does not show whether seconds or milliseconds are meant.

const DURATION = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** The pattern of a duration, for schemas. */
export const DURATION_PATTERN = /^(0|[1-9][0-9]{0,11})(ms|s|m|h|d)$/;

/** The pattern of a size, for schemas. */
export const SIZE_PATTERN = /^(0|[1-9][0-9]{0,11})(B|KB|MB|GB|KiB|MiB|GiB)$/;

/** `15m` as milliseconds; `undefined` for other text, or above `Number.MAX_SAFE_INTEGER`. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_PATTERN, DURATION);
}

/** `64MiB` as bytes; `undefined` for other text, or above `Number.MAX_SAFE_INTEGER`. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE_PATTERN, SIZE);
}

/** Milliseconds in the largest unit that divides them: `parseDuration` reads the same number back. */
export function formatDuration(ms: number): string {
  return format(ms, DURATION);
}

/** Bytes in the largest unit that divides them: `parseSize` reads the same number back. */
export function formatSize(bytes: number): string {
  return format(bytes, SIZE);
}

function parse(text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit] = pattern.exec(text) ?? [];
  const factor = unit === undefined ? undefined : units[unit];
  if (digits === undefined || factor === undefined) return undefined;
  const value = Number(digits) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

function format(value: number, units: Readonly<Record<string, number>>): string {
  const [unit, factor] = Object.entries(units)
    .sort((a, b) => b[1] - a[1])
    .find(([, factor]) => value >= factor && value % factor === 0) ??
    Object.entries(units)[0] ?? ['', 1];
  return `${value / factor}${unit}`;
}

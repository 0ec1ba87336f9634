// Tables of a report, in Markdown.

/** A table; the first row is its head. A cell that is undefined is empty. */
export function table(rows) {
  const line = (cells) => `| ${cells.map((cell) => cell ?? '').join(' | ')} |`;
  const [head, ...body] = rows;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...body.map(line)].join(
    '\n',
  );
}

/**
 * A target and what was measured: `value` is to be at most, or with `least` at least, `limit`. Both in the same unit,
 * which `show` writes.
 */
export function target(title, value, limit, show, { least = false } = {}) {
  const isMet = least ? value >= limit : value <= limit;
  return { title, measured: show(value), limit: `${least ? 'at least' : 'at most'} ${show(limit)}`, isMet };
}

/** The table of targets. */
export function targetTable(targets) {
  return table([
    ['', 'measured', 'target', ''],
    ...targets.map(({ title, measured, limit, isMet }) => [
      title,
      measured,
      limit,
      isMet ? 'met' : '**not met**',
    ]),
  ]);
}

/** A row of one figure by side: the first column is its title, and `sides` says which columns follow. */
export function bySide(title, figures, sides, show, of = ({ median }) => median) {
  return [title, ...sides.map((side) => (figures[side] === undefined ? '' : show(of(figures[side]))))];
}

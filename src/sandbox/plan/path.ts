// Compares absolute paths as text, without looking at the file system.

/** Whether `path` is `folder`, or lies somewhere below it. */
export function within(path: string, folder: string): boolean {
  return path === folder || below(path, folder);
}

/** Whether `path` lies below `folder` and is not that folder itself. */
export function below(path: string, folder: string): boolean {
  return path !== folder && path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

/** Sorts paths so that each folder comes before its contents. */
export function byDepth(first: string, second: string): number {
  const [a, b] = [first.split('/'), second.split('/')];
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const [left = '', right = ''] = [a[at], b[at]];
    if (left !== right) return left < right ? -1 : 1;
  }
  return a.length - b.length;
}

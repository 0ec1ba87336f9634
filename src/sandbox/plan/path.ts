// Absolute paths as text: which lies in which. No file system is asked.

/** Whether `path` is `folder`, or lies somewhere below it. */
export function within(path: string, folder: string): boolean {
  return path === folder || below(path, folder);
}

/** Whether `path` lies below `folder`, and is not that folder. */
export function below(path: string, folder: string): boolean {
  return path !== folder && path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

/** Orders paths so that each folder comes before what lies in it. */
export function byDepth(one: string, other: string): number {
  const [a, b] = [one.split('/'), other.split('/')];
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const [left = '', right = ''] = [a[at], b[at]];
    if (left !== right) return left < right ? -1 : 1;
  }
  return a.length - b.length;
}

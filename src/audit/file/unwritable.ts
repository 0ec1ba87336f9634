import { WarderError } from '../../errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EIO: 'the disk fails',
  ELOOP: 'one of its files is a symbolic link',
};

/** Wraps any error of the log in `folder` as `audit-unwritable`. */
export function unwritableError(error: unknown, folder: string): WarderError {
  if (error instanceof WarderError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new WarderError('audit-unwritable', `cannot write the audit log: ${REASONS[code] ?? message}`, {
    hint: `free some space, or repair the permissions, where "${folder}" is: no call is forwarded without its record`,
    cause: error,
  });
}

import { WarderError } from '../../errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EIO: 'the disk fails',
  ELOOP: 'a file of it is a symbolic link',
};

/** Any error of the log in `folder` as `audit-unwritable`. */
export function unwritable(error: unknown, folder: string): WarderError {
  if (error instanceof WarderError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new WarderError('audit-unwritable', `cannot write the audit log: ${REASONS[code] ?? message}`, {
    hint: `make room, or mend the permissions, where "${folder}" is: no call goes on without its record`,
    cause: error,
  });
}

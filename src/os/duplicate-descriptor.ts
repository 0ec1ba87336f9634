// fcntl(2), F_DUPFD_CLOEXEC: a second descriptor of an open socket, so that another thread can have it. Node has no function
// for that, and hands no socket to a thread. Linux, through koffi.

/** A second descriptor of the same socket, closed in programs that are started; -1 on failure. The caller closes it. */
export type Duplicate = (descriptor: number) => number;

const F_DUPFD_CLOEXEC = 1030;
/** Below are the standard streams. */
const LEAST = 3;

/** Undefined where descriptors cannot be duplicated. */
export async function openDuplicate(platform: string = process.platform): Promise<Duplicate | undefined> {
  if (platform !== 'linux') return undefined;
  try {
    const { default: koffi } = await import('koffi');
    const fcntl = koffi.load(null).func('int fcntl(int fd, int command, long argument)');
    return (descriptor) => (descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, LEAST));
  } catch {
    return undefined;
  }
}

// What a renderer returns: a program to start, with its descriptors.

/** What a descriptor of the started program refers to. */
export type Descriptor =
  /** A pipe: these bytes are written to it, then it is closed. */
  | { readonly kind: 'data'; readonly data: Buffer }
  /** A descriptor of this process. */
  | { readonly kind: 'open'; readonly descriptor: number }
  /** A pipe to read from: one JSON value per line. */
  | { readonly kind: 'report' }
  /** A socket: a program in the sandbox says that it is there, and waits for an answer (hold.ts). */
  | { readonly kind: 'hold' }
  /** A pipe: the program waits until it reads a byte (bubblewrap's `--block-fd`). */
  | { readonly kind: 'block' };

/** A program to start, with its descriptors. */
export interface Launch {
  /** Absolute. */
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** From descriptor 3 on. */
  readonly descriptors: readonly Descriptor[];
}

/** Supplies descriptors for the sandbox. */
export interface DescriptorSource {
  /** The descriptor of a real path that was opened before. */
  descriptorOf(path: string): number | undefined;
  /** Opens a file for reading; `undefined` if it no longer exists or cannot be read. */
  openFile(path: string): number | undefined;
  /** A descriptor from which these bytes can be read; `undefined` without a file system in memory. */
  memoryFile(bytes: Buffer): number | undefined;
}

/** A started launch: its process, and its stdio as Node returns it. */
export interface SpawnedProcess {
  readonly pid: number;
  readonly stdio: readonly unknown[];
}

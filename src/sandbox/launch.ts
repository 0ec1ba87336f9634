// What a renderer gives to whoever starts programs.

/** What stands at a descriptor of a program that is to be started. */
export type Descriptor =
  /** A pipe: these bytes are written, then its end. */
  | { readonly kind: 'data'; readonly data: Buffer }
  /** This descriptor of ours. */
  | { readonly kind: 'open'; readonly descriptor: number }
  /** A pipe to read from: JSON, one value a line. */
  | { readonly kind: 'report' }
  /** A pipe: it goes on when a byte comes. */
  | { readonly kind: 'block' };

/** A program to start, with what it finds at its descriptors. */
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

/** Descriptors of what the sandbox gets. */
export interface DescriptorSource {
  /** Of what is at a real path that was looked at before. */
  descriptorOf(path: string): number | undefined;
  /** Of a file to read; `undefined` if it is gone by now, or not to be read. */
  openFile(path: string): number | undefined;
  /** Of bytes to read, if there is a place in memory for them. */
  memoryFile(bytes: Buffer): number | undefined;
}

/** A launch that was started: its process, and its stdio as Node gives it. */
export interface SpawnedProcess {
  readonly pid: number;
  readonly stdio: readonly unknown[];
}

// The client's side of the Assuan protocol, as pinentry speaks it: lines of at most 1000 bytes, a request, then its
// answer (the manual of Libassuan, chapters 2 and 3). Whatever else a program says, and whatever it does not say in
// time, is a fault.
import { addAbortListener } from 'node:events';
import type { Child } from '../../os/spawn.ts';

/** Bytes of a line without its end. */
const MAX_LINE = 1000;
/** Lines before an answer, and bytes of its data, beyond which the program is none that asks people. */
const MAX_LINES = 100;
const MAX_DATA = 4096;

/** `gpg-error.h`: what the lower 16 bits of an error's number say. */
export const CANCELED = 99;

export type AssuanAnswer =
  | { readonly ok: true; readonly data: string }
  | { readonly ok: false; readonly error: number };

/** Whether a text fits as the parameter of a request. */
export function fitsLine(command: string, text: string): boolean {
  return Buffer.byteLength(`${command} ${escapePercent(text)}`) < MAX_LINE;
}

export class Assuan {
  readonly #child: Child;
  readonly #lines: string[] = [];
  #part = Buffer.alloc(0);
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(child: Child) {
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => this.#take(chunk));
    child.stdout.on('close', () => this.#end());
    child.stdout.resume();
    child.stderr.resume();
    void child.ended.then(() => this.#end());
  }

  /** The greeting. Rejects if there is none in time. */
  async greeting(timeout: number): Promise<void> {
    const { ok } = await this.#answer(AbortSignal.timeout(timeout));
    if (!ok) throw new Error('the program refuses to talk');
  }

  /** Sends a request and returns its answer. Rejects if it does not fit, and if there is no answer before `signal`. */
  request(command: string, text: string | undefined, signal: AbortSignal): Promise<AssuanAnswer> {
    if (text !== undefined && !fitsLine(command, text)) throw new Error(`${command} does not fit a line`);
    this.#child.stdin.write(text === undefined ? `${command}\n` : `${command} ${escapePercent(text)}\n`);
    return this.#answer(signal);
  }

  async #answer(signal: AbortSignal): Promise<AssuanAnswer> {
    let data = '';
    for (let count = 0; count < MAX_LINES; count++) {
      const line = await this.#line(signal);
      const [, word, rest = ''] = /^(OK|ERR|D|INQUIRE)(?: (.*))?$/s.exec(line) ?? [];
      if (word === 'OK') return { ok: true, data: Buffer.from(data, 'latin1').toString('utf8') };
      if (word === 'ERR') return { ok: false, error: Number.parseInt(rest, 10) & 0xffff };
      if (word === 'D') data += unescapePercent(rest);
      else if (word === 'INQUIRE') this.#child.stdin.write('CANCEL\n');
      else if (!/^(?:S |#)|^$/.test(line)) break;
      if (data.length > MAX_DATA) break;
    }
    throw new Error('the program does not speak the protocol');
  }

  async #line(signal: AbortSignal): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      if (this.#isOver) throw new Error('the program has ended');
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      using _listener = addAbortListener(signal, () => resolve());
      await promise;
    }
  }

  #take(chunk: Buffer): void {
    const parts = Buffer.concat([this.#part, chunk]).toString('latin1').split('\n');
    this.#part = Buffer.from(parts.at(-1) ?? '', 'latin1');
    this.#lines.push(...parts.slice(0, -1));
    const isTooLong = parts.some(({ length }) => length > MAX_LINE);
    if (isTooLong || this.#lines.length > MAX_LINES) this.#refuse();
    else this.#wake?.();
  }

  /** What comes after a fault is no answer. */
  #refuse(): void {
    this.#lines.length = 0;
    this.#child.stdout.destroy();
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#wake?.();
  }
}

/** Percent-escaping: of what ends a line, and of what is no text. */
function escapePercent(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped
  return text.replace(/[%\u0000-\u001f\u007f]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
}

/** Bytes as latin1. */
function unescapePercent(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

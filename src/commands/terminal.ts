// What the person sees and types. Text from servers, hosts and files passes through here on its way to the
// terminal, so every control character in it is made visible: nothing printed can move the cursor, hide a
// line or set the window's title. Colours are the only escape sequences that leave, and only on a terminal.
import { styleText } from 'node:util';
import { WarderError } from '../errors.ts';

/** The colours in use. */
type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** The person's end of the command line. */
export interface Terminal {
  /** Prints a line on stdout, on stderr. Line breaks inside are kept. */
  out(line: string): void;
  err(line: string): void;
  /** Prints the one JSON value of `--json`. */
  json(value: unknown): void;
  /** Prints rows in aligned columns under a head, if there is one; the last column may run long. */
  table(rows: readonly (readonly string[])[], head?: readonly string[]): void;
  /** Colours text; gives it back unchanged where there are no colours. */
  paint(style: Style, text: string): string;
  readonly color: boolean;
  /** Somebody can be asked. */
  readonly interactive: boolean;
  /** Asks on the terminal. Each throws `usage` if nobody can be asked. */
  ask(question: string): Promise<string>;
  /** As `ask`, without echo. */
  askSecret(question: string): Promise<string>;
  confirm(question: string): Promise<boolean>;
  /** All of stdin as UTF-8, up to 1 MiB; more throws `usage`. */
  readStdin(): Promise<string>;
}

/** The process' streams, as far as a terminal needs them. */
export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const STDIN_LIMIT = 1024 * 1024;

// Control characters (a colour's whole sequence in one) and bidirectional overrides, which make a line read
// as another.
const UNSAFE_CHARACTERS = /\p{Cc}(?:\[\d+m)?|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** The sequences that `paint` makes. */
const STYLE_SEQUENCES = new Set(
  ['1', '2', '22', '31', '32', '33', '36', '39'].map((code) => `\u001b[${code}m`),
);
const WIDE_CHARACTER =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}]/u;

/** A terminal on the process' streams. */
export function openTerminal({ stdin, stdout, stderr, env }: Streams): Terminal {
  const interactive = stdin.isTTY === true && stderr.isTTY === true;
  const color = stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';

  /** Reads one line; `echo` says whether the typing shows. Questions go to stderr: stdout is for the answer. */
  async function read(question: string, echo: boolean): Promise<string> {
    if (!interactive) {
      throw new WarderError('usage', 'there is no terminal to ask on', {
        hint: 'give the answer as an option or on stdin',
      });
    }
    const { createInterface } = await import('node:readline');
    const { Writable } = await import('node:stream');
    const prompt = escapeUnsafe(question, false);
    const output = echo ? stderr : new Writable({ write: (_chunk, _encoding, done) => done() });
    // From here on the terminal itself shows nothing of what is typed: only then is the question asked.
    const lines = createInterface({ input: stdin, output, prompt, terminal: true, historySize: 0 });
    lines.prompt();
    if (!echo) stderr.write(prompt);
    try {
      return await new Promise<string>((resolve, reject) => {
        lines.once('line', resolve);
        lines.once('close', () => reject(new WarderError('refused', 'the question was not answered')));
      });
    } finally {
      lines.close();
      if (!echo) stderr.write('\n');
    }
  }

  const terminal: Terminal = {
    color,
    interactive,
    out: (line) => void stdout.write(`${escapeUnsafe(line, color)}\n`),
    err: (line) => void stderr.write(`${escapeUnsafe(line, color)}\n`),
    json: (value) => terminal.out(JSON.stringify(value)),
    paint: (style, text) =>
      color ? styleText(style, escapeUnsafe(text, false), { validateStream: false }) : text,
    table(rows, head) {
      const all = (head ? [head.map((name) => terminal.paint('bold', name)), ...rows] : rows).map((row) =>
        row.map((cell) => escapeUnsafe(cell, color).replace(/[\t\n]/g, escapeCharacter)),
      );
      const widths: number[] = [];
      for (const row of all) {
        for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, columnsOf(cell));
      }
      for (const row of all) {
        const cells = row.map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - columnsOf(cell)));
        terminal.out(cells.join('  ').trimEnd());
      }
    },
    ask: (question) => read(question, true),
    askSecret: (question) => read(question, false),
    async confirm(question) {
      const answer = await read(`${question} [y/N] `, true);
      return /^y(es)?$/i.test(answer.trim());
    },
    async readStdin() {
      // A secret typed here would show.
      if (stdin.isTTY === true) {
        throw new WarderError('usage', 'stdin is a terminal', { hint: 'let stderr be one too, to be asked' });
      }
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of stdin) {
        const bytes = Buffer.from(chunk);
        length += bytes.length;
        if (length > STDIN_LIMIT) throw new WarderError('usage', 'stdin holds more than 1 MiB');
        chunks.push(bytes);
      }
      return Buffer.concat(chunks).toString('utf8');
    },
  };
  return terminal;
}

/** Shows control characters as `\u00XX`: inside a JSON text that is the same character still. */
function escapeUnsafe(text: string, colors: boolean): string {
  return text.replace(UNSAFE_CHARACTERS, (found) => {
    if (found[0] === '\n' || found[0] === '\t' || (colors && STYLE_SEQUENCES.has(found))) return found;
    return escapeCharacter(found[0] ?? '') + found.slice(1);
  });
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Columns that a text takes: colours none, wide characters two. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text.replace(UNSAFE_CHARACTERS, ''))
    columns += WIDE_CHARACTER.test(character) ? 2 : 1;
  return columns;
}

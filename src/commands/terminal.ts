// Input and output on the user's terminal. Text from servers, hosts and files is printed here, so control characters are
// escaped: printed text cannot move the cursor, hide a line or set the window's title. The only escape sequences that are
// written are Warder's own colours and the rewriting of the line of progress, and only to a terminal: text that contains such
// a sequence is escaped too.
import { styleText } from 'node:util';
import { escapeUnprintable } from '../audit/printable.ts';
import { WarderError } from '../errors.ts';
import { type Progress, ProgressLine, type ProgressOptions } from './terminal/progress.ts';
import {
  type Asking,
  forgetTyped,
  type SelectOption,
  screenOfItsOwn,
  select,
  type,
  typeSecret,
  type Unanswered,
} from './terminal/select.ts';
import { columnsOf, escapeLine, escapeText, mapText, marked, printed, wrapped } from './terminal/text.ts';

/** The colours in use. */
type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** The user's terminal. */
export interface Terminal {
  /**
   * Prints a line on stdout or stderr. Line breaks in it are escaped, but for those at its beginning and those before a line
   * that is set in: what a server writes cannot begin a line as Warder does.
   */
  out(line: string): void;
  err(line: string): void;
  /** Prints a text of several lines on stdout: one that Warder or the user has written. */
  text(text: string): void;
  /** Prints the JSON value of `--json`. */
  json(value: unknown): void;
  /**
   * Prints rows in aligned columns, with an optional header. The last column is not padded; on a terminal what does not fit
   * goes on below, in the same column. A last column without any content is left out.
   */
  table(rows: readonly (readonly string[])[], head?: readonly string[]): void;
  /** Colours text, to be printed by this terminal. Without colours it returns the text unchanged. */
  paint(style: Style, text: string): string;
  readonly color: boolean;
  /** How long a line may be; infinite where nobody sees it. */
  readonly columns: number;
  /** Whether there is a user who can be asked. */
  readonly interactive: boolean;
  /**
   * Says what is being done, for as long as it is done: all that may take a second. On a terminal it is a line that is
   * rewritten and vanishes, else a plain line on stderr for each step. An empty text says nothing yet. Nothing is said where `--json` asks for one value.
   */
  progress(text: string, options?: ProgressOptions): Progress;
  /** Asks a question on the terminal. `ask`, `askSecret` and `confirm` throw `usage` if there is no terminal. */
  ask(question: string): Promise<string>;
  /** Like `ask`, without echo. */
  askSecret(question: string): Promise<string>;
  /** Asks until the answer is y or n; nothing is n. */
  confirm(question: string): Promise<boolean>;
  /** Drops what was typed so far: it is no answer to a question that comes later. */
  forgetTyped(): Promise<void>;
  /**
   * Lets the user mark any number of options, one by one or a group at once. Returns the values that are marked, or
   * undefined if the user cancels. Throws `usage` if there is no terminal.
   */
  choose(question: string, groups: readonly OptionGroup[]): Promise<string[] | undefined>;
  /** Lets the user select one option, the first unless they move. Throws `usage` if there is no terminal. */
  select<T>(
    question: string,
    options: readonly SelectOption<T>[],
    asking: Asking,
  ): Promise<{ readonly value: T } | Unanswered>;
  /** Lets the user type a line that `problem` accepts. Throws `usage` if there is no terminal. */
  type(
    question: string,
    initial: string,
    problem: (text: string) => string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly value: string } | Unanswered>;
  /** As `type`, for what must not be shown. */
  typeSecret(question: string, signal: AbortSignal): Promise<{ readonly value: string } | Unanswered>;
  /**
   * Shows lines on a screen of their own, which vanishes, with what is asked there, when it is disposed of. Where the
   * lines and `more` others do not fit, they stay.
   */
  show(lines: readonly string[], more: number): Disposable;
  /** Reads all of stdin as UTF-8. Throws `usage` above 1 MiB, or if stdin is a terminal. */
  readStdin(): Promise<string>;
}

/** Options under a heading. All texts but the values are shown on one line. */
export interface OptionGroup {
  readonly heading: string;
  readonly options: readonly {
    readonly value: string;
    readonly label: string;
    /** Shown while the user is at the option, and when it is marked. */
    readonly hint?: string | undefined;
    readonly isMarked?: boolean | undefined;
  }[];
}

/** The streams and environment of the process. */
export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const STDIN_LIMIT = 1024 * 1024;

/** A terminal on the streams of the process. `silent`: no progress is shown. */
export function openTerminal({ stdin, stdout, stderr, env }: Streams, { silent = false } = {}): Terminal {
  const interactive = stdin.isTTY === true && stderr.isTTY === true;
  const color = stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  const isRewritable = stderr.isTTY === true && env.TERM !== 'dumb';
  const line = new ProgressLine(stderr);

  /** Reads one line, with or without echo. Questions go to stderr, because stdout is for results. */
  async function read(question: string, echo: boolean): Promise<string> {
    requireTerminal();
    using _hidden = line.hide();
    const { createInterface } = await import('node:readline');
    const { Writable } = await import('node:stream');
    const prompt = escapeLine(question);
    const output = echo ? stderr : new Writable({ write: (_chunk, _encoding, done) => done() });
    // The interface turns the terminal's echo off. Only then the question is shown.
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

  function requireTerminal(): void {
    if (!interactive) {
      throw new WarderError('usage', 'there is no terminal to ask on', {
        hint: 'give the answer as an option or on stdin',
      });
    }
  }

  const terminal: Terminal = {
    color,
    columns: stderr.isTTY === true ? stderr.columns : Number.POSITIVE_INFINITY,
    interactive,
    out: (text) => line.above(() => stdout.write(`${printed(text)}\n`)),
    err: (text) => line.above(() => stderr.write(`${printed(text)}\n`)),
    text: (text) => line.above(() => stdout.write(`${escapeText(text)}\n`)),
    progress(text, { isGeneral = false } = {}) {
      if (isRewritable && !silent) return line.begin(text, isGeneral);
      const step = (next: string): void => {
        if (next !== '' && !isGeneral && !silent) terminal.err(`${next} …`);
      };
      step(text);
      return { step, [Symbol.dispose]() {} };
    },
    json: (value) => terminal.out(JSON.stringify(value)),
    paint: (style, text) =>
      color ? marked(styleText(style, escapeLine(text), { validateStream: false })) : text,
    table(rows, head) {
      const isEmpty =
        rows.length > 0 && rows.every((row) => row.length === head?.length && row.at(-1) === '');
      const all = (head ? [head.map((name) => terminal.paint('bold', name)), ...rows] : rows).map((row) =>
        (isEmpty ? row.slice(0, -1) : row).map((cell) => mapText(cell, (part) => escapeUnprintable(part))),
      );
      const widths: number[] = [];
      for (const row of all) {
        for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, columnsOf(cell));
      }
      const before = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
      const room = stdout.isTTY === true ? (stdout.columns || Number.POSITIVE_INFINITY) - before : Infinity;
      for (const row of all) {
        const cells = row.map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - columnsOf(cell)));
        const last = row.length === widths.length ? row.at(-1) : undefined;
        const [first, ...rest] = wrapped(last ?? '', room);
        if (last === undefined || first === undefined) terminal.out(cells.join('  ').trimEnd());
        else {
          terminal.out([...cells.slice(0, -1), first].join('  ').trimEnd());
          for (const part of rest) terminal.out(' '.repeat(before) + part);
        }
      }
    },
    ask: (question) => read(question, true),
    askSecret: (question) => read(question, false),
    async confirm(question) {
      for (;;) {
        const answer = (await read(`${question} [y/N] `, true)).trim();
        if (/^y(es)?$/i.test(answer)) return true;
        if (/^(no?)?$/i.test(answer)) return false;
        terminal.err('type y or n');
      }
    },
    async forgetTyped() {
      if (interactive) await forgetTyped({ stdin, stderr });
    },
    async choose(question, groups) {
      requireTerminal();
      using _hidden = line.hide();
      const { groupMultiselect, isCancel } = await import('@clack/prompts');
      // It comes up once a server has started: what was typed meanwhile marks nothing.
      await forgetTyped({ stdin, stderr });
      const shown = groups.filter(({ options }) => options.length > 0);
      const initial = shown.flatMap(({ options }) => options.filter(({ isMarked }) => isMarked === true));
      const chosen = await groupMultiselect<string>({
        message: escapeUnprintable(question),
        options: Object.fromEntries(
          shown.map(({ heading, options }) => [
            escapeUnprintable(heading),
            options.map(({ value, label, hint }) => ({
              value,
              label: escapeUnprintable(label),
              ...(hint !== undefined && { hint: escapeUnprintable(hint) }),
            })),
          ]),
        ),
        initialValues: initial.map(({ value }) => value),
        required: false,
        input: stdin,
        output: stderr,
      });
      return isCancel(chosen) ? undefined : chosen;
    },
    async select(question, options, asking) {
      requireTerminal();
      using _hidden = line.hide();
      return await select({ stdin, stderr }, question, options, asking);
    },
    async type(question, initial, problem, signal) {
      requireTerminal();
      using _hidden = line.hide();
      return await type({ stdin, stderr }, question, initial, problem, signal);
    },
    async typeSecret(question, signal) {
      requireTerminal();
      using _hidden = line.hide();
      return await typeSecret({ stdin, stderr }, question, signal);
    },
    show(lines, more) {
      const { rows = 0, columns = 80 } = stderr;
      const needed = lines.reduce(
        (sum, line) => sum + Math.max(1, Math.ceil(columnsOf(line) / columns)),
        more,
      );
      const screen = needed < rows ? screenOfItsOwn({ stdin, stderr }) : undefined;
      for (const line of lines) terminal.err(line);
      return { [Symbol.dispose]: () => screen?.[Symbol.dispose]() };
    },
    async readStdin() {
      // A secret typed here would be echoed.
      if (stdin.isTTY === true) {
        throw new WarderError('usage', 'stdin is a terminal', {
          hint: 'do not redirect stderr: the questions are asked there',
        });
      }
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of stdin) {
        const bytes = Buffer.from(chunk);
        length += bytes.length;
        if (length > STDIN_LIMIT) throw new WarderError('usage', 'stdin has more than 1 MiB');
        chunks.push(bytes);
      }
      return Buffer.concat(chunks).toString('utf8');
    },
  };
  return terminal;
}

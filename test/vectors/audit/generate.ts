// Generates the vectors in this folder: `node test/vectors/audit/generate.ts`. Everything is fixed, including the
// keys, so the output is always the same; a test compares it.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../../src/audit/chain/canonical.ts';
import { Chain, type Head, ORIGIN } from '../../../src/audit/chain/chain.ts';
import { sha256 } from '../../../src/audit/chain/hash.ts';
import { type SignedPoint, statement } from '../../../src/audit/checkpoint.ts';
import { segmentName } from '../../../src/audit/file/segments.ts';
import type { ProblemKind } from '../../../src/audit/problem.ts';
import { nextLine } from '../../fixtures/chain-line.ts';

/** The entry of a file in `expected.json`. */
export interface Expected {
  /** The first problem; `null` if the log is valid. */
  readonly problem: {
    readonly kind: ProblemKind;
    readonly line: number | null;
    readonly seq: number | null;
  } | null;
  /** The head, if the vector has one. */
  readonly head?: Head;
  /** The trusted keys. */
  readonly keys?: readonly string[];
  readonly signed_through?: number;
  /** The last signed record, as a credential store has it. */
  readonly signed?: SignedPoint;
  /** How long an end may go unsigned. */
  readonly checkpoint?: { readonly records: number; readonly every: number };
}

/** A vector: its bytes, and what a verifier reports. */
export interface Vector extends Expected {
  readonly bytes: Buffer;
}

const SESSION = { session: '01jd8z0w3x', profile: 'github' };

/** A key pair that is derived from a name. */
function keyOf(name: string): { readonly secret: KeyObject; readonly public: string } {
  const seed = createHash('sha256').update(name).digest();
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(secret).export({ format: 'jwk' });
  return { secret, public: Buffer.from(x, 'base64url').toString('base64') };
}

const OWN = keyOf('own');
const OTHER = keyOf('other');

/** Builds a chain, record by record. */
class Builder {
  readonly lines: string[] = [];
  readonly heads: Head[] = [];
  readonly chain: Chain;

  constructor(head: Head = ORIGIN) {
    this.chain = new Chain(sha256, head);
  }

  add(event: string, fields: JsonObject, at = this.lines.length): this {
    const time = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678) + at * 1001).toISOString();
    const { line, head } = nextLine(this.chain, event, time, fields);
    this.chain.head = head;
    this.lines.push(line);
    this.heads.push(head);
    return this;
  }

  sign(key = OWN, over = this.chain.head): this {
    const signature = sign(null, statement(over), key.secret).toString('base64');
    return this.add('checkpoint', {
      signed_seq: over.seq,
      signed_hash: over.hash,
      key: key.public,
      signature,
    });
  }

  /** Signs with a checkpoint of version 2, after `previous`. */
  signAfter(previous: SignedPoint, key = OWN, over = this.chain.head): this {
    const signature = sign(null, statement(over, previous), key.secret).toString('base64');
    return this.add('checkpoint', {
      signed_seq: over.seq,
      signed_hash: over.hash,
      previous_seq: previous.seq,
      previous_hash: previous.hash,
      key: key.public,
      signature,
    });
  }

  /** A session with `calls` different calls. */
  calls(calls: number): this {
    const { session, profile } = SESSION;
    for (let i = 1; i <= calls; i += 1) {
      const call = `${session}-${i}`;
      const args = `{"title":"issue ${i}","id":9007199254740993}`;
      const id = String(i - 1);
      this.add('tool.call', {
        session,
        call,
        profile,
        tool: 'create_issue',
        id,
        decision: 'allow',
        rule: 'default',
        arguments: args,
      });
      this.add('tool.result', {
        session,
        call,
        profile,
        tool: 'create_issue',
        outcome: 'ok',
        bytes: 20 * i,
        ms: i,
        result: `sha256:${sha256(args)}`,
      });
    }
    return this;
  }
}

function plain(): Builder {
  const { session, profile } = SESSION;
  return new Builder()
    .add('daemon.start', { version: '0.1.0', pid: 4242 })
    .add('session.open', {
      session,
      profile,
      digest: sha256('profile'),
      host: { chain: [{ pid: 77, exe: '/usr/bin/host', started: 123456 }], cwd: '/home/me/src' },
      command: ['node', 'server.js', '--flag', ''],
      credentials: [
        { variable: 'GITHUB_TOKEN', name: 'github/GITHUB_TOKEN', version: 'b2c3', deliver: 'env' },
      ],
      sandbox: { layers: ['environment'] },
    })
    .calls(3)
    .add('session.close', { session, profile, code: 0, signal: null, reason: 'host', calls: 3 })
    .add('daemon.stop', { version: '0.1.0', pid: 4242 });
}

function signed(): Builder {
  return new Builder()
    .add('daemon.start', { version: '0.1.0', pid: 4242 })
    .sign()
    .calls(2)
    .sign()
    .calls(1)
    .add('daemon.stop', { version: '0.1.0', pid: 4242 })
    .sign();
}

/** A log with three checkpoints of version 2, of the records 1, 6 and 10. `drop`: without the second. */
function chained(drop = false): Builder {
  const builder = new Builder()
    .add('daemon.start', { version: '0.1.0', pid: 4242 })
    .signAfter(ORIGIN)
    .calls(2);
  const [first = ORIGIN] = builder.heads;
  const second = builder.chain.head;
  if (drop) builder.add('session.close', { ...SESSION, code: 0, signal: null, reason: 'host', calls: 2 });
  else builder.signAfter(first);
  return builder.calls(1).add('daemon.stop', { version: '0.1.0', pid: 4242 }).signAfter(second);
}

/** Writes a vector as the only segment of a log in the folder `state`, with its head and its keys. */
export function layOut(state: string, { bytes, head, keys }: Vector): void {
  const { seq, hash } = head ?? ORIGIN;
  writeFileSync(join(state, 'audit-head'), `${String(seq).padStart(16, '0')} ${hash}\n`);
  writeFileSync(join(state, 'audit.pub'), (keys ?? []).map((key) => `${key}\n`).join(''));
  const [, first = '1'] = /"seq":(\d+)/.exec(bytes.toString()) ?? [];
  mkdirSync(join(state, 'audit'));
  writeFileSync(join(state, 'audit', segmentName(Number(first))), bytes);
}

/** Every vector by its name. */
export function vectors(): ReadonlyMap<string, Vector> {
  const all = new Map<string, Vector>();
  const put = (name: string, lines: readonly string[], expected: Expected): void => {
    all.set(name, { bytes: Buffer.from(lines.join('')), ...expected });
  };
  const good = plain();
  const { lines } = good;
  const head = good.chain.head;
  const at = (i: number): string => lines[i - 1] ?? '';

  put('valid', lines, { problem: null, head });
  put('valid-empty', [], { problem: null });
  put('valid-ahead', lines, { problem: null, head: good.heads[4] ?? ORIGIN });

  const text =
    'quote " backslash \\ solidus / controls \u0000\b\t\n\f\r\u001f\u007f\u0085\u2028 é € 😀 lone \ud800';
  put(
    'valid-text',
    new Builder().add('tool.call', {
      tool: text,
      arguments: `{"a":"${text}"}`,
      é: '',
      '': 0,
      '€': -1,
      '😀': 9007199254740991,
      z: [[], {}, true, false, null],
    }).lines,
    { problem: null },
  );

  const back = new Builder()
    .add('daemon.start', { version: '0.1.0', pid: 1 }, 100)
    .add('daemon.stop', { version: '0.1.0', pid: 1 }, 0);
  put('valid-clock-back', back.lines, { problem: null, head: back.chain.head });

  const sealed = signed();
  put('valid-signed', sealed.lines, {
    problem: null,
    head: sealed.chain.head,
    keys: [OWN.public],
    signed_through: 10,
  });

  const linked = chained();
  const points = linked.heads;
  put('valid-chained', linked.lines, {
    problem: null,
    head: linked.chain.head,
    keys: [OWN.public],
    signed_through: 10,
    signed: points[9] ?? ORIGIN,
    checkpoint: { records: 1000, every: 60_000 },
  });
  // From version 1 to version 2.
  const upgraded = signed().signAfter(ORIGIN);
  put('valid-upgraded', upgraded.lines, {
    problem: null,
    head: upgraded.chain.head,
    keys: [OWN.public],
    signed_through: 11,
  });
  const dropped = chained(true);
  put('checkpoint-dropped', dropped.lines, {
    problem: { kind: 'checkpoint-missing', line: 11, seq: 11 },
    head: dropped.chain.head,
    keys: [OWN.public],
  });
  const again = chained().signAfter(ORIGIN);
  put('checkpoint-restarted', again.lines, {
    problem: { kind: 'checkpoint-missing', line: 12, seq: 12 },
    head: again.chain.head,
    keys: [OWN.public],
  });
  const relinked = new Builder(linked.heads[9]).add('checkpoint', {
    ...checkpointOf(linked, 11),
    previous_seq: 1,
    previous_hash: points[0]?.hash ?? '',
  });
  put('checkpoint-relinked', [...linked.lines.slice(0, 10), ...relinked.lines], {
    problem: { kind: 'bad-signature', line: 11, seq: 11 },
    head: relinked.chain.head,
    keys: [OWN.public],
  });
  // All after the first checkpoint was written again, and the later checkpoints were dropped.
  const tail = new Builder(points[1]).calls(2).add('daemon.stop', { version: '0.1.0', pid: 9 });
  put('rewritten-after-checkpoint', [...linked.lines.slice(0, 2), ...tail.lines], {
    problem: { kind: 'signed-missing', line: null, seq: 10 },
    head: tail.chain.head,
    keys: [OWN.public],
    signed: points[9] ?? ORIGIN,
  });
  const announced = new Builder(tail.chain.head)
    .add('daemon.start', { version: '0.1.0', pid: 4242 })
    .add('checkpoint', { missing_seq: 10, missing_hash: points[9]?.hash ?? '', key: OWN.public });
  put('signed-missing', [...linked.lines.slice(0, 2), ...tail.lines, ...announced.lines], {
    problem: { kind: 'signed-missing', line: 9, seq: 9 },
    head: announced.chain.head,
    keys: [OWN.public],
  });
  const long = new Builder(points[1]).calls(15);
  put('unsigned-records', [...linked.lines.slice(0, 2), ...long.lines], {
    problem: { kind: 'unsigned-tail', line: 32, seq: 2 },
    head: long.chain.head,
    keys: [OWN.public],
    signed_through: 1,
    checkpoint: { records: 5, every: 60_000 },
  });
  const late = new Builder(points[1])
    .add('tool.call', { ...SESSION, tool: 'get_issue' }, 10)
    .add('tool.call', { ...SESSION, tool: 'get_issue' }, 200);
  put('unsigned-time', [...linked.lines.slice(0, 2), ...late.lines], {
    problem: { kind: 'unsigned-tail', line: 4, seq: 2 },
    head: late.chain.head,
    keys: [OWN.public],
    checkpoint: { records: 1000, every: 60_000 },
  });
  const cutStart = chained();
  cutStart
    .add('checkpoint', { start_seq: 5, start_prev: points[3]?.hash ?? '' })
    .signAfter(points[9] ?? ORIGIN);
  put('valid-chained-retained', cutStart.lines.slice(4), {
    problem: null,
    head: cutStart.chain.head,
    keys: [OWN.public],
    signed_through: 12,
    signed: cutStart.heads[11] ?? ORIGIN,
  });

  const kept = signed();
  const start = { start_seq: 3, start_prev: kept.heads[1]?.hash ?? '' };
  kept.add('checkpoint', start).sign();
  put('valid-retained', kept.lines.slice(2), {
    problem: null,
    head: kept.chain.head,
    keys: [OWN.public],
    signed_through: 12,
  });
  put('start-missing', kept.lines.slice(3), {
    problem: { kind: 'start-missing', line: 1, seq: 4 },
    head: kept.chain.head,
  });
  put('start-missing-unsaid', lines.slice(2), { problem: { kind: 'start-missing', line: 1, seq: 3 }, head });

  put('edited', [...lines.slice(0, 4), at(5).replace('issue 2', 'issue 9'), ...lines.slice(5)], {
    problem: { kind: 'edited', line: 5, seq: 5 },
    head,
  });
  put('edited-first', [at(1).replace('4242', '4243'), ...lines.slice(1)], {
    problem: { kind: 'edited', line: 1, seq: 1 },
    head,
  });
  put('edited-last', [...lines.slice(0, -1), at(10).replace('4242', '4243')], {
    problem: { kind: 'edited', line: 10, seq: 10 },
    head,
  });
  put('edited-hash', [...lines.slice(0, 4), at(5).replace(/"hash":"./, '"hash":"z'), ...lines.slice(5)], {
    problem: { kind: 'edited', line: 5, seq: 5 },
    head,
  });
  put('edited-spelling', [...lines.slice(0, 4), at(5).replace(',', ', '), ...lines.slice(5)], {
    problem: { kind: 'edited', line: 5, seq: 5 },
    head,
  });
  put(
    'edited-duplicate',
    [...lines.slice(0, 4), at(5).replace('{', '{"tool":"get_issue",'), ...lines.slice(5)],
    { problem: { kind: 'edited', line: 5, seq: 5 }, head },
  );
  put(
    'edited-crlf',
    lines.map((line) => line.replace('\n', '\r\n')),
    { problem: { kind: 'edited', line: 1, seq: 1 }, head },
  );
  const rehashed = new Builder(good.heads[3]).add('tool.call', { ...SESSION, tool: 'other' }, 4);
  put('edited-rehashed', [...lines.slice(0, 4), ...rehashed.lines, ...lines.slice(5)], {
    problem: { kind: 'edited', line: 5, seq: 5 },
    head,
  });
  const broken = Buffer.from(lines.join(''));
  broken[broken.indexOf('issue 2')] = 0xff;
  all.set('edited-bytes', { bytes: broken, problem: { kind: 'edited', line: 5, seq: 5 }, head });

  put('deleted', [...lines.slice(0, 4), ...lines.slice(5)], {
    problem: { kind: 'deleted', line: 5, seq: 5 },
    head,
  });
  put('deleted-first', lines.slice(1), { problem: { kind: 'start-missing', line: 1, seq: 2 }, head });
  put('deleted-many', [...lines.slice(0, 2), ...lines.slice(7)], {
    problem: { kind: 'deleted', line: 3, seq: 3 },
    head,
  });

  put('inserted', [...lines.slice(0, 4), ...rehashed.lines, ...lines.slice(4)], {
    problem: { kind: 'inserted', line: 5, seq: 5 },
    head,
  });
  put('inserted-copy', [...lines.slice(0, 6), at(3), ...lines.slice(6)], {
    problem: { kind: 'inserted', line: 7, seq: 3 },
    head,
  });
  put('inserted-blank', [...lines.slice(0, 6), '\n', ...lines.slice(6)], {
    problem: { kind: 'inserted', line: 7, seq: null },
    head,
  });

  put('swapped', [...lines.slice(0, 4), at(6), at(5), ...lines.slice(6)], {
    problem: { kind: 'swapped', line: 5, seq: 5 },
    head,
  });
  put('swapped-apart', [...lines.slice(0, 2), at(8), ...lines.slice(3, 7), at(3), ...lines.slice(8)], {
    problem: { kind: 'swapped', line: 3, seq: 3 },
    head,
  });

  put('cut', lines.slice(0, 7), { problem: { kind: 'cut-end', line: 8, seq: 8 }, head });
  const resumed = new Builder(head).add(
    'daemon.start',
    { version: '0.1.0', pid: 1, cut: { from: 8, through: 10 } },
    20,
  );
  put('cut-resumed', [...lines.slice(0, 7), ...resumed.lines], {
    problem: { kind: 'cut-end', line: 8, seq: 8 },
    head: resumed.chain.head,
  });
  put('torn', [...lines.slice(0, 9), at(10).slice(0, 40)], {
    problem: { kind: 'torn', line: 10, seq: null },
    head: good.heads[8] ?? ORIGIN,
  });

  const unlike = new Builder(good.heads[7])
    .add('daemon.stop', { version: '0.1.0', pid: 9 })
    .add('daemon.stop', { version: '0.1.0', pid: 8 });
  put('rewritten-end', [...lines.slice(0, 8), ...unlike.lines], {
    problem: { kind: 'rewritten', line: 10, seq: 10 },
    head,
  });
  const forged = new Builder().add('daemon.start', { version: '0.1.0', pid: 4242 }).calls(3);
  put(
    'rewritten-signed',
    [...forged.lines, ...new Builder(forged.chain.head).add('checkpoint', checkpointOf(sealed, 7)).lines],
    { problem: { kind: 'rewritten', line: 8, seq: 8 }, keys: [OWN.public] },
  );

  const bad = checkpointOf(sealed, 7);
  const wrong = new Builder(sealed.heads[5]).add('checkpoint', {
    ...bad,
    signature: String(bad.signature).replace(/^../, 'AA'),
  });
  put('bad-signature', [...sealed.lines.slice(0, 6), ...wrong.lines], {
    problem: { kind: 'bad-signature', line: 7, seq: 7 },
    keys: [OWN.public],
  });
  const foreign = new Builder(sealed.heads[5]).sign(OTHER);
  put('foreign-key', [...sealed.lines.slice(0, 6), ...foreign.lines], {
    problem: { kind: 'foreign-key', line: 7, seq: 7 },
    keys: [OWN.public],
    signed_through: 1,
  });
  put('unsigned', lines, { problem: { kind: 'unsigned', line: null, seq: null }, keys: [OWN.public] });
  return all;
}

/** The members of the checkpoint on a line, without the chain's. */
function checkpointOf(builder: Builder, line: number): JsonObject {
  const { seq, time, event, prev, hash, ...members } = JSON.parse(builder.lines[line - 1] ?? '{}');
  return members;
}

if (process.argv[1] === import.meta.filename) {
  const expected: Record<string, Expected> = {};
  for (const [name, { bytes, ...rest }] of vectors()) {
    writeFileSync(join(import.meta.dirname, `${name}.jsonl`), bytes);
    expected[name] = rest;
  }
  writeFileSync(join(import.meta.dirname, 'expected.json'), `${JSON.stringify(expected, undefined, 2)}\n`);
}

// Daemons that have handed over to a newer one and go on until their sessions have ended. Each has a lock of its own in the
// run folder, `retired-PID.lock`, and a socket beside the daemon's, `PID.sock`. Both sides of the socket may be of any
// two versions, so only HAND_OVER and REFUSE frames pass there, whose form never changes.
import { readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { WarderError } from '../errors.ts';
import { Frame, FrameDecoder, WIRE_VERSION, writeJson } from '../wire/frame.ts';
import type { HandOver, HandOverAnswer, Refusal } from '../wire/hello.ts';
import type { Places } from '../wire/places.ts';
import { refusalError } from './connect.ts';
import { ownerOf } from './lock.ts';
import { verifyFolder, verifySocket } from './socket.ts';

/** A daemon that has handed over. */
export interface RetiredDaemon {
  readonly pid: number;
  readonly socket: string;
}

/** Milliseconds that a retired daemon has to tell its state, to do what changes it, and to take an answer that a person may have to prove. */
const TIMEOUT = 5000;
const LONG_TIMEOUT = 25_000;
const ANSWER_TIMEOUT = 115_000;
const LOCK = /^retired-(\d+)\.lock$/;

/** The file by which a retired daemon is known. */
export function retiredLock({ run }: Places, pid: number): string {
  return `${run}/retired-${pid}.lock`;
}

/** Where a retired daemon is talked to. */
export function retiredSocket({ socket }: Places, pid: number): string {
  return `${socket.slice(0, socket.lastIndexOf('/'))}/${pid}.sock`;
}

/** The retired daemons that live, by pid. */
export function retiredDaemons(places: Places): RetiredDaemon[] {
  let names: string[];
  try {
    names = readdirSync(places.run);
  } catch {
    return [];
  }
  const pids = names.flatMap((name) => Number(LOCK.exec(name)?.[1] ?? Number.NaN) || []);
  return pids
    .filter((pid) => ownerOf(retiredLock(places, pid))?.pid === pid)
    .sort((a, b) => a - b)
    .map((pid) => ({ pid, socket: retiredSocket(places, pid) }));
}

/** Removes what retired daemons left that were killed. The caller has the daemon's lock. */
export function sweepRetired(places: Places): void {
  const living = new Set(retiredDaemons(places).map(({ pid }) => pid));
  for (const name of readdirSync(places.run)) {
    const pid = Number(LOCK.exec(name)?.[1] ?? Number.NaN);
    if (!Number.isInteger(pid) || living.has(pid)) continue;
    rmSync(retiredSocket(places, pid), { force: true });
    rmSync(retiredLock(places, pid), { force: true });
  }
}

function timeoutOf({ ask, seen }: Pick<HandOver, 'ask' | 'seen'>): number {
  if (ask === 'answer') return ANSWER_TIMEOUT;
  const tells = ask === 'status' || ask === 'grants' || (ask === 'questions' && seen === undefined);
  return tells ? TIMEOUT : LONG_TIMEOUT;
}

/** Asks a retired daemon; `undefined` if it has ended. Throws `daemon-unreachable`, or the error that it answers with. */
export async function askRetired(
  { pid, socket: path }: RetiredDaemon,
  request: Omit<HandOver, 'wire'>,
): Promise<HandOverAnswer | undefined> {
  const uid = process.getuid?.() ?? -1;
  if (!verifyFolder(path.slice(0, path.lastIndexOf('/')), uid) || !verifySocket(path, uid)) return undefined;
  return await new Promise((resolve, reject) => {
    const socket = connect(path);
    let answer: HandOverAnswer | undefined;
    let refusal: WarderError | undefined;
    const decoder = new FrameDecoder({
      bytes: () => socket.destroy(),
      frame(type, payload) {
        const value = JSON.parse(payload.toString());
        if (type === Frame.REFUSE) refusal = refusalError(value as Refusal);
        else answer = value as HandOverAnswer;
      },
    });
    socket.setTimeout(timeoutOf(request), () => {
      refusal = new WarderError('daemon-unreachable', `the older daemon does not answer; its pid is ${pid}`, {
        hint: `run "warder stop", or "kill -9 ${pid}": its servers end with it`,
      });
      socket.destroy();
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        decoder.push(chunk);
      } catch {
        socket.destroy();
      }
    });
    // It ends: the "close" that follows says so.
    socket.on('error', () => {});
    socket.once('end', () => socket.destroy());
    socket.once('close', () => (refusal === undefined ? resolve(answer) : reject(refusal)));
    writeJson(socket, Frame.HAND_OVER, { wire: WIRE_VERSION, ...request });
  });
}

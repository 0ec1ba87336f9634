// The events of the audit log, and the members of each event's records. Warder makes the ids (`session`, `call`);
// they are unique in a log. `profile` and `tool` are names. Values of credentials never occur.
import type { ConsentAnswer, ConsentAsk, ConsentRevoke, TrustChange } from './events/consent.ts';
import type { CredentialUse, EgressConnect } from './events/egress.ts';
import type { Checkpoint, DaemonStart, DaemonStop, ProfileChange } from './events/log.ts';
import type { Answer, Question, Reply, Request, ToolCall, ToolResult } from './events/message.ts';
import type {
  SandboxPlanted,
  SessionClose,
  SessionOpen,
  SessionStart,
  SessionStop,
} from './events/session.ts';

/** Every event, by its name in a record. */
export const EVENTS = [
  'daemon.start',
  'daemon.stop',
  'session.open',
  'session.start',
  'session.stop',
  'session.close',
  'sandbox.planted',
  'credential.use',
  'tool.call',
  'tool.result',
  'request',
  'answer',
  'question',
  'reply',
  'consent.ask',
  'consent.answer',
  'consent.revoke',
  'egress.connect',
  'trust.change',
  'profile.change',
  'checkpoint',
] as const;

export type AuditEvent = (typeof EVENTS)[number];

/** The members of each event's records, besides `seq`, `time`, `event`, `prev` and `hash`. */
export interface Fields {
  'daemon.start': DaemonStart;
  'daemon.stop': DaemonStop;
  'session.open': SessionOpen;
  'session.start': SessionStart;
  'session.stop': SessionStop;
  'session.close': SessionClose;
  'sandbox.planted': SandboxPlanted;
  'credential.use': CredentialUse;
  'tool.call': ToolCall;
  'tool.result': ToolResult;
  request: Request;
  answer: Answer;
  question: Question;
  reply: Reply;
  'egress.connect': EgressConnect;
  'consent.ask': ConsentAsk;
  'consent.answer': ConsentAnswer;
  'consent.revoke': ConsentRevoke;
  'trust.change': TrustChange;
  'profile.change': ProfileChange;
  checkpoint: Checkpoint;
}

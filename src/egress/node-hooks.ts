// The undocumented parts of Node that the gate relies on.
import { checkBufferTransfer } from './connection/buffer-transfer.ts';
import { checkHalfOpen } from './http/half-open.ts';
import { checkPushAndRead } from './http/push-and-read.ts';
import { checkSecureEvent } from './tls/secure-event.ts';

/** Tests each of them once. Rejects with `unsupported` on a Node where one does not hold. */
export async function checkNodeHooks(): Promise<void> {
  checkBufferTransfer();
  await Promise.all([checkHalfOpen(), checkPushAndRead(), checkSecureEvent()]);
}

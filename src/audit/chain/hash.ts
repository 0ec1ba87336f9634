import { hash } from 'node:crypto';
import type { Hash } from './chain.ts';

/** SHA-256 by Node's one-shot call, which creates no object per record. */
export const sha256: Hash = (data) => hash('sha256', data, 'hex');

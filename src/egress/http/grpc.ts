// gRPC's own status (the "Status-Message" and codes of its protocol over HTTP/2), beside that of HTTP.
import { fieldValues } from './request-head.ts';
import type { Denial, Field } from './substitution.ts';

/** Codes for what the gate answers itself, by the status of HTTP. */
const CODES: Readonly<Record<number, number>> = {
  400: 3, // INVALID_ARGUMENT
  401: 16, // UNAUTHENTICATED
  403: 7, // PERMISSION_DENIED
  405: 12, // UNIMPLEMENTED
  413: 8, // RESOURCE_EXHAUSTED
  415: 12,
  421: 3,
  501: 12,
};
const UNAVAILABLE = 14;

/** The statuses of HTTP for a credential that a gRPC server refuses. */
const REFUSALS: Readonly<Record<string, number>> = { '7': 403, '16': 401 };

/** The fields of a response that has nothing else. `Warder-Refused` is `no` where it was the host that failed. */
export function grpcDenial({ status, reason }: Denial): Field[] {
  return [
    ['content-type', 'application/grpc'],
    ['grpc-status', String(CODES[status] ?? UNAVAILABLE)],
    ['grpc-message', `warder: ${reason}`.replace(/[^ -$&-~]/g, (sign) => encodeURIComponent(sign))],
    ['warder-refused', status === 502 ? 'no' : 'yes'],
  ];
}

/** 401 or 403 where the fields, or the trailers, say that the caller may not; else undefined. */
export function grpcRefusal(fields: readonly Field[]): number | undefined {
  return REFUSALS[fieldValues(fields, 'grpc-status')[0]?.trim() ?? ''];
}

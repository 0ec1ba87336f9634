// What an answer to the first request says of the era that a server is of. 401, 403, 429 and failures of the server or the
// network say nothing; neither does a success of anything but the request itself.

/** JSON-RPC errors that only servers of 2026-07-28 and later give: header mismatch, missing capability, unsupported version. */
const MODERN_ERRORS: ReadonlySet<number> = new Set([-32020, -32021, -32022]);
const METHOD_NOT_FOUND = -32601;
/** Statuses with which a server answers what it does not know. */
const UNKNOWN_STATUS: ReadonlySet<number> = new Set([400, 404, 405]);

/** Whether an answer to `initialize` shows that the server is not of the session era, or not at this URL by POST. */
export function deniesSessions(status: number, code: number | undefined): boolean {
  return (
    UNKNOWN_STATUS.has(status) ||
    (code !== undefined && (code === METHOD_NOT_FOUND || MODERN_ERRORS.has(code)))
  );
}

/** Whether an answer to a request of 2026-07-28 shows that the server knows no such requests. */
export function deniesStateless(method: string, status: number, code: number | undefined): boolean {
  if (code !== undefined && MODERN_ERRORS.has(code)) return false;
  // Of other methods the same error says that the server, of whatever era, does not have the method.
  if (code === METHOD_NOT_FOUND) return method === 'server/discover';
  return UNKNOWN_STATUS.has(status);
}

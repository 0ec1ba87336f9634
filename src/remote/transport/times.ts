// How long answers may take, in milliseconds.

/** The head of the response to a request: a tool may work for long before it says anything. */
export const REQUEST_TIME = 3_600_000;
/** The head of the response to anything else. */
export const NOTICE_TIME = 30_000;
/** The end of a session at the server. */
export const END_TIME = 5000;

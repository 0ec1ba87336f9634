/** The time, passed in so that tests can set it. */
export interface Clock {
  /** Milliseconds since the epoch. May go backwards when the machine's clock is set. */
  now(): number;
  /** Milliseconds since some point in the past; never goes backwards. */
  monotonic(): number;
}

/** The machine's clock. */
export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** `performance.now` counts from the start of its own thread, `process.hrtime` is the same in all of them. */
const sinceOrigin = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The machine's clock as all threads of a process see it. */
export const processClock: Clock = {
  now: () => Date.now(),
  monotonic: () => sinceOrigin + performance.now(),
};

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

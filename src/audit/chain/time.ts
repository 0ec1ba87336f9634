/** Writes milliseconds since the epoch as RFC 3339, UTC, with milliseconds; within a second nearly for free. */
export class Stamp {
  #second = Number.NaN;
  #text = '';

  of(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(second * 1000).toISOString().slice(0, 20);
    }
    return `${this.#text}${String(Math.floor(ms - second * 1000)).padStart(3, '0')}Z`;
  }
}

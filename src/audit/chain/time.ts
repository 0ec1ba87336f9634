/** Formats milliseconds since the epoch as RFC 3339, UTC, with milliseconds. Keeps the last second's text. */
export class Timestamps {
  #second = Number.NaN;
  #text = '';

  format(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(second * 1000).toISOString().slice(0, 20);
    }
    return `${this.#text}${String(Math.floor(ms - second * 1000)).padStart(3, '0')}Z`;
  }
}

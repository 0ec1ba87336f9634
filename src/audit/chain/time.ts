/** Formats milliseconds since the epoch as RFC 3339, UTC, with milliseconds. Keeps the last text, and that of its second. */
export class Timestamps {
  #second = Number.NaN;
  #secondText = '';
  #ms = Number.NaN;
  #text = '';

  format(ms: number): string {
    if (ms === this.#ms) return this.#text;
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = new Date(second * 1000).toISOString().slice(0, 20);
    }
    this.#ms = ms;
    this.#text = `${this.#secondText}${String(Math.floor(ms - second * 1000)).padStart(3, '0')}Z`;
    return this.#text;
  }
}

// What a subject gets to measure with: a folder, Warders with homes of their own, and how many samples to take.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Warder } from './warder.js';

export class Stage {
  /** `quick`: a tenth of the samples. `words`: what else the caller says to a subject. */
  constructor({ quick, words }) {
    this.quick = quick;
    this.words = words;
    this.folder = mkdtempSync(join(tmpdir(), 'warder-bench-'));
  }

  /** How many samples, where a whole run takes so many. */
  samples(many) {
    return this.quick ? Math.max(3, Math.round(many / 10)) : many;
  }

  /** A Warder in a new home. It is disposed of by whoever takes it. */
  warder() {
    return new Warder(mkdtempSync(join(this.folder, 'home-')));
  }

  [Symbol.dispose]() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

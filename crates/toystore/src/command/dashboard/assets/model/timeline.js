// The frames of the last minutes: which one is shown, the newest or one that was scrubbed back to.
//
// Pure. Filled by main.js from the stream; read by every view.

/** How far back frames are kept, in milliseconds: as long as the server keeps them. */
export const KEPT_MS = 5 * 60 * 1000;

export class Timeline {
  constructor() {
    this.frames = [];
    /** The moment that is shown, in milliseconds since 1970; null: now. */
    this.heldAt = null;
    /** Whether it is a run that is over: nothing of it is forgotten. */
    this.keepsAll = false;
  }

  /** From now on it is a run that is over, and this moment of it is shown. */
  keepAll(heldAt) {
    this.keepsAll = true;
    this.heldAt = heldAt;
  }

  /** How long the run is, in milliseconds, where all of it is kept; else null. */
  get spanMs() {
    return this.keepsAll && this.newest ? Math.max(1, this.newest.at_ms - this.frames[0].at_ms) : null;
  }

  /** Takes frames, which may have come before: a stream that broke begins a little earlier. */
  add(frames) {
    for (const frame of frames) {
      const newest = this.frames.at(-1);
      // A smaller number is of another process: the store was started again.
      if (newest && frame.number === newest.number && frame.at_ms === newest.at_ms) continue;
      if (newest && frame.at_ms < newest.at_ms) continue;
      this.frames.push(frame);
    }
    const newest = this.frames.at(-1);
    if (!newest || this.keepsAll) return;
    const oldest = newest.at_ms - KEPT_MS;
    const kept = this.frames.findIndex((frame) => frame.at_ms >= oldest);
    if (kept > 0) this.frames.splice(0, kept);
  }

  get newest() {
    return this.frames.at(-1) ?? null;
  }

  get isLive() {
    return this.heldAt === null;
  }

  /** Shows another moment; one at or behind the newest frame is now. */
  hold(atMs) {
    const newest = this.newest;
    this.heldAt = newest && atMs < newest.at_ms ? atMs : null;
  }

  goLive() {
    this.heldAt = null;
  }

  /** The place of the frame that is shown, the newest at or before the moment; -1 without frames. */
  get place() {
    if (this.heldAt === null) return this.frames.length - 1;
    let [low, high] = [0, this.frames.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.frames[middle].at_ms <= this.heldAt) low = middle;
      else high = middle - 1;
    }
    return high;
  }

  get shown() {
    return this.frames[this.place] ?? null;
  }

  /** The newest frame that is at least so much older than the one that is shown. */
  before(ms) {
    const shown = this.shown;
    if (!shown) return null;
    for (let place = this.place - 1; place >= 0; place -= 1) {
      if (shown.at_ms - this.frames[place].at_ms >= ms) return this.frames[place];
    }
    return null;
  }
}

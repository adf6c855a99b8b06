// The frames of the last minutes: which one is shown, the newest or one that was scrubbed back to.
//
// Pure. Filled by main.js from the stream; read by every view.

/** How far back frames are kept, in milliseconds: as long as the server keeps them. */
export const KEPT_MS = 5 * 60 * 1000;

/** More frames than these are not kept, should the clock be set back: as many as four a second are. */
const FRAMES_MAX = (KEPT_MS / 1000) * 4 + 100;

export class Timeline {
  /** When each frame of the process that speaks now was, by its number. */
  #of = new Map();

  constructor() {
    this.frames = [];
    /** How often another process began to speak: what it says of is another run. */
    this.began = 0;
    /** When that process was started, if it says so. */
    this.started = null;
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

  /** A server begins to speak, which says when it was started: its frames are counted from 1. */
  begin(started) {
    if (started === undefined || started === this.started) return;
    this.started = started;
    this.#again();
  }

  /**
   * Takes frames in the order of their numbers, whatever the clock does, and returns those that are
   * new: a stream that broke begins a little earlier. A smaller number of another moment is of
   * another process: the store was started again, and what is there stays.
   */
  add(frames) {
    const fresh = [];
    for (const frame of frames) {
      if (this.#of.size > 0 && frame.number <= this.newest.number) {
        if (this.#cameBefore(frame)) continue;
        this.#again();
      }
      this.#of.set(frame.number, frame.at_ms);
      this.frames.push(frame);
      fresh.push(frame);
    }
    this.#forget();
    return fresh;
  }

  #again() {
    this.#of = new Map();
    this.began += 1;
  }

  #cameBefore({ number, at_ms: atMs }) {
    const known = this.#of.get(number);
    if (known !== undefined) return known === atMs;
    // Missed, or forgotten here and not there.
    return this.started !== null || atMs <= this.newest.at_ms;
  }

  #forget() {
    const newest = this.newest;
    if (!newest || this.keepsAll) return;
    const kept = this.frames.findIndex((frame) => frame.at_ms >= newest.at_ms - KEPT_MS);
    for (const frame of this.frames.splice(0, Math.max(kept, this.frames.length - FRAMES_MAX))) {
      if (this.#of.get(frame.number) === frame.at_ms) this.#of.delete(frame.number);
    }
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
    // The clock may have been set back: the last one that is right, not any.
    for (let place = this.frames.length - 1; place > 0; place -= 1) {
      if (this.frames[place].at_ms <= this.heldAt) return place;
    }
    return this.frames.length > 0 ? 0 : -1;
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

  /** The frames of so many milliseconds up to the one that is shown. */
  last(ms) {
    const shown = this.shown;
    if (!shown) return [];
    let first = this.place;
    while (first > 0 && shown.at_ms - this.frames[first - 1].at_ms <= ms) first -= 1;
    return this.frames.slice(first, this.place + 1);
  }
}

// What stands in the entries of the replicas' logs, as far as it was asked for.
//
// Pure. Filled and read by view/logs.js. What is committed never changes and is asked for once;
// another entry may be replaced by a leader that does not have it, and is asked for again.

/** Entries of one replica that are kept. */
export const ENTRIES_MAX = 4000;

export class Entries {
  constructor() {
    this.of = new Map();
  }

  /** Takes what a replica said of its log, of which `committed` entries were committed by then. */
  add(name, entries, committed) {
    if (!this.of.has(name)) this.of.set(name, new Map());
    const known = this.of.get(name);
    for (const { index, words } of entries ?? []) {
      known.delete(index);
      known.set(index, { words, isFinal: index <= committed });
    }
    for (const index of known.keys()) {
      if (known.size <= ENTRIES_MAX) break;
      known.delete(index);
    }
  }

  /** `{ words, isFinal }`; null if it was not asked for, or is not there any more. */
  at(name, index) {
    return this.of.get(name)?.get(index) ?? null;
  }

  /** A store that was started again has other logs. */
  forget() {
    this.of.clear();
  }
}

/** What is said of a cell: its number and state, and the order behind it where that is known. */
export function cellWords(name, { index, state }, entry) {
  const states = { committed: 'committed', written: 'written, not known to be committed', missing: 'missing' };
  const first = `Entry ${index} of ${name}: ${states[state]}`;
  return state === 'missing' || !entry ? { first, second: '' } : { first, second: entry.words };
}

/** The place that has the focus after a key, of `count` in a row; null for other keys. */
export function stepped(key, place, count) {
  const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: count - 1 }[key];
  return to === undefined ? null : Math.min(count - 1, Math.max(0, to));
}

// What chaos does, in words. Pure: every word is of the frame.

/** What it strikes now, and what it struck before, the newest first; null while it is off. */
export function chaos(frame) {
  if (!frame.chaos) return null;
  const { seed, step, now, last } = frame.chaos;
  const rest = step === 0 ? 'about to begin' : `strike ${step} is over`;
  return {
    seed,
    words: `Chaos, seed ${seed}: ${now === null ? rest : `strike ${step}: ${now}`}`,
    last: last.map((strike) => `${strike.step}: ${strike.words}`),
  };
}

/** The seed that was typed: null for a random one; throws an Error with words if it is none. */
export function seedOf(text) {
  const typed = text.trim();
  if (typed === '') return null;
  const seed = Number(typed);
  if (/^\d+$/.test(typed) && Number.isSafeInteger(seed)) return seed;
  throw new Error(`“${typed}” is no seed: a whole number up to ${Number.MAX_SAFE_INTEGER}, or nothing.`);
}

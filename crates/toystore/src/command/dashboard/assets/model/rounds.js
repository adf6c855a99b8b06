// The verdict on what shoppers of the page were told, and what they met.
//
// Pure. A round that is open is judged up to a moment; one that has ended with everything that a
// store can be asked. What was not judged is never shown as held.

const MARKS = { held: '✓', broke: '✗', 'not-decided': '?', 'not-judged': '–' };
const WORDS = { held: 'held', broke: 'broke', 'not-decided': 'not decided', 'not-judged': 'not judged' };

/** What each guarantee says, in a word or three. */
export const MEANS = {
  stock: 'every look at a toy is fresh',
  orders: 'every look at an order is fresh',
  once: 'one purchase, one order',
  kept: 'no order is lost',
  replicas: 'all replicas have the same log',
  gapless: 'order numbers without a gap',
  conserved: 'no toy came from nowhere',
  oversold: 'nothing sold that is not there',
  'read-your-writes': 'who bought it, sees it',
  'monotonic-reads': 'nobody looks back in time',
  staleness: 'how old stale answers were',
  'leader-reads': 'looks at the leader show what was',
  'local-reads': 'looks nearby show what was',
};

function lineOf(one) {
  const { verdict, counterexamples: [example] } = one;
  return {
    name: one.guarantee,
    verdict,
    mark: MARKS[verdict],
    says: WORDS[verdict],
    means: MEANS[one.guarantee] ?? '',
    promised: one.promised,
    words: verdict === 'broke' && example ? example.sentence : one.words,
  };
}

/** One line for each guarantee, of the open round or the one that ended last; null without one. */
function part(round) {
  if (!round?.verdict) return null;
  const { verdict, guarantees, others } = round.verdict;
  return {
    round: round.round,
    operations: round.verdict.operations,
    verdict,
    mark: MARKS[verdict],
    says: WORDS[verdict],
    others: others ?? 0,
    lines: guarantees.map(lineOf),
  };
}

/** Both, and what stands above them. */
export function rounds(frame) {
  const all = frame.rounds ?? {};
  const [open, ended] = [part(all.open), part(all.ended)];
  let state = 'No round has begun.';
  if (all.open?.why) state = `Round ${all.open.round} did not begin: ${all.open.why}`;
  else if (all.open?.ending) state = `Round ${all.open.round} ends: orders are read back, logs and stock compared.`;
  else if (open && open.operations === 0) state = 'Nothing was bought or looked at yet from here: buy a toy, or send shoppers.';
  else if (open) {
    const behind = all.open.behind_ms < 1000 ? `${all.open.behind_ms} ms` : `${(all.open.behind_ms / 1000).toFixed(1)} s`;
    state = `Round ${open.round}: ${open.operations} operations judged, up to ${behind} ago.`;
  }
  return { state, open, ended };
}

/** A latency as people compare it. */
export function micros(us) {
  if (us === null || us === undefined) return '–';
  if (us < 1000) return `${us} µs`;
  return us < 1_000_000 ? `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms` : `${(us / 1_000_000).toFixed(1)} s`;
}

/** How far shoppers who are to keep a rate fall behind it. */
function lateWords(met) {
  if (!met) return '';
  const { late_p99_us: late, given_up: givenUp } = met;
  const lost = givenUp ? `; ${givenUp} were not begun, over 5 s late` : '';
  return `, late by p99 ${micros(late)}${lost}`;
}

/** What the shoppers of the page meet; null where none shops. */
export function load(frame) {
  const { load: wanted, met } = frame.rounds ?? {};
  if (!wanted) return null;
  return {
    ...wanted,
    wanted: wanted.rate ?? null,
    late: wanted.rate ? lateWords(met) : '',
    rate: met ? Math.round(met.per_second) : null,
    p50: micros(met?.p50_us),
    p99: micros(met?.p99_us),
    answered: met?.answered ?? null,
  };
}

/** The share of requests that was answered, of each frame: for a strip. */
export function availability(frames) {
  return frames.map((frame) => ({ at_ms: frame.at_ms, answered: frame.rounds?.met?.answered ?? null }));
}

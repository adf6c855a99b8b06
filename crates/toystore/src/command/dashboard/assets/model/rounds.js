// The verdict on what shoppers of the page were told, and what they met.
//
// Pure. A round that is open is judged up to a moment; one that has ended with everything that a
// store can be asked. What was not judged is never shown as held.

import { lasting } from './time.js';

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
export function part(round) {
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
  else if (open?.operations === 0 && all.open.operations > 0) {
    state = `Round ${all.open.round}: nothing is judged while a client waits that asked before all others were told anything.`;
  } else if (open?.operations === 0) state = 'Nothing was bought or looked at yet from here: buy a toy, or send shoppers.';
  else if (open) {
    state = `Round ${open.round}: ${open.operations} operations judged, up to ${lasting(all.open.behind_ms * 1000)} ago.`;
  }
  return { state, open, ended };
}

/** How far shoppers who are to keep a rate fall behind it. */
function lateWords(met) {
  if (!met) return '';
  const { late_p99_us: late, given_up: givenUp } = met;
  const lost = givenUp ? `; ${givenUp} were not begun, over 5 s late` : '';
  return `, late by p99 ${lasting(late)}${lost}`;
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
    p50: lasting(met?.p50_us),
    p99: lasting(met?.p99_us),
    answered: met?.answered ?? null,
  };
}

/** Who asks the frontends, in three lines: clients, of whom those of the page are known. */
export function shoppers(frame) {
  const now = load(frame);
  if (now === null) return ['clients', '', ''];
  const who = now.shoppers === 1 ? '1 shopper' : `${now.shoppers} shoppers`;
  return now.rate === null ? [who, '', ''] : [who, `${now.rate.toLocaleString('en')} requests`, 'a second'];
}

/** The share of requests that was answered, of each frame: for a strip. */
export function availability(frames) {
  return frames.map((frame) => ({ at_ms: frame.at_ms, answered: frame.rounds?.met?.answered ?? null }));
}

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
  kept: 'no order that was acknowledged is lost',
  replicas: 'all replicas have the same log',
  gapless: 'order numbers without a gap',
  conserved: 'every toy is in stock or sold',
  oversold: 'nothing is sold that is not there',
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

/** What counts of all lines, in few words: what broke, what is open, or that all of it held. */
export function headline({ mark, says, verdict, lines }) {
  const names = lines.filter((one) => one.verdict === verdict).map((one) => one.name);
  if (verdict === 'not-judged') return { verdict, words: `${mark} nothing is judged yet` };
  if (verdict === 'held') return { verdict, words: `${mark} held: ${names.length} of ${lines.length} guarantees` };
  const [first, ...rest] = names;
  const words = rest.length > 2 ? `${first} and ${rest.length} more` : names.join(', ');
  return { verdict, words: words ? `${mark} ${says}: ${words}` : `${mark} ${says}` };
}

/** What is said of the open round above its lines, or above those of the round before. */
function stateOf(open, judged, ended) {
  if (!open) return 'No round has begun.';
  const { round } = open;
  const before = ended ? ` The lines are those of round ${ended.round}.` : '';
  if (open.why) return `Round ${round} did not begin: ${open.why}${before && `.${before}`}`;
  if (open.ending) return `Round ${round} ends: orders are read back, logs and stock compared.`;
  if (!judged) return `Round ${round} begins.${before}`;
  if (judged.operations > 0) {
    return `Round ${round}: ${judged.operations} operations judged, up to ${lasting(open.behind_ms * 1000)} ago.`;
  }
  if (open.operations > 0) {
    return `Round ${round}: nothing is judged while a client waits that asked before all others were told anything.${before}`;
  }
  return ended
    ? `Round ${round} is open: nothing was bought or looked at in it yet.${before}`
    : 'Nothing was bought or looked at yet from here: buy a toy, or send shoppers.';
}

/** Rounds of before that broke something, the newest first, without the one that ended last. */
function brokenBefore(broken, ended) {
  if (!Array.isArray(broken)) return [];
  const others = broken.filter((one) => one.round !== ended?.round).reverse();
  return others.map(({ round, guarantees }) => ({ round, words: `✗ Round ${round} broke ${guarantees.join(', ')}` }));
}

/**
 * Both; `state` stands above the lines, which are those of `shown`: until there is something to say of
 * the open round, what the last one came to. `sofar`: the files that there are of a round that goes on;
 * `before`: rounds that broke something and would else be forgotten.
 */
export function rounds(frame) {
  const all = frame.rounds ?? {};
  const [open, ended] = [part(all.open), part(all.ended)];
  const shown = open && open.operations > 0 ? open : ended ?? open;
  const sofar = shown === open && Array.isArray(all.open?.files) ? all.open.files : [];
  const before = brokenBefore(all.broken, ended);
  return { state: stateOf(all.open, open, ended), open, ended, shown, sofar, before };
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

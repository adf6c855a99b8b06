// The space-time diagram of a moment: each process a lane, each message an arrow from when it was
// sent to when it came (Lamport 1978). Time is to scale here, as nowhere else on the page.
//
// Pure. Called by view/spacetime.js with messages of model/messages.js.

import { begun, ended, isLost, SHOPPERS } from './messages.js';

/** Spans that can be chosen, in microseconds. */
export const SPANS_US = [10_000, 100_000, 1_000_000, 5_000_000];

/** More arrows than these are a black picture. */
export const ARROWS_MAX = 160;

/** A moment is looked for among so much of the time before it. */
export const LOOK_BACK_US = 1_000_000;

/** What is worth looking at: rather a purchase than a lease that is renewed. */
const WEIGHTS = { request: 4, order: 6, take: 6, log: 1, fill: 3, invalidation: 5, lease: 1, other: 1 };

/** Who has a lane, from those who ask to those who have the toys. */
export function lanes(frame) {
  const of = (role) => frame.nodes.filter((node) => node.role === role).map((node) => node.name);
  return [SHOPPERS, ...of('frontend'), ...of('order'), ...of('catalog')];
}

/**
 * The span of a length that has most to see, of those that end at or before `endUs` and are not
 * much older; it begins just before a message. Without any, the one that ends there.
 */
export function spanOf(messages, endUs, lengthUs) {
  const newest = { from: endUs - lengthUs, to: endUs };
  const oldest = endUs - Math.max(LOOK_BACK_US, lengthUs);
  const all = messages.filter((one) => begun(one) >= oldest && begun(one) <= endUs)
    .sort((a, b) => begun(a) - begun(b));
  const weight = (one) => (isLost(one) ? 8 : WEIGHTS[one.kind]);
  let [best, most, sum, after] = [newest, 0, 0, 0];
  for (const first of all) {
    const from = begun(first) - Math.round(lengthUs * 0.03);
    while (after < all.length && begun(all[after]) <= from + lengthUs) {
      sum += weight(all[after]);
      after += 1;
    }
    if (from + lengthUs > endUs) break;
    if (sum >= most) [best, most] = [{ from, to: from + lengthUs }, sum];
    sum -= weight(first);
  }
  return best;
}

/** Messages that have both ends in the picture; those of more weight first if there are too many. */
function chosen(messages, known, { from, to }) {
  const inside = messages.filter((one) => known.has(one.from) && known.has(one.to)
    && begun(one) <= to && ended(one) >= from);
  const most = [...inside].sort((a, b) => WEIGHTS[b.kind] - WEIGHTS[a.kind]).slice(0, ARROWS_MAX);
  return { inside: inside.length, drawn: most.sort((a, b) => begun(a) - begun(b)) };
}

/** So much of a line that runs over an edge of the span is drawn outside. */
const OVER = 0.02;

/**
 * What of a line is within the span, at the same slope: a message that takes long is not drawn as a
 * quick one. `from` and `to` are shares of the span, `out` and `into` lanes, and `cut` says that its end
 * is not there; null if none of it is.
 */
export function clipped({ from, to, out, into, ...rest }) {
  const [low, high] = [-OVER, 1 + OVER];
  if (Math.max(from, to) < low || Math.min(from, to) > high) return null;
  const inside = (x) => Math.min(high, Math.max(low, x));
  const lane = (x) => (from === to ? out : out + ((x - from) / (to - from)) * (into - out));
  const [first, last] = [inside(from), inside(to)];
  return {
    ...rest, from: first, to: last,
    out: first === from ? out : lane(first), into: last === to ? into : lane(last), cut: last !== to,
  };
}

/**
 * One arrow there and, if it was answered, one back; null for one that is outside the span. `x` runs
 * from 0 to 1 over the span, `lane` is a place in `names`. A client's clock is not ours: its end of an
 * arrow is upright.
 */
function arrowOf(one, x, lane) {
  const [out, into] = [lane(one.from), lane(one.to)];
  const lost = isLost(one);
  const left = one.sent ?? one.came ?? one.answered ?? one.told;
  const came = one.came ?? one.answered ?? one.told ?? left;
  // What is lost ends between the lanes, when it might have come: it has no other end.
  const there = clipped({ from: x(left), to: lost ? x(left) : x(came), out, into });
  if (lost || one.answered === null) return { one, lost, there, back: null };
  const told = one.told ?? one.answered;
  const back = clipped({ from: x(one.answered), to: x(told), out: into, into: out, lost: one.learned === 'unknown' });
  return { one, lost, there, back };
}

/** The diagram of a span. */
export function spacetime(messages, names, span) {
  const places = new Map(names.map((name, place) => [name, place]));
  const x = (us) => (us - span.from) / (span.to - span.from);
  const { inside, drawn } = chosen(messages, places, span);
  const arrows = drawn.map((one) => arrowOf(one, x, (name) => places.get(name)));
  return { arrows: arrows.filter(({ there, back }) => there || back), inside };
}

/** How many messages passed all nodes in a span, of the frames that say how many; null if none does. */
export function passedIn(frames, { from, to }) {
  let [sum, said] = [0, false];
  for (let place = 1; place < frames.length; place += 1) {
    const [left, right] = [frames[place - 1].at_ms * 1000, frames[place].at_ms * 1000];
    const shared = Math.min(right, to) - Math.max(left, from);
    if (shared <= 0) continue;
    for (const node of frames[place].nodes) {
      if (!node.messages) continue;
      said = true;
      sum += (node.messages.passed * shared) / (right - left);
    }
  }
  return said ? Math.round(sum) : null;
}

/** A span as people say it. */
export function spanWords(us) {
  return us < 1_000_000 ? `${us / 1000} ms` : `${us / 1_000_000} s`;
}

function clockWords(ms) {
  const clock = new Date(ms);
  return `${clock.toLocaleTimeString('en-GB')}.${String(clock.getMilliseconds()).padStart(3, '0')}`;
}

/**
 * What is drawn, of how much, and of when; a run that is over has a clock that began with it, at
 * `began` milliseconds of those of its frames.
 */
export function titleWords({ from, to }, drawn, inside, passed, began = null) {
  const ms = from / 1000;
  const time = began === null ? clockWords(ms) : `${((ms - began) / 1000).toFixed(3)} s of the run`;
  const of = passed === null || passed <= inside ? `${inside}` : `about ${passed.toLocaleString('en')}`;
  const many = inside === 0 ? 'no message is known' : `${drawn} of ${of} messages`;
  return `${spanWords(to - from)} from ${time} on: ${many}.`;
}

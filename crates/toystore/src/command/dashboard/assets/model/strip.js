// The last minutes as a strip: a bar for what was ordered between two frames, a mark for each fault,
// each end of one and each new leader; and the words for a place on it.
//
// Pure. Called by view/strip.js; a bundle without frames has its bars and marks from model/bundle.js.

import { happenings, ordersPerSecond } from './facts.js';
import { lasting } from './time.js';
import { KEPT_MS } from './timeline.js';

/** How much of the past is drawn. */
export const SHOWN_MS = Math.min(KEPT_MS, 3 * 60 * 1000);

/** A bar for a single order is as high as this beside one for thousands; in pixels. */
const LEAST = 3;

/** What a mark can be: its sign, since colour alone tells nothing, how far down it stands, and its words. */
export const SIGNS = {
  fault: { sign: '✕', y: 11, words: 'fault' },
  mend: { sign: '+', y: 25, words: 'mended' },
  leader: { sign: '★', y: 39, words: 'new leader' },
};

/** What was between two frames, by the later one: it is asked for with every frame that comes. */
const between = new WeakMap();

function passed(before, after) {
  const known = between.get(after);
  if (known?.before === before) return known;
  const made = { before, rate: ordersPerSecond(before, after), marks: happenings(before, after) };
  between.set(after, made);
  return made;
}

/** Bars and marks, for a picture so wide that ends at `nowMs`. */
export function drawn(frames, nowMs, spanMs, width) {
  const from = nowMs - spanMs;
  const x = (atMs) => ((atMs - from) / spanMs) * width;
  const [bars, marks] = [[], []];
  let most = 0;
  for (let place = 1; place < frames.length; place += 1) {
    const [before, after] = [frames[place - 1], frames[place]];
    if (after.at_ms < from) continue;
    const { rate, marks: happened } = passed(before, after);
    bars.push({ left: x(before.at_ms), right: x(after.at_ms), rate });
    most = Math.max(most, rate ?? 0);
    for (const mark of happened) marks.push({ ...mark, x: x(after.at_ms), at_ms: after.at_ms });
  }
  return { bars, marks, most };
}

/** The outline of all bars, in a picture so high: none that is not 0 is too low to be seen. */
export function outline(bars, most, height) {
  const high = (rate) => Math.max(LEAST, (rate / most) * (height - 4));
  return bars.filter((bar) => bar.rate > 0).map(({ left, right, rate }) =>
    `M${left.toFixed(1)} ${height}V${(height - high(rate)).toFixed(1)}H${right.toFixed(1)}V${height}Z`).join('');
}

/** The marks within `reach` of a place, in their order. */
export function near(marks, x, reach) {
  return marks.filter((mark) => Math.abs(mark.x - x) <= reach);
}

/** How long ago, as the strip says it. */
export function agoWords(ms) {
  return ms < 500 ? 'now' : `${lasting(ms * 1000)} ago`;
}

/** When a share of the strip is; a run that is over has no now. */
export function whenWords(share, spanMs, isOver) {
  return isOver ? `${((share * spanMs) / 1000).toFixed(1)} s into the run` : agoWords(spanMs * (1 - share));
}

/** A place on the strip in words: when it is, and what happened there, three things at most. */
export function placeWords(when, marks, rate = null) {
  const told = marks.slice(0, 3).map((mark) => mark.words);
  if (marks.length > 3) told.push(`and ${marks.length - 3} more`);
  const orders = rate === null ? [] : [`${Number(rate.toFixed(rate < 10 ? 1 : 0))} orders/s`];
  return `${when}: ${[...told, ...orders].join('; ') || 'nothing happened'}`;
}

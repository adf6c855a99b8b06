// The last minutes as a strip: orders each second, faults, leaders; and scrubbing back.

import { h, set } from '../dom.js';
import { happenings, ordersPerSecond } from '../model/facts.js';
import { KEPT_MS } from '../model/timeline.js';

/** How much of the past is drawn. */
export const SHOWN_MS = Math.min(KEPT_MS, 3 * 60 * 1000);
const [WIDTH, HEIGHT] = [1000, 60];

/** What was between two frames, by the later one: it is asked for with every frame that comes. */
const between = new WeakMap();

function passed(before, after) {
  const known = between.get(after);
  if (known?.before === before) return known;
  const made = { before, rate: ordersPerSecond(before, after), marks: happenings(before, after) };
  between.set(after, made);
  return made;
}

/** Bars and marks of the strip, for a picture of 1000 by 60. */
export function drawn(frames, nowMs, spanMs = SHOWN_MS) {
  const from = nowMs - spanMs;
  const x = (atMs) => ((atMs - from) / spanMs) * WIDTH;
  const [bars, marks] = [[], []];
  let most = 0;
  for (let place = 1; place < frames.length; place += 1) {
    const [before, after] = [frames[place - 1], frames[place]];
    if (after.at_ms < from) continue;
    const { rate, marks: happened } = passed(before, after);
    bars.push({ left: x(before.at_ms), right: x(after.at_ms), rate });
    most = Math.max(most, rate ?? 0);
    for (const mark of happened) marks.push({ ...mark, x: x(after.at_ms) });
  }
  return { bars, marks, most };
}

export function stripView(svg) {
  set(svg, { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none' });
  const [bars, marks, cursor] = [h('path', { class: 'bars' }), h('g'), h('line', { class: 'cursor' })];
  svg.append(bars, marks, cursor);
  return (timeline) => {
    const now = timeline.newest.at_ms;
    const span = timeline.spanMs ?? SHOWN_MS;
    const all = drawn(timeline.frames, now, span);
    const high = (rate) => (all.most > 0 ? (rate / all.most) * (HEIGHT - 6) : 0);
    const d = all.bars.filter((bar) => bar.rate > 0).map(({ left, right, rate }) =>
      `M${left.toFixed(1)} ${HEIGHT}V${(HEIGHT - high(rate)).toFixed(1)}H${right.toFixed(1)}V${HEIGHT}Z`);
    set(bars, { d: d.join('') });
    marks.replaceChildren(...all.marks.map((mark) => h('line',
      { class: `mark ${mark.kind}`, x1: mark.x, x2: mark.x, y1: 0, y2: HEIGHT,
        'vector-effect': 'non-scaling-stroke' }, h('title', {}, mark.words))));
    const at = ((timeline.shown.at_ms - (now - span)) / span) * WIDTH;
    set(cursor, { x1: at, x2: at, y1: 0, y2: HEIGHT, 'vector-effect': 'non-scaling-stroke' });
    return all;
  };
}

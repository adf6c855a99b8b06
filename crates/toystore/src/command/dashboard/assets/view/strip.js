// The strip of time: what model/strip.js makes of the last minutes, and what is read at the place
// where the pointer or the scrub is. Called by main.js with every frame.

import { byId, each, h, inWindow, say, set, widthOf } from '../dom.js';
import { agoWords, drawn, near, outline, placeWords, SHOWN_MS, SIGNS, whenWords } from '../model/strip.js';

export const HEIGHT = 56;
/** A mark is read from so far, in pixels. */
export const REACH = 9;
/** Marks that are listed for whoever cannot see the strip: the newest. */
const LISTED_MAX = 20;

const signOf = ({ kind }) => SIGNS[kind] ?? SIGNS.fault;

/** One mark: its line, and its sign in a place of its kind. */
export function mark(one) {
  const [{ kind, x }, { sign, y }] = [one, signOf(one)];
  return h('g', { class: `mark ${kind}` }, h('line', { x1: x, x2: x, y1: 0, y2: HEIGHT }),
    h('text', { x, y, 'text-anchor': 'middle' }, sign));
}

/** What the signs mean, below the strip. */
export function legend(parent) {
  parent.replaceChildren(
    h('span', { class: 'pair' }, h('i', { class: 'bar-sign', 'aria-hidden': 'true' }), 'orders'),
    ...Object.entries(SIGNS).map(([kind, { sign, words }]) => h('span', { class: `pair ${kind}` },
      h('b', { 'aria-hidden': 'true' }, sign), ` ${words}`)));
}

/** How wide the strip is: its lengths are pixels of the page. */
export function measured(svg) {
  const width = widthOf(svg) || 1000;
  set(svg, { viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: 'none' });
  return width;
}

/** Lists marks for whoever cannot see the strip; `when(mark)` says when one was. */
export function listMarks(marks, when) {
  const told = marks.slice(-LISTED_MAX).map((one) => ({ ...one, key: `${one.at_ms} ${one.words}` }));
  const make = (one) => h('li', {}, `${when(one)}, ${signOf(one).words}: ${one.words}`);
  each(byId('strip-list'), told, ({ key }) => key, make, () => {});
}

/** The words at the place of the pointer, by `read(share)`; by keys they are those of the scrub, in `#moment`. */
export function tipView(strip, read) {
  const tip = byId('strip-tip');
  let at = null;
  const draw = () => {
    if (at === null) return;
    const box = strip.getBoundingClientRect();
    const words = read((at - box.left) / box.width);
    tip.hidden = words === null;
    if (tip.hidden) return;
    say(tip, words);
    tip.style.left = `${inWindow(at - tip.offsetWidth / 2, tip)}px`;
    tip.style.top = `${box.top - tip.offsetHeight - 6}px`;
  };
  strip.addEventListener('pointermove', (event) => {
    at = event.clientX;
    draw();
  });
  strip.addEventListener('pointerleave', () => {
    at = null;
    tip.hidden = true;
  });
  return draw;
}

export function stripView(svg) {
  const [scrub, from, to] = ['scrub', 'strip-from', 'strip-to'].map(byId);
  const [bars, marks, cursor] = [h('path', { class: 'bars' }), h('g'), h('line', { class: 'cursor' })];
  svg.append(bars, marks, cursor);
  legend(byId('strip-legend'));
  let [all, width, span, isOver] = [null, 1000, SHOWN_MS, false];
  const words = (share) => {
    const x = share * width;
    const bar = all.bars.find(({ left, right }) => x >= left && x <= right);
    return placeWords(whenWords(share, span, isOver), near(all.marks, x, REACH), bar?.rate ?? null);
  };
  const tip = tipView(svg.parentElement, (share) => (all ? words(share) : null));
  return (timeline) => {
    const now = timeline.newest.at_ms;
    [span, width, isOver] = [timeline.spanMs ?? SHOWN_MS, measured(svg), timeline.keepsAll];
    all = drawn(timeline.frames, now, span, width);
    set(bars, { d: outline(all.bars, all.most, HEIGHT) });
    marks.replaceChildren(...all.marks.map(mark));
    const share = (timeline.shown.at_ms - (now - span)) / span;
    set(cursor, { x1: share * width, x2: share * width, y1: 0, y2: HEIGHT });
    say(from, isOver ? 'its beginning' : agoWords(span));
    say(to, isOver ? 'its end' : 'now');
    listMarks(all.marks, (one) => (isOver
      ? whenWords(one.x / width, span, true)
      : new Date(one.at_ms).toLocaleTimeString('en-GB')));
    const held = timeline.isLive ? null : words(share);
    set(scrub, { 'aria-valuetext': held ?? 'now, live' });
    tip();
    return { ...all, held };
  };
}

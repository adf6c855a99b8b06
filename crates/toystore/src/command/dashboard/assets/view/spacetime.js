// The space-time diagram: lanes of processes, arrows of messages. Called by main.js with every
// frame; draws at most once a second while it is live, and again when another moment is chosen.

import { byId, each, h, say, set } from '../dom.js';
import { KINDS, timesOf } from '../model/messages.js';
import {
  lanes, LOOK_BACK_US, passedIn, spacetime, spanOf, SPANS_US, spanWords, titleWords,
} from '../model/spacetime.js';

const REDRAW_MS = 1000;
/** What is newer may not be known whole yet. */
const SETTLED_US = 400_000;
/** Room for the names, for the words of the axis, and from lane to lane, in pixels. */
const [NAMES, AXIS, LANE, NARROW] = [92, 22, 36, 480];
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** Where a share of the span and a lane are in the picture: time to the right, or down. */
function room(width, count) {
  const isNarrow = width < NARROW;
  const size = isNarrow ? { width, height: 520 } : { width, height: AXIS + count * LANE + 8 };
  const [head, length] = isNarrow ? [NAMES, size.height - NAMES - 14] : [NAMES, width - NAMES - 30];
  const along = (x) => head + Math.min(1.02, Math.max(-0.02, x)) * length;
  const across = (lane) => (isNarrow ? 46 + (lane * (width - 60)) / Math.max(1, count - 1) : AXIS + LANE / 2 + lane * LANE);
  return { ...size, isNarrow, at: (x, lane) => (isNarrow ? [across(lane), along(x)] : [along(x), across(lane)]) };
}

/** A line with a head; `part` is how much of it is drawn. */
function line([x1, y1], [x2, y2], part = 1, head = 6) {
  const [dx, dy] = [(x2 - x1) * part, (y2 - y1) * part];
  const [x, y, length] = [x1 + dx, y1 + dy, Math.hypot(dx, dy) || 1];
  const [ux, uy] = [(dx / length) * head, (dy / length) * head];
  const n = (value) => value.toFixed(1);
  const tip = part < 1
    ? `M${n(x - 4)} ${n(y - 4)}L${n(x + 4)} ${n(y + 4)}M${n(x + 4)} ${n(y - 4)}L${n(x - 4)} ${n(y + 4)}`
    : `M${n(x - ux - uy / 2)} ${n(y - uy + ux / 2)}L${n(x)} ${n(y)}L${n(x - ux + uy / 2)} ${n(y - uy - ux / 2)}`;
  return { d: `M${n(x1)} ${n(y1)}L${n(x)} ${n(y)}`, tip };
}

export function spacetimeView({ timeline, messages, hold, goLive }) {
  const [box, title, svg, said, spans, freeze] =
    ['spacetime', 'spacetime-title', 'spacetime-svg', 'spacetime-said', 'spacetime-spans', 'freeze'].map(byId);
  const [rails, ticks, arrows] = [h('g'), h('g'), h('g')];
  svg.append(rails, ticks, arrows);
  let [length, span, drawnAt, drawnFor, chosen, shown] = [SPANS_US[0], null, 0, null, null, []];

  const moment = () => `${length} ${timeline.heldAt}`;
  const tell = (one) => {
    if (!one) return say(said, shown.length ? 'Choose an arrow to read what it is; arrow keys go to the next.' : '');
    const { words, letter } = KINDS[one.kind];
    return say(said, `${letter}, ${words}: ${one.from} → ${one.to}${one.what ? `, ${one.what}` : ''}. It ${timesOf(one)}.`
      + (one.reply ? ` Its answer: ${one.reply}.` : ''));
  };
  const mark = () => {
    const stop = shown.some(({ one }) => one === chosen) ? chosen : shown[0]?.one;
    for (const { key, one } of shown) {
      const element = arrows.known.get(key);
      element.classList.toggle('chosen', one === chosen);
      set(element, { tabindex: one === stop ? 0 : -1 });
    }
  };
  const choose = (one) => {
    chosen = one;
    tell(one);
    mark();
  };
  const step = (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by || shown.length === 0) return;
    event.preventDefault();
    const place = shown.findIndex(({ one }) => one === chosen);
    const next = shown[Math.min(shown.length - 1, Math.max(0, place + by))];
    arrows.known.get(next.key).focus();
  };
  svg.onkeydown = step;

  const make = ({ one }) => h('g', { role: 'img',
    onclick: () => choose(one), onfocus: () => choose(one),
    onmouseenter: () => tell(one), onmouseleave: () => tell(chosen) },
    h('path', { class: 'near' }), h('path', { class: 'there' }), h('path', { class: 'tip' }),
    h('path', { class: 'back' }), h('text', { 'text-anchor': 'middle' }));
  const drawArrow = (element, { one, lost, there, back }, at) => {
    const [near, out, tip, reply, letter] = element.children;
    const [start, end] = [at(there.from, there.out), at(there.to, there.into)];
    const first = line(start, end, lost ? 0.5 : 1);
    const second = back && line(at(back.from, back.out), at(back.to, back.into), back.lost ? 0.5 : 1, 4);
    set(near, { d: first.d });
    set(out, { d: first.d });
    set(tip, { d: first.tip });
    set(reply, { d: second ? second.d + second.tip : null });
    set(letter, { x: start[0] + (end[0] - start[0]) * 0.3, y: start[1] + (end[1] - start[1]) * 0.3 + 4 });
    say(letter, KINDS[one.kind].letter);
    set(element, { class: `arrow kind-${one.kind}${lost ? ' lost' : ''}`,
      'aria-label': `${KINDS[one.kind].words}, ${one.from} to ${one.to}${lost ? ', lost' : ''}` });
  };

  const draw = (frame) => {
    const names = lanes(frame);
    const width = Math.max(300, svg.clientWidth);
    const { at, height, isNarrow } = room(width, names.length);
    set(svg, { viewBox: `0 0 ${width} ${height}`, height });
    const path = ([x1, y1], [x2, y2]) => `M${x1} ${y1}L${x2} ${y2}`;
    const makeRail = () => h('g', {}, h('path', { class: 'rail' }), h('text'));
    each(rails, names.map((name, lane) => ({ name, lane })), ({ name }) => name, makeRail, (element, { name, lane }) => {
      set(element.firstChild, { d: path(at(0, lane), at(1, lane)) });
      const [x, y] = at(0, lane);
      set(element.lastChild, isNarrow
        ? { x: 0, y: 0, transform: `translate(${x + 4} ${NAMES - 8}) rotate(-90)` }
        : { x: 2, y: y + 4, transform: null });
      say(element.lastChild, name);
    });
    const makeTick = () => h('g', {}, h('path', { class: 'tick' }), h('text', { 'text-anchor': 'middle' }));
    each(ticks, TICKS, String, makeTick, (element, share) => {
      set(element.firstChild, { d: path(at(share, 0), at(share, names.length - 1)) });
      const [x, y] = at(share, 0);
      set(element.lastChild, isNarrow ? { x: 18, y: y + 4 } : { x, y: 12 });
      say(element.lastChild, isNarrow ? (length * share) / 1000 : spanWords(length * share));
    });
    const around = messages.between(span.from, span.to);
    const { arrows: all, inside } = spacetime(around, names, span);
    shown = all.map((arrow, place) => ({ ...arrow, key: `${arrow.one.id} ${place}` }));
    each(arrows, shown, ({ key }) => key, make, (element, arrow) => drawArrow(element, arrow, at));
    if (!shown.some(({ one }) => one === chosen)) chosen = null;
    tell(chosen);
    mark();
    say(title, titleWords(span, shown.length, inside, passedIn(timeline.frames, span)));
    set(svg, { 'aria-label': `Messages between processes, ${title.textContent}` });
  };

  const update = (frame) => {
    say(freeze, timeline.isLive ? 'Freeze' : 'Go on');
    if (!box.open || !frame) return;
    const now = performance.now();
    const isHeld = !timeline.isLive;
    const isLooked = svg.contains(document.activeElement) || svg.matches(':hover');
    const same = drawnFor === moment();
    // Nothing runs away under the hand.
    if (same && (isHeld || isLooked || now - drawnAt < REDRAW_MS)) return;
    const end = isHeld ? timeline.heldAt * 1000 : frame.at_ms * 1000 - SETTLED_US;
    span = spanOf(messages.between(end - 2 * Math.max(length, LOOK_BACK_US), end), end, length);
    [drawnAt, drawnFor] = [now, moment()];
    draw(frame);
  };
  spans.append(...SPANS_US.map((us) => h('label', {},
    h('input', { type: 'radio', name: 'span', value: us, checked: us === length ? '' : null,
      'data-testid': `span-${us}`, onchange: () => { length = us; update(timeline.shown); } }), spanWords(us))));
  freeze.onclick = () => {
    if (!timeline.isLive) return goLive();
    if (!span) return null;
    // What is drawn stays: it is of the moment that is held from now on.
    hold(span.to / 1000);
    drawnFor = moment();
    return null;
  };
  box.ontoggle = () => { drawnFor = null; update(timeline.shown); };
  return update;
}

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
  const along = (x) => head + x * length;
  const across = (lane) => (isNarrow ? 46 + (lane * (width - 60)) / Math.max(1, count - 1) : AXIS + LANE / 2 + lane * LANE);
  return { ...size, isNarrow, at: (x, lane) => (isNarrow ? [across(lane), along(x)] : [along(x), across(lane)]) };
}

/** A line with a head, or a cross; `part` is how much of it is drawn. */
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

const straight = ([x1, y1], [x2, y2]) => `M${x1} ${y1}L${x2} ${y2}`;

function drawLanes(layer, names, { at, isNarrow }) {
  const make = () => h('g', {}, h('path', { class: 'rail' }), h('text'));
  each(layer, names.map((name, lane) => ({ name, lane })), ({ name }) => name, make, (element, { name, lane }) => {
    const [x, y] = at(0, lane);
    set(element.firstChild, { d: straight([x, y], at(1, lane)) });
    set(element.lastChild, isNarrow
      ? { x: 0, y: 0, transform: `translate(${x + 4} ${NAMES - 8}) rotate(-90)` }
      : { x: 2, y: y + 4, transform: null });
    say(element.lastChild, name);
  });
}

function drawTicks(layer, lengthUs, count, { at, isNarrow }) {
  const make = () => h('g', {}, h('path', { class: 'tick' }), h('text', { 'text-anchor': 'middle' }));
  each(layer, TICKS, String, make, (element, share) => {
    const [x, y] = at(share, 0);
    set(element.firstChild, { d: straight([x, y], at(share, count - 1)) });
    set(element.lastChild, isNarrow ? { x: 20, y: y + 4 } : { x, y: 12 });
    say(element.lastChild, isNarrow && share > 0 ? (lengthUs * share) / 1000 : spanWords(lengthUs * share));
  });
}

/** A half of an arrow, there or back; one whose end is outside the picture has no head. */
function half(way, lost, at, head) {
  if (!way) return { d: '', tip: '' };
  const drawn = line(at(way.from, way.out), at(way.to, way.into), lost ? 0.5 : 1, head);
  return way.cut && !lost ? { ...drawn, tip: '' } : drawn;
}

function drawArrow(element, { one, lost, there, back }, at) {
  const [near, out, tip, reply, letter] = element.children;
  const [first, second] = [half(there, lost, at, 6), half(back, back?.lost, at, 4)];
  // The letter stands on what is in the picture of it.
  const way = there ?? back;
  const [start, end] = [at(way.from, way.out), at(way.to, way.into)];
  set(near, { d: first.d || second.d });
  set(out, { d: first.d });
  set(tip, { d: first.tip });
  set(reply, { d: second.d + second.tip });
  set(letter, { x: start[0] + (end[0] - start[0]) * 0.3, y: start[1] + (end[1] - start[1]) * 0.3 + 4 });
  say(letter, KINDS[one.kind].letter);
  set(element, { 'aria-label': `${KINDS[one.kind].words}, ${one.from} to ${one.to}${lost ? ', lost' : ''}` });
}

/** The arrows: one is chosen by mouse or keys, and read in the line below. One stop for the tab key. */
function arrowsView(layer, said) {
  let [shown, chosen] = [[], null];
  const tell = (one) => say(said, one
    ? `${KINDS[one.kind].letter}, ${KINDS[one.kind].words}: ${one.from} → ${one.to}${one.what ? `, ${one.what}` : ''}. `
      + `It ${timesOf(one)}.${one.reply ? ` Its answer: ${one.reply}.` : ''}`
    : shown.length > 0 ? 'Choose an arrow to read what it is: the picture waits. Arrow keys go to the next one.' : '');
  const mark = () => {
    const stop = chosen ?? shown[0]?.one;
    for (const { key, one, lost } of shown) {
      set(layer.known.get(key), {
        class: `arrow kind-${one.kind}${lost ? ' lost' : ''}${one === chosen ? ' chosen' : ''}`,
        tabindex: one === stop ? 0 : -1,
      });
    }
    tell(chosen);
  };
  const choose = (one) => {
    chosen = one;
    mark();
  };
  layer.onkeydown = (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === 'Escape') {
      document.activeElement.blur();
      choose(null);
    }
    if (!by) return;
    event.preventDefault();
    const place = shown.findIndex(({ one }) => one === chosen) + by;
    layer.known.get(shown[Math.min(shown.length - 1, Math.max(0, place))].key).focus();
  };
  const make = ({ one }) => h('g', { role: 'img', onclick: () => choose(one), onfocus: () => choose(one),
    onmouseenter: () => tell(one), onmouseleave: () => tell(chosen) },
    h('path', { class: 'near' }), h('path', { class: 'there' }), h('path', { class: 'tip' }),
    h('path', { class: 'back' }), h('text', { 'text-anchor': 'middle' }));
  return (arrows, at) => {
    shown = arrows.map((arrow, place) => ({ ...arrow, key: `${arrow.one.id} ${place}` }));
    if (!shown.some(({ one }) => one === chosen)) chosen = null;
    each(layer, shown, ({ key }) => key, make, (element, arrow) => drawArrow(element, arrow, at));
    mark();
  };
}

/** `hold(atMs)` shows another moment on the whole page, `goLive()` the newest. */
export function spacetimeView({ timeline, messages, hold, goLive }) {
  const [box, title, svg, spans, freeze] =
    ['spacetime', 'spacetime-title', 'spacetime-svg', 'spacetime-spans', 'freeze'].map(byId);
  const [rails, ticks, layer] = [h('g'), h('g'), h('g')];
  svg.append(rails, ticks, layer);
  const drawArrows = arrowsView(layer, byId('spacetime-said'));
  let [length, span, drawnAt, drawnFor] = [SPANS_US[0], null, 0, null];

  const draw = (frame) => {
    const names = lanes(frame);
    const width = Math.max(300, svg.clientWidth);
    const place = room(width, names.length);
    set(svg, { viewBox: `0 0 ${width} ${place.height}`, height: place.height });
    drawLanes(rails, names, place);
    drawTicks(ticks, length, names.length, place);
    const { arrows, inside } = spacetime(messages.between(span.from, span.to), names, span);
    drawArrows(arrows, place.at);
    const { newest } = timeline;
    const began = timeline.keepsAll ? newest.at_ms - newest.clock_ms : null;
    say(title, titleWords(span, arrows.length, inside, passedIn(timeline.frames, span), began));
    set(svg, { 'aria-label': `Messages between processes, ${title.textContent}` });
  };
  const moment = () => `${length} ${timeline.heldAt}`;
  const update = (frame) => {
    box.hidden = !messages.isHeard;
    // Of a run that is over nothing goes on.
    freeze.hidden = timeline.keepsAll;
    say(freeze, timeline.isLive ? 'Freeze' : 'Go on');
    if (!box.open || box.hidden || !frame) return;
    const isHeld = !timeline.isLive;
    const isLooked = layer.contains(document.activeElement) || svg.matches(':hover');
    // Nothing runs away under the hand.
    const stays = isHeld || isLooked || performance.now() - drawnAt < REDRAW_MS;
    if (stays && drawnFor === moment()) return;
    const end = isHeld ? timeline.heldAt * 1000 : frame.at_ms * 1000 - SETTLED_US;
    span = spanOf(messages.between(end - Math.max(length, LOOK_BACK_US), end), end, length);
    [drawnAt, drawnFor] = [performance.now(), moment()];
    draw(frame);
  };

  spans.append(...SPANS_US.map((us) => h('label', {},
    h('input', { type: 'radio', name: 'span', value: us, checked: us === length ? '' : null,
      'data-testid': `span-${us}`, onchange: () => { length = us; update(timeline.shown); } }), spanWords(us))));
  freeze.onclick = () => {
    if (!timeline.isLive) {
      goLive();
    } else if (span) {
      // What is drawn stays: it is of the moment that is held from now on.
      hold(span.to / 1000);
      drawnFor = moment();
    }
  };
  box.ontoggle = () => {
    drawnFor = null;
    update(timeline.shown);
  };
  return update;
}

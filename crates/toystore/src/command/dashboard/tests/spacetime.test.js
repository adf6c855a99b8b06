// The space-time diagram: lanes, spans, arrows.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Messages, SHOPPERS } from '../assets/model/messages.js';
import { ARROWS_MAX, clipped, lanes, passedIn, spacetime, spanOf, titleWords } from '../assets/model/spacetime.js';
import { call, catalog, frame, frontend, order, passing, purchase } from './frames.js';

const nodes = [catalog([]), order(1), order(2), order(3, { leads: true }), frontend()];
const NAMES = lanes(frame(1, nodes));

function known(...events) {
  const messages = new Messages();
  messages.add([frame(10, passing(nodes, events.flat()))]);
  return messages.between(0, 10_000_000);
}

test('each process has a lane, from those who ask to those who have the toys', () => {
  assert.deepEqual(NAMES, [SHOPPERS, 'frontend-1', 'order-1', 'order-2', 'order-3', 'catalog']);
});

test('an arrow runs from when it was sent to when it came, its answer back', () => {
  const all = known(call('a', 'order-3', 'order-1', 'heartbeat', [1000, 2000, 6000, 7000]));
  const { arrows: [arrow, ...others], inside } = spacetime(all, NAMES, { from: 0, to: 10_000 });
  assert.deepEqual([others.length, inside, arrow.lost], [0, 1, false]);
  assert.deepEqual(arrow.there, { from: 0.1, to: 0.2, out: 4, into: 2, cut: false });
  assert.deepEqual(arrow.back, { from: 0.6, to: 0.7, out: 2, into: 4, lost: false, cut: false });
});

test('what is lost has an arrow without an end, and a client no clock', () => {
  const [lost] = spacetime(known(call('a', 'order-3', 'order-1', 'heartbeat', [1000, null, null, 9000], { learned: 'unknown' })),
    NAMES, { from: 0, to: 10_000 }).arrows;
  assert.deepEqual([lost.lost, lost.there.to, lost.back], [true, 0.1, null]);
  const [asked] = spacetime(known(call('b', SHOPPERS, 'frontend-1', 'fill Tux for frontend-2 g1.1', [null, 4000, 5000, null])),
    NAMES, { from: 0, to: 10_000 }).arrows;
  assert.deepEqual([asked.there, asked.back.from, asked.back.to], [{ from: 0.4, to: 0.4, out: 0, into: 1, cut: false }, 0.5, 0.5]);
  // Who sent it is not known: there is no lane to begin in.
  assert.equal(spacetime(known(call('c', 'order-1', 'catalog', 'x', [null, null, 5000, null])), NAMES, { from: 0, to: 10_000 }).arrows.length, 0);
});

test('a line that runs over the edge keeps its slope', () => {
  // 300 ms late, in a picture of 10 ms: hardly on its way down at the edge.
  const late = clipped({ from: 0.5, to: 30.5, out: 1, into: 4 });
  assert.deepEqual([late.from, late.to, late.cut], [0.5, 1.02, true]);
  assert.ok(Math.abs((late.into - late.out) / (late.to - late.from) - 3 / 30) < 1e-9, `${late.into}`);
  const came = clipped({ from: -29.5, to: 0.5, out: 1, into: 4, lost: false });
  assert.deepEqual([came.from, came.to, came.into, came.cut, came.lost], [-0.02, 0.5, 4, false, false]);
  assert.ok(came.out > 3.9, `${came.out}`);
  assert.equal(clipped({ from: 1.5, to: 3, out: 1, into: 4 }), null);
  assert.equal(clipped({ from: -2, to: -1, out: 1, into: 4 }), null);
});

test('of a call whose way there is outside only its answer is drawn', () => {
  const all = known(call('a', 'order-3', 'order-1', 'heartbeat', [1000, 2000, 6000, 7000]));
  const [arrow] = spacetime(all, NAMES, { from: 5000, to: 15_000 }).arrows;
  assert.equal(arrow.there, null);
  assert.deepEqual([arrow.back.from, arrow.back.to], [0.1, 0.2]);
  // While it is worked on nothing of it is under way.
  assert.deepEqual(spacetime(all, NAMES, { from: 3000, to: 5000 }).arrows, []);
});

test('the span with most to see is chosen, a purchase before leases', () => {
  const lease = (at) => call(`l${at}`, 'frontend-1', 'catalog', 'renew-lease frontend-1/1', [at, at + 100, at + 200, at + 300]);
  const all = known(lease(9_100_000), purchase(1, 9_400_000), lease(9_700_000), lease(9_701_000));
  const span = spanOf(all, 10_000_000, 10_000);
  assert.equal(span.to - span.from, 10_000);
  assert.ok(span.from < 9_400_000 && span.from > 9_399_000, `${span.from}`);
  assert.equal(spacetime(all, NAMES, span).inside, 6);
  // Of an hour ago nothing is looked at; without anything the newest.
  assert.deepEqual(spanOf(all, 99_000_000, 10_000), { from: 98_990_000, to: 99_000_000 });
  assert.deepEqual(spanOf([], 5_000_000, 1_000_000), { from: 4_000_000, to: 5_000_000 });
  for (const length of [10_000, 100_000, 1_000_000, 5_000_000]) {
    const { from, to } = spanOf(all, 10_000_000, length);
    assert.ok(to <= 10_000_000 && to - from === length, `${length}`);
  }
});

test('of too many arrows those of more weight are drawn, and the title says how many', () => {
  const logs = Array.from({ length: 300 }, (_, place) =>
    call(`a${place}`, 'order-3', 'order-1', 'heartbeat', [1000 + place, 2000, 3000, 4000]));
  const { arrows, inside } = spacetime(known(logs.flat(), purchase(1, 2000)), NAMES, { from: 0, to: 10_000 });
  assert.deepEqual([arrows.length, inside], [ARROWS_MAX, 306]);
  assert.ok(arrows.some(({ one }) => one.kind === 'take'));
  const span = { from: 1_000_000, to: 1_010_000 };
  assert.match(titleWords(span, 160, 306, 1234), /^10 ms from \d\d:\d\d:\d\d\.000 on: 160 of about 1,234 messages\.$/);
  assert.match(titleWords(span, 6, 6, 6), /: 6 of 6 messages\.$/);
  assert.match(titleWords(span, 6, 6, 6, 400), /^10 ms from 0\.600 s of the run on: /);
  assert.match(titleWords(span, 0, 0, null), /: no message is known\.$/);
});

test('what passed in a span is a share of what frames say', () => {
  const frames = [1, 2, 3].map((number) => frame(number, passing(nodes, [], 100)));
  assert.equal(passedIn(frames, { from: 1_500_000, to: 2_000_000 }), 250);
  assert.equal(passedIn(frames, { from: 1_500_000, to: 2_500_000 }), 500);
  assert.equal(passedIn([frame(1, nodes), frame(2, nodes)], { from: 1_000_000, to: 2_000_000 }), null);
});

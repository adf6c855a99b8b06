import assert from 'node:assert/strict';
import { test } from 'node:test';

import { conclusion, introduction, moment, strip } from '../assets/model/bundle.js';
import { drawn } from '../assets/model/strip.js';
import { KEPT_MS, Timeline } from '../assets/model/timeline.js';
import { frame, order } from './frames.js';

const at = (...times) => times.map((at_ms, place) => ({ number: place + 1, at_ms }));

test('of a run that is over nothing is forgotten, and it is held where it is to be looked at', () => {
  const timeline = new Timeline();
  timeline.keepAll(2000);
  timeline.add(at(1000, 2000, 3000));
  timeline.add(at(1000, 2000, 3000, 3000 + 2 * KEPT_MS));
  assert.equal(timeline.frames.length, 4);
  assert.deepEqual([timeline.shown.at_ms, timeline.isLive], [2000, false]);
  assert.equal(timeline.spanMs, 2000 + 2 * KEPT_MS);
  assert.equal(new Timeline().spanMs, null);
});

test('the strip of such a run is all of it', () => {
  const nodes = (orders) => [order(3, { leads: true, orders })];
  const frames = [frame(0, nodes(0)), frame(5, nodes(10)), frame(10, nodes(10))];
  const { bars } = drawn(frames, 10_000, 10_000, 1000);
  assert.deepEqual(bars.map(({ left, right, rate }) => [left, right, rate]), [[0, 500, 2], [500, 1000, 0]]);
});

test('a moment is told on the clock of the run', () => {
  assert.equal(moment({ clock_ms: 1250 }, { clock_ms: 60_000 }), '1.3 s into the run, of 60.0 s');
});

test('what a bundle is stands above its verdict, also that it is judged otherwise today', () => {
  const hello = { viewing: 'round-3', verdict: { operations: 42 }, differs: null };
  assert.equal(introduction(hello, 'held'), 'round-3: 42 operations, held.');
  assert.equal(introduction({ ...hello, differs: 'stock was held' }, 'broke'),
    'round-3: 42 operations, broke. Stock was held.');
});

test('a verdict ends with what counts of it', () => {
  const lines = [{ name: 'once', verdict: 'broke' }, { name: 'stock', verdict: 'held' },
    { name: 'kept', verdict: 'broke' }, { name: 'orders', verdict: 'held' }];
  assert.equal(conclusion({ mark: '✗', says: 'broke', verdict: 'broke', lines }), '✗ broke: once, kept');
  assert.equal(conclusion({ mark: '✓', says: 'held', verdict: 'held', lines }),
    '✓ held: all 2 guarantees that could be judged');
});

test('without frames the strip is what clients were told, and when', () => {
  const told = { bar_ms: 1000, orders: [4, 0], marks: [{ at_ms: 500, kind: 'fault', words: 'order-1: kill' }] };
  const { bars, marks, most } = strip(told, 1000);
  assert.deepEqual(bars, [{ left: 0, right: 500, rate: 4 }, { left: 500, right: 1000, rate: 0 }]);
  assert.deepEqual([marks[0].x, most], [250, 4]);
});

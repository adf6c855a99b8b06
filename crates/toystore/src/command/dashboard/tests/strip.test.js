// The strip of time: bars, marks, and the words for a place on it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { drawn, near, outline, placeWords, SIGNS, whenWords } from '../assets/model/strip.js';
import { dead, frame, order } from './frames.js';

test('there is a bar for each frame and a mark for each happening', () => {
  const still = order(2, { orders: 0 });
  const orders = (number, count, over) => frame(number, [order(1, { orders: count }), over ?? still]);
  const frames = [orders(1, 0), orders(2, 10), orders(3, 10, dead(order(2)))];
  const { bars, marks, most } = drawn(frames, 3000, 180_000, 1000);
  assert.deepEqual(bars.map((bar) => bar.rate), [10, 0]);
  assert.deepEqual(marks.map((mark) => [mark.words, mark.at_ms]), [['order-2: dead', 3000]]);
  assert.equal(most, 10);
  assert.ok(Math.abs(bars.at(-1).right - 1000) < 1e-9);
});

test('a single order is seen beside thousands, and none is not', () => {
  const bars = [{ left: 0, right: 10, rate: 4000 }, { left: 10, right: 20, rate: 1 }, { left: 20, right: 30, rate: 0 },
    { left: 30, right: 40, rate: null }];
  assert.equal(outline(bars, 4000, 56), 'M0.0 56V4.0H10.0V56ZM10.0 56V53.0H20.0V56Z');
  assert.equal(outline([], 0, 56), '');
});

test('each kind of mark has a sign and a place of its own', () => {
  const all = Object.values(SIGNS);
  assert.equal(new Set(all.map(({ sign }) => sign)).size, all.length);
  assert.equal(new Set(all.map(({ y }) => y)).size, all.length);
});

test('what happened at a place is told with the time, three things at most', () => {
  const marks = [{ x: 10, words: 'order-1: dead' }, { x: 14, words: 'order-2 leads, term 3' }, { x: 90, words: 'order-1: up' }];
  assert.deepEqual(near(marks, 12, 5).map(({ x }) => x), [10, 14]);
  assert.equal(placeWords('12 s ago', near(marks, 12, 5), 3.25), '12 s ago: order-1: dead; order-2 leads, term 3; 3.3 orders/s');
  assert.equal(placeWords('12 s ago', []), '12 s ago: nothing happened');
  const many = Array.from({ length: 5 }, (_, n) => ({ x: n, words: `n${n}` }));
  assert.equal(placeWords('now', many), 'now: n0; n1; n2; and 2 more');
  assert.equal(whenWords(1, 180_000, false), 'now');
  assert.equal(whenWords(0.5, 180_000, false), '2 min ago');
  assert.equal(whenWords(0.75, 60_000, false), '15 s ago');
  assert.equal(whenWords(0.25, 8000, true), '2.0 s into the run');
});

// What happens in caches, and how long things take.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { happenings, touched } from '../assets/model/cache.js';
import { lasting } from '../assets/model/time.js';
import { dead, frame, frontend } from './frames.js';

const event = (number, what, over = {}) =>
  ({ number, ago_ms: 40, what, name: 'Tux', version: null, by: null, ...over });
const slot = (name, hits) => ({ name, quantity: 1, version: 1, age_ms: 5, hits });

function at(number, happened, cache = [], over = {}) {
  const node = frontend({}, cache, over);
  node.said.status.happened = happened;
  return frame(number, [node]);
}

test('what happened is told in words, the newest first', () => {
  const all = [event(1, 'miss'), event(2, 'fill', { version: 12 }), event(3, 'evict', { name: 'Fox', by: 'Tux' }),
    event(4, 'invalidate'), event(5, 'expire'), event(6, 'drop', { name: null })];
  const { lines, more } = happenings(at(1, all), null, 'frontend-1');
  assert.deepEqual(lines.map((line) => line.words), ['everything dropped', 'Tux expired: the lease ran out',
    'Tux invalidated', 'Fox evicted for Tux', 'Tux filled, version 12']);
  assert.deepEqual([lines[0].age_ms, more], [40, 0]);
});

test('what is not shown of the time since the last look is counted', () => {
  const some = (first, last) => Array.from({ length: last - first + 1 }, (_, place) => event(first + place, 'miss'));
  const more = (now, then) => happenings(at(2, now), then && at(1, then), 'frontend-1').more;
  assert.equal(more(some(10, 25), some(1, 8)), 12);
  assert.equal(more(some(4, 9), some(1, 5)), 0);
  assert.equal(more(some(1, 16), []), 11);
  assert.equal(more([], []), 0);
  // Another process counts from 1: nobody knows what it did before.
  assert.equal(happenings(at(2, some(1, 16)), at(1, some(1, 3), [], { pid: 5 }), 'frontend-1').more, 0);
});

test('slots that were hit or filled since the last look are known', () => {
  const then = at(1, [event(1, 'fill', { version: 1 })], [slot('Tux', 3), slot('Fox', 7)]);
  const now = at(2, [event(1, 'fill', { version: 1 }), event(2, 'fill', { name: 'Whale', version: 2 })],
    [slot('Tux', 5), slot('Fox', 7), slot('Whale', 0), slot('Elephant', 1)]);
  assert.deepEqual([...touched(now, then, 'frontend-1')], [['Tux', 'hit'], ['Elephant', 'hit'], ['Whale', 'filled']]);
  assert.equal(touched(now, null, 'frontend-1').size, 0);
});

test('a frontend that says nothing, or nothing of this, has no lines', () => {
  for (const one of [frame(1, [frontend()]), frame(1, [dead(frontend())]), frame(1, [])]) {
    assert.deepEqual(happenings(one, one, 'frontend-1'), { lines: [], more: 0 });
    assert.equal(touched(one, one, 'frontend-1').size, 0);
  }
});

test('one way to say how long something took', () => {
  const words = [null, 0, 870, 2718, 5000, 15_300, 999_999, 1_000_000, 3_240_000, 300_000_000].map(lasting);
  assert.deepEqual(words, ['–', '0 µs', '870 µs', '2.7 ms', '5 ms', '15 ms', '1 s', '1 s', '3.2 s', '5 min']);
});

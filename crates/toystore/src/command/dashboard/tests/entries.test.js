// What stands in the cells of a log.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cellWords, Entries, ENTRIES_MAX, stepped } from '../assets/model/entries.js';

test('what is committed is known for good, the rest for now', () => {
  const entries = new Entries();
  entries.add('order-1', [{ index: 5, words: 'order 4: 2 × Tux' }, { index: 6, words: 'x' }], 5);
  assert.deepEqual(entries.at('order-1', 5), { words: 'order 4: 2 × Tux', isFinal: true });
  assert.equal(entries.at('order-1', 6).isFinal, false);
  entries.add('order-1', [{ index: 6, words: 'y' }], 6);
  assert.deepEqual(entries.at('order-1', 6), { words: 'y', isFinal: true });
  assert.deepEqual([entries.at('order-1', 7), entries.at('order-2', 5)], [null, null]);
  entries.forget();
  assert.equal(entries.at('order-1', 5), null);
  entries.add('order-1', undefined, 1);
});

test('only so many are kept, the ones told last', () => {
  const entries = new Entries();
  const some = Array.from({ length: ENTRIES_MAX + 10 }, (_, index) => ({ index, words: `${index}` }));
  entries.add('order-1', some, 0);
  assert.deepEqual([entries.at('order-1', 9), entries.at('order-1', 10).words], [null, '10']);
});

test('a cell is told by number and state, and by its order where that is known', () => {
  const entry = { words: 'order 4: 2 × Tux' };
  assert.deepEqual(cellWords('order-1', { index: 5, state: 'committed' }, entry),
    { first: 'Entry 5 of order-1: committed', second: 'order 4: 2 × Tux' });
  assert.equal(cellWords('order-1', { index: 5, state: 'written' }, null).second, '');
  assert.deepEqual(cellWords('order-1', { index: 5, state: 'missing' }, entry), { first: 'Entry 5 of order-1: missing', second: '' });
});

test('keys go along a row, and not beyond its ends', () => {
  const to = (key, place) => stepped(key, place, 10);
  assert.deepEqual([to('ArrowRight', 3), to('ArrowLeft', 3), to('Home', 3), to('End', 3)], [4, 2, 0, 9]);
  assert.deepEqual([to('ArrowRight', 9), to('ArrowLeft', 0), to('Enter', 3)], [9, 0, null]);
});

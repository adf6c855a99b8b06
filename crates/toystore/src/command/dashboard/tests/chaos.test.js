// Chaos as it is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chaos, seedOf } from '../assets/model/chaos.js';

test('what is struck is said, and what was', () => {
  assert.equal(chaos({}), null);
  assert.equal(chaos({ chaos: null }), null);
  const words = (over) => chaos({ chaos: { seed: 7, step: 0, now: null, last: [], ...over } }).words;
  assert.equal(words({}), 'Chaos, seed 7: about to begin');
  assert.equal(words({ step: 12, now: 'order-2 is paused, 1.2 s' }), 'Chaos, seed 7: strike 12: order-2 is paused, 1.2 s');
  const { words: after, last } = chaos({ chaos: { seed: 7, step: 2, now: null, last: [{ step: 2, words: 'a' }, { step: 1, words: 'b' }] } });
  assert.equal(after, 'Chaos, seed 7: strike 2 is over');
  assert.deepEqual(last, ['2: a', '1: b']);
});

test('a seed is a whole number, or nothing', () => {
  assert.equal(seedOf(' '), null);
  assert.equal(seedOf('0'), 0);
  assert.equal(seedOf(' 4711 '), 4711);
  for (const wrong of ['-1', '1.5', 'seven', '9007199254740992']) assert.throws(() => seedOf(wrong), /is no seed/);
});

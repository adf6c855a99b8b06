import assert from 'node:assert/strict';
import { test } from 'node:test';

import { KEPT_MS, Timeline } from '../assets/model/timeline.js';

const at = (...times) => times.map((at_ms, place) => ({ number: place + 1, at_ms }));

test('the newest frame is shown, and nothing before there is one', () => {
  const timeline = new Timeline();
  assert.deepEqual([timeline.shown, timeline.newest, timeline.before(1), timeline.isLive], [null, null, null, true]);
  timeline.add(at(1000, 1250, 1500));
  assert.equal(timeline.shown.at_ms, 1500);
});

test('what comes again is not taken twice, and what is older not at all', () => {
  const timeline = new Timeline();
  timeline.add(at(1000, 1250));
  timeline.add([...at(1000, 1250), { number: 3, at_ms: 1500 }]);
  assert.deepEqual(timeline.frames.map((frame) => frame.at_ms), [1000, 1250, 1500]);
  // The store was started again: its frames are counted from 1.
  timeline.add([{ number: 1, at_ms: 9000 }]);
  assert.equal(timeline.newest.at_ms, 9000);
});

test('a moment that is held stays while frames come, until it is let go', () => {
  const timeline = new Timeline();
  timeline.add(at(1000, 2000, 3000));
  timeline.hold(2500);
  assert.deepEqual([timeline.isLive, timeline.shown.at_ms], [false, 2000]);
  timeline.add([{ number: 4, at_ms: 4000 }]);
  assert.equal(timeline.shown.at_ms, 2000);
  assert.equal(timeline.before(1000).at_ms, 1000);
  timeline.hold(500);
  assert.equal(timeline.shown.at_ms, 1000);
  timeline.hold(4000);
  assert.deepEqual([timeline.isLive, timeline.shown.at_ms], [true, 4000]);
  timeline.hold(1500);
  timeline.goLive();
  assert.equal(timeline.shown.at_ms, 4000);
});

test('only the last minutes are kept', () => {
  const timeline = new Timeline();
  timeline.add(at(0, 1000, KEPT_MS, KEPT_MS + 1000));
  assert.deepEqual(timeline.frames.map((frame) => frame.at_ms), [1000, KEPT_MS, KEPT_MS + 1000]);
});

test('frames go on when the clock is set back, in the order of their numbers', () => {
  const timeline = new Timeline();
  timeline.add(at(10_000, 10_250));
  assert.equal(timeline.add([{ number: 3, at_ms: 4000 }, { number: 4, at_ms: 4250 }]).length, 2);
  assert.equal(timeline.shown.at_ms, 4250);
  // What comes again is known by its number and its moment.
  assert.deepEqual(timeline.add([...at(10_000, 10_250), { number: 4, at_ms: 4250 }, { number: 5, at_ms: 4500 }]),
    [{ number: 5, at_ms: 4500 }]);
});

test('a store that was started again is another run, whatever its clock says', () => {
  const timeline = new Timeline();
  timeline.add(at(10_000, 10_250, 10_500));
  assert.equal(timeline.began, 0);
  timeline.add([{ number: 1, at_ms: 12_000 }, { number: 2, at_ms: 12_250 }]);
  assert.deepEqual([timeline.began, timeline.frames.length, timeline.newest.at_ms], [1, 5, 12_250]);
  // Its clock is behind: the same number of another moment.
  timeline.add([{ number: 1, at_ms: 3000 }]);
  assert.deepEqual([timeline.began, timeline.newest.at_ms], [2, 3000]);
  // What is older and was never seen is no news.
  assert.deepEqual(timeline.add([{ number: 0, at_ms: 2000 }]), []);
});

test('a server that says when it was started is told apart for sure', () => {
  const timeline = new Timeline();
  timeline.begin('first');
  timeline.add(at(10_000, 10_250, 10_500));
  timeline.begin('first');
  assert.deepEqual([timeline.add(at(10_000, 10_250)).length, timeline.began], [0, 1]);
  timeline.begin('second');
  assert.deepEqual([timeline.add(at(10_000, 10_250)).length, timeline.began], [2, 2]);
  // Without a word of it nothing begins.
  timeline.begin(undefined);
  assert.equal(timeline.began, 2);
});

test('the frames of the last moment are those up to the one that is shown', () => {
  const timeline = new Timeline();
  assert.deepEqual(timeline.last(1000), []);
  timeline.add(at(1000, 1250, 1500, 2500));
  const times = (ms) => timeline.last(ms).map((frame) => frame.at_ms);
  assert.deepEqual([times(1000), times(1250), times(1)], [[1500, 2500], [1250, 1500, 2500], [2500]]);
  timeline.hold(1500);
  assert.deepEqual(times(300), [1250, 1500]);
});

test('a clock that jumps about does not fill the memory', () => {
  const timeline = new Timeline();
  for (let number = 1; number < 5000; number += 1) timeline.add([{ number, at_ms: 10_000_000 - number }]);
  assert.ok(timeline.frames.length < 2000, `${timeline.frames.length}`);
});

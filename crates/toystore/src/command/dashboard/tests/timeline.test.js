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

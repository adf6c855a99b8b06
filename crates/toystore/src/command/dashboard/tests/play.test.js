// Dots move in the order of cause and effect, and slowly enough to be seen.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Messages } from '../assets/model/messages.js';
import { choose, DOTS_MAX, HOP_MS, LAG_MAX_MS, PER_FRAME, Play } from '../assets/model/play.js';
import { call, catalog, frame, frontend, order, passing, purchase } from './frames.js';

const nodes = [catalog([]), order(1), order(2), order(3, { leads: true }), frontend()];
const at = (ms, events) => ({ ...frame(1, passing(nodes, events)), at_ms: ms });

/** Three frames, 250 ms apart; the events are of the time between the first two. */
function played(events, now = 10_000) {
  const [messages, play] = [new Messages(), new Play()];
  const frames = [at(1000, []), at(1250, events), at(1500, [])];
  messages.add(frames);
  play.see(messages, frames[0], frames[1], now - 250);
  play.see(messages, frames[1], frames[2], now);
  return play;
}

test('a purchase is drawn hop after hop, each long enough to be seen', () => {
  const { legs } = played(purchase(1, 1_100_000));
  assert.equal(legs.length, 12);
  const leg = (kind, reply, place = 0) => legs.filter((one) => one.kind === kind && one.reply === reply)[place];
  for (const one of legs) assert.ok(one.end - one.start >= HOP_MS, `${one.kind} ${one.end - one.start}`);
  const chain = [leg('request', false), leg('order', false), leg('take', false), leg('invalidation', false),
    leg('invalidation', true)];
  const rest = [leg('take', false), leg('take', true), leg('log', false), leg('log', true), leg('order', true), leg('request', true)];
  for (const one of [chain, rest]) {
    one.slice(1).forEach((next, place) => assert.ok(next.start >= one[place].end, `${one[place].kind}, ${next.kind}`));
  }
  // Both appends leave at nearly the same time.
  assert.ok(Math.abs(leg('log', false).start - leg('log', false, 1).start) < HOP_MS);
});

test('what is lost ends half way, with a cross that fades', () => {
  const play = played(call('a', 'order-3', 'order-1', 'heartbeat', [1_100_000, null, null, 1_200_000], { learned: 'unknown' }));
  const [leg, ...others] = play.legs;
  assert.deepEqual([leg.lost, others.length], [true, 0]);
  const seen = (ms) => play.dots(leg.start + ms).map(({ share, gone }) => [share, gone]);
  assert.deepEqual(seen(HOP_MS / 4), [[0.25, false]]);
  assert.deepEqual(seen(HOP_MS), [[0.5, true]]);
  assert.deepEqual(seen(5000), []);
  assert.ok(play.dots(leg.start + 300)[0].seen > play.dots(leg.start + 800)[0].seen);
});

test('one of which nothing is known but that it was sent is waited for, and drawn when it is known', () => {
  const [messages, play] = [new Messages(), new Play()];
  const [sent, told] = call('a', 'order-3', 'order-1', 'heartbeat', [1_100_000, null, null, 1_900_000], { learned: 'unknown' });
  const frames = [at(1000, []), at(1250, [sent]), at(1500, []), at(1750, []), at(2000, [told]), at(2250, [])];
  const drawn = [];
  for (let place = 1; place < frames.length; place += 1) {
    messages.add(place === 1 ? frames.slice(0, 2) : [frames[place]]);
    play.see(messages, frames[place - 1], frames[place], place * 250);
    drawn.push(play.legs.length);
  }
  assert.deepEqual(drawn, [0, 0, 0, 1, 1]);
});

test('of many messages some of each kind are drawn, and never too many dots', () => {
  const many = Array.from({ length: 100 }, (_, number) => purchase(number, 1_010_000 + number * 2000)).flat();
  const play = played(many);
  assert.ok(play.legs.filter((leg) => !leg.reply).length <= PER_FRAME);
  assert.equal(new Set(play.legs.map((leg) => leg.kind)).size, 5);
  for (let ms = 0; ms < 9000; ms += 50) assert.ok(play.dots(10_000 + ms).length <= DOTS_MAX);
  for (const leg of play.legs) assert.ok(leg.start - 10_000 < 2 * LAG_MAX_MS, `${leg.start}`);
  const kinds = choose([{ kind: 'a', sent: 1 }, { kind: 'a', sent: 2 }, { kind: 'a', sent: 3 }, { kind: 'b', sent: 4 }], 2);
  assert.deepEqual(kinds.map((one) => one.kind), ['a', 'b']);
});

test('each message is drawn once, and nothing that was before the page looked', () => {
  const [messages, play] = [new Messages(), new Play()];
  const frames = [at(1000, purchase(1, 900_000)), at(1250, purchase(2, 1_100_000)), at(1500, [])];
  messages.add(frames);
  play.see(messages, frames[0], frames[1], 0);
  assert.equal(play.legs.length, 0);
  play.see(messages, frames[1], frames[2], 250);
  play.see(messages, frames[1], frames[2], 300);
  assert.equal(play.legs.length, 12);
  assert.equal(play.isBusy(300), true);
  assert.equal(play.isBusy(20_000), false);
  play.clear();
  assert.deepEqual(play.dots(400), []);
});

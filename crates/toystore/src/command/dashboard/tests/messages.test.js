// Messages are put together of what nodes said of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  isLost, kindOf, Messages, MESSAGES_MAX, passedEachSecond, sampleWords, SHOPPERS, timesOf,
} from '../assets/model/messages.js';
import { KEPT_MS } from '../assets/model/timeline.js';
import { call, catalog, frame, frontend, order, passing, purchase } from './frames.js';

const three = () => [catalog([]), order(1), order(2), order(3, { leads: true }), frontend()];
const SECOND = 1_000_000;

function joined(...parts) {
  const messages = new Messages();
  parts.forEach((events, place) => messages.add([frame(place + 1, passing(three(), events))]));
  return messages;
}

test('the halves of a purchase become six messages, each of its kind', () => {
  const all = joined(purchase(1, SECOND / 2)).between(0, SECOND);
  assert.deepEqual(all.map((one) => [one.kind, one.from, one.to]), [
    ['request', SHOPPERS, 'frontend-1'], ['order', 'frontend-1', 'order-3'], ['take', 'order-3', 'catalog'],
    ['invalidation', 'catalog', 'frontend-1'], ['log', 'order-3', 'order-1'], ['log', 'order-3', 'order-2'],
  ]);
  const [request, ordered] = all;
  assert.deepEqual([request.what, request.outcome, request.sent, request.told], ['order Tuxx1:5f', '200', null, null]);
  assert.equal(timesOf(ordered),
    'came after 0.30 ms, was answered “200” after 4.10 ms, its sender was told “200” after 4.50 ms');
});

test('the halves may be in different frames, and come in any order', () => {
  const events = call('a/1', 'order-3', 'order-1', 'append 1', [100, 200, 300, 400]);
  const [sent, came, answered, told] = events;
  for (const parts of [[[sent], [came, answered], [told]], [[told, answered], [came], [sent]], [events]]) {
    const [one, ...others] = joined(...parts).between(0, SECOND);
    assert.deepEqual([others.length, one.sent, one.came, one.answered, one.told, one.what, one.to],
      [0, 100, 200, 300, 400, 'append 1', 'order-1']);
  }
});

test('what did not come is lost only when its sender was told so', () => {
  const of = (times, over) => joined(call('a/1', 'order-3', 'order-1', 'heartbeat', times, over)).between(0, SECOND)[0];
  assert.equal(isLost(of([100, null, null, null])), false);
  assert.equal(isLost(of([100, null, null, 900], { learned: 'unknown' })), true);
  assert.equal(isLost(of([100, null, null, 900], { learned: 'refused' })), true);
  // The sample had no room for the half of the receiver.
  assert.equal(isLost(of([100, null, null, 900])), false);
  // The answer was lost, the message was not.
  assert.equal(isLost(of([100, 200, 300, 900], { learned: 'unknown' })), false);
  assert.match(timesOf(of([100, null, null, 900], { learned: 'unknown' })), /^was lost; .* “unknown” after 0\.80 ms$/);
});

test('a half without the others has no time and no sender that is made up', () => {
  const [one] = joined(call('a/1', 'order-3', 'catalog', 'take 0.2@3 floor=1 [1=Tuxx1:5f 2=Foxx1:60]', [null, null, 700, null])).between(0, SECOND);
  assert.deepEqual([one.from, one.to, one.sent, one.came, one.kind], [null, 'catalog', null, null, 'other']);
  assert.match(timesOf(one), /^was sent when nobody saw it, was answered “200” after 0.00 ms$/);
});

test('a number that comes again much later, or is sent again, is of another message', () => {
  const again = (at) => call('a/1', 'order-3', 'order-1', 'heartbeat', [at, at + 1, at + 2, at + 3]);
  assert.equal(joined(again(100), again(500)).between(0, SECOND).length, 2);
  const half = (at) => again(at).filter(([, event]) => event.event === 'came');
  assert.equal(joined(half(100), half(60 * SECOND)).between(0, 61 * SECOND).length, 2);
  // Twice on the way: it came when it came first.
  assert.equal(joined(half(100), half(300)).between(0, SECOND)[0].came, 101);
});

test('frames without messages, and nodes that say nothing, are no trouble', () => {
  const messages = new Messages();
  messages.add([frame(1, three()), frame(2, [{ ...order(1), messages: null }]), { number: 3, at_ms: 3 }]);
  assert.deepEqual([messages.between(0, SECOND), messages.isHeard], [[], false]);
  messages.add([frame(4, passing(three(), []))]);
  assert.equal(messages.isHeard, true);
});

test('only the last minutes are kept, and a bounded number', () => {
  const messages = new Messages();
  const at = (ms, count) => frame(ms / 1000, passing(three(), Array.from({ length: count }, (_, place) =>
    call(`${ms}/${place}`, 'order-3', 'order-1', 'heartbeat', [ms * 1000, null, null, null])).flat()));
  messages.add([at(1000, 10), at(2000, 10)]);
  messages.add([at(KEPT_MS + 2000, 10)]);
  assert.equal(messages.all.length, 20);
  messages.add([at(KEPT_MS + 3000, MESSAGES_MAX + 5)]);
  assert.equal(messages.all.length, MESSAGES_MAX);
  assert.equal(messages.byId.size, MESSAGES_MAX);
});

test('the events are taken out of the frames, which are kept for minutes', () => {
  const one = frame(1, passing(three(), purchase(1, 1000), 99));
  new Messages().add([one]);
  assert.deepEqual(one.nodes.map((node) => [node.messages.passed, node.messages.events.length]), Array(5).fill([99, 0]));
});

test('a call is told apart by who calls whom, and for what', () => {
  const kind = (from, to, what) => kindOf({ from, to, what });
  assert.equal(kind('frontend-2', 'order-1', 'read-order 7'), 'order');
  assert.equal(kind('order-1', 'catalog', 'settle 0.2@3 []'), 'take');
  assert.equal(kind('frontend-2', 'catalog', 'fill Tux for frontend-2 g1.1'), 'fill');
  assert.equal(kind('frontend-2', 'catalog', 'renew-lease frontend-2/1'), 'lease');
  assert.equal(kind('catalog-1', 'catalog-2', 'append 5..7 of term 0.3@2'), 'log');
  assert.equal(kind('order-1', 'catalog', 'lead 3 after 0.1@1'), 'other');
  assert.equal(kind('order-1', 'catalog', null), 'other');
});

test('how much passes and how much of it is drawn is told', () => {
  const frames = [1, 2, 3].map((number) => frame(number, passing(three(), [], 100)));
  assert.equal(passedEachSecond(frames), 500);
  assert.equal(passedEachSecond([frames[0]]), null);
  assert.equal(passedEachSecond([frame(1, three()), frame(2, three())]), null);
  assert.equal(sampleWords(1234.4, 40), '1,234 messages a second pass; 40 of them are drawn, slowed down.');
  assert.equal(sampleWords(3, 9), '3 messages a second pass; all of them are drawn, slowed down.');
  assert.equal(sampleWords(1234.4, null), '1,234 messages a second pass.');
  assert.deepEqual([sampleWords(0, 0), sampleWords(null, 0)], ['No message passes now.', '']);
});

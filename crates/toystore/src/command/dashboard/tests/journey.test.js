// The way of one purchase, out of messages of many.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { journey } from '../assets/model/journey.js';
import { Messages } from '../assets/model/messages.js';
import { call, catalog, frame, frontend, order, passing, purchase } from './frames.js';

const SECOND = 1_000_000;

function known(...parts) {
  const messages = new Messages();
  const nodes = [catalog([]), order(1), order(2), order(3, { leads: true }), frontend()];
  parts.forEach((events, place) => messages.add([frame(place + 1, passing(nodes, events))]));
  return messages;
}

test('the messages that name a purchase are its way, in their order', () => {
  const other = call('x', 'frontend-1', 'order-3', 'orders [Tuxx1:5e Foxx1:5f0]', [SECOND, SECOND + 1, SECOND + 2, SECOND + 3]);
  const found = journey(known([...other, ...purchase(7, SECOND)]), { request: '5f', index: '7', name: 'Tux' }, SECOND);
  assert.deepEqual(found.legs.map((leg) => [leg.kind, leg.words]), [
    ['request', 'shoppers → frontend-1'], ['order', 'frontend-1 → order-3'], ['take', 'order-3 → catalog'],
    ['invalidation', 'catalog → frontend-1'], ['log', 'order-3 → order-1'], ['log', 'order-3 → order-2'],
  ]);
  assert.deepEqual([found.totalUs, found.legs[0].from, found.legs[0].to, found.legs[1].us], [5000, 0, 1, 4500]);
  assert.ok(found.legs.every((leg) => leg.from >= 0 && leg.to <= 1 && leg.from <= leg.to));
});

test('entry 7 is neither 17 nor 70, and what was refused has none', () => {
  const messages = known([...purchase(17, SECOND), ...purchase(70, SECOND)]);
  const kinds = (index) => journey(messages, { request: '5f', index, name: 'Tux' }, SECOND).legs.map((leg) => leg.kind);
  assert.ok(!kinds('7').includes('log') && !kinds(undefined).includes('log'));
  assert.equal(kinds('17').filter((kind) => kind === 'log').length, 2);
});

test('of what the sample missed nothing is drawn', () => {
  const messages = known(purchase(1, SECOND));
  assert.equal(journey(messages, { request: 'aa', name: 'Tux' }, SECOND), null);
  assert.equal(journey(messages, { request: undefined, name: 'Tux' }, SECOND), null);
  assert.equal(journey(messages, { request: '5f', name: 'Tux' }, 60 * SECOND), null);
});

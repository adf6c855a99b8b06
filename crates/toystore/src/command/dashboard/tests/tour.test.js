// The tour goes on by what happens.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STEPS, Tour, wordsOf } from '../assets/model/tour.js';
import { dead, frame, order } from './frames.js';

test('there are five steps, and each says where to look', () => {
  assert.equal(STEPS.length, 5);
  for (const step of STEPS) assert.ok(step.title && step.words && step.at, step.id);
});

test('a page that cannot kill does not ask for it', () => {
  const told = (why) => STEPS.map((step) => wordsOf(step, why)).join(' ');
  assert.match(told(null), /then Kill\. That is kill -9/);
  const without = told('Others run these nodes.');
  assert.match(without, /Here it cannot be done\. Others run these nodes\./);
  assert.doesNotMatch(without, /kill -9|leads by now|send shoppers/);
});

test('the leader must die for it', () => {
  const tour = new Tour();
  tour.next(frame(1, [order(3, { leads: true })]));
  tour.next(frame(2, [order(3, { leads: true })]));
  assert.equal(tour.step.id, 'kill');
  assert.equal(tour.see(frame(3, [order(3, { leads: true })])), false);
  assert.equal(tour.see(frame(4, [dead(order(3))])), true);
});

test('a step is done when the store says so, and stays done', () => {
  const tour = new Tour();
  assert.equal(tour.see(frame(1, [order(1, { orders: 4 })])), false);
  assert.equal(tour.see(frame(2, [order(1, { orders: 5 })])), true);
  assert.equal(tour.see(frame(3, [order(1, { orders: 4 })])), true);
  tour.next(frame(4, [order(1)]));
  assert.equal(tour.step.id, 'log');
  assert.equal(tour.see(frame(5, [order(1, { orders: 9 })])), false);
});

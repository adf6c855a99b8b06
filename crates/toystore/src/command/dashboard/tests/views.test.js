// What of the views needs no browser.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { DRAWN, source } from '../assets/toys.js';
import { pointAt } from '../assets/view/motion.js';
import { price, receipt, seen } from '../assets/view/shop.js';
import { drawn } from '../assets/view/strip.js';
import { edgeWords } from '../assets/view/topology.js';
import { nodes } from '../assets/model/facts.js';
import { path, places } from '../assets/model/room.js';
import { catalog, dead, frame, frontend, order, toy } from './frames.js';

test('every toy of the built-in catalogue has a picture of its own', () => {
  const catalogue = readFileSync(new URL('../../../../../shop/src/catalog/catalogue.rs', import.meta.url), 'utf8');
  const list = catalogue.slice(catalogue.indexOf('const BUILT_IN: '), catalogue.indexOf('];'));
  const names = [...list.matchAll(/\("([^"]+)", \d+\)/g)].map(([, name]) => name);
  assert.ok(names.length > 30, names.join());
  assert.deepEqual([...names].sort(), [...DRAWN].sort());
});

test('a toy of which there is no picture is a parcel, whatever its name', () => {
  for (const name of ['Zebra', '<script>', '&', 'constructor', 'Ünïcode']) {
    const svg = source(name);
    assert.ok(svg.startsWith('<svg') && !svg.includes('undefined') && !svg.includes('<script'), svg);
  }
});

test('no two nodes stand on one place, and every link has a line, whatever the store', () => {
  for (const [frontends, orders] of [[1, 1], [1, 3], [5, 7], [9, 9]]) {
    const many = (count, make) => Array.from({ length: count }, (_, place) => make(place + 1));
    const all = [
      catalog([]), ...many(orders, (id) => order(id)),
      ...many(frontends, (id) => ({ ...frontend(), name: `frontend-${id}` })),
    ];
    for (const narrow of [false, true]) {
      const room = places(nodes(frame(1, all)), narrow);
      const spots = new Set([...room.at.values()].map(({ x, y }) => `${x} ${y}`));
      // All nodes, and the shoppers.
      assert.equal(spots.size, all.length + 1);
      for (const { x, y } of room.at.values()) {
        assert.ok(x > 0 && x < room.width && y > 0 && y < room.height, `${x} ${y}`);
      }
      for (const [from, to, kind] of [['frontend-1', 'order-1', 'orders'], ['frontend-1', 'catalog', 'products'], ['order-1', 'catalog', 'takes']]) {
        const { d, x, y } = path({ from, to, kind }, room);
        assert.ok(!d.includes('NaN') && Number.isFinite(x + y), d);
      }
    }
  }
});

test('what a link suffers is said once, or for each way', () => {
  const cut = { cut: true };
  assert.equal(edgeWords({ from: 'a', to: 'b', there: null, back: null }), '');
  assert.equal(edgeWords({ from: 'a', to: 'b', there: cut, back: cut }), 'cut');
  assert.equal(edgeWords({ from: 'a', to: 'b', there: null, back: cut }), 'b → a cut');
  assert.equal(edgeWords({ from: 'a', to: 'b', there: null, back: cut }, true), '→ a cut');
});

test('an answer is told as what it is', () => {
  const said = (over) => ({ frontend: 'frontend-1', micros: 2718, status: 200, headers: {}, body: null, ...over });
  const bought = receipt('Tux', 2, said({ body: { data: { order_number: 7 } }, headers: { 'toystore-log-index': '9' } }));
  assert.deepEqual(bought, { bad: false, number: 7, words: 'Order 7: 2 × Tux', small: 'answered by frontend-1 in 2.7 ms; entry 9 of the log' });
  const refused = receipt('Tux', 2, said({ status: 400, body: { error: { code: 400, message: 'insufficient stock' } } }));
  assert.deepEqual([refused.bad, refused.words], [true, '2 × Tux: insufficient stock']);
  // A timeout is no failure.
  const open = receipt('Tux', 1, { no_answer: 'no answer: late', may_be_done: true, frontend: 'frontend-1', micros: 1 });
  assert.equal(open.words, '1 × Tux: nobody knows yet whether it was placed');
  const hit = seen('Tux', said({ micros: 214, body: { data: { quantity: 5 } }, headers: { 'x-cache': 'hit', 'toystore-toy-version': '3' } }));
  assert.equal(hit, 'Tux: 5 left, version 3, says frontend-1 in 214 µs, from its cache.');
  assert.equal(price(2599), '25.99');
  assert.equal(price(5), '0.05');
});

test('the strip has a bar for each frame and a mark for each happening', () => {
  const still = order(2, { orders: 0 });
  const orders = (number, count, over) => frame(number, [order(1, { orders: count }), over ?? still]);
  const frames = [orders(1, 0), orders(2, 10), orders(3, 10, dead(order(2)))];
  const { bars, marks, most } = drawn(frames, 3000);
  assert.deepEqual(bars.map((bar) => bar.rate), [10, 0]);
  assert.deepEqual(marks.map((mark) => mark.words), ['order-2: dead']);
  assert.equal(most, 10);
  assert.ok(Math.abs(bars.at(-1).right - 1000) < 1e-9);
  assert.equal(toy('Tux', 1, 1).name, 'Tux');
});

test('a dot is on its line, however far it is on its way', () => {
  const line = [{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }];
  const at = (share) => Object.values(pointAt(line, share));
  assert.deepEqual([at(0), at(0.25), at(0.75), at(1)], [[0, 0], [5, 0], [10, 5], [10, 10]]);
  assert.deepEqual([at(-1), at(2)], [[0, 0], [10, 10]]);
});

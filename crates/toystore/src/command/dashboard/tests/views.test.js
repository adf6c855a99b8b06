// What of the views needs no browser.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { DRAWN, source } from '../assets/toys.js';
import { pointAt } from '../assets/view/motion.js';
import { price, receipt, seen } from '../assets/view/shop.js';
import { edgeWords } from '../assets/view/topology.js';
import { edges, nodes } from '../assets/model/facts.js';
import { SHOPPERS } from '../assets/model/messages.js';
import { BOX_HEIGHT, path, places } from '../assets/model/room.js';
import { catalog, frame, frontend, order } from './frames.js';

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

/** Points on a line of straight pieces and curves. */
function points(d) {
  const numbers = (text) => text.match(/-?[\d.]+/g).map(Number);
  const [, start, kind, rest] = /^M([^CLV]+)([CLV])(.+)$/.exec(d);
  const [[x0, y0], to] = [numbers(start), numbers(rest)];
  if (kind === 'V') return [[x0, y0], [x0, to[0]]];
  if (kind === 'L') return [[x0, y0], to];
  const [x1, y1, x2, y2, x3, y3] = to;
  const mix = (t, a, b, c, e) => (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t * t * c + t ** 3 * e;
  return Array.from({ length: 21 }, (_, n) => [mix(n / 20, x0, x1, x2, x3), mix(n / 20, y0, y1, y2, y3)]);
}

test('nodes do not overlap, and every link has a line within the picture, whatever the store', () => {
  const many = (count, make) => Array.from({ length: count }, (_, place) => make(place + 1));
  for (const [frontends, orders, catalogs] of [[1, 1, 1], [1, 3, 1], [2, 3, 3], [5, 7, 3], [9, 9, 9]]) {
    const all = frame(1, [
      ...many(catalogs, (id) => catalog([], { name: catalogs === 1 ? 'catalog' : `catalog-${id}` })),
      ...many(orders, (id) => order(id)),
      ...many(frontends, (id) => ({ ...frontend(), name: `frontend-${id}` })),
    ]);
    for (const width of [320, 340, 560, 600, 780, 1100]) {
      const room = places(nodes(all), width);
      const what = `${frontends} ${orders} ${catalogs} in ${width}`;
      const boxes = [...room.at].filter(([name]) => name !== SHOPPERS);
      assert.equal(room.at.size, all.nodes.length + 1, what);
      for (const [name, { x, y }] of boxes) {
        assert.ok(x >= room.box / 2 && x <= room.width - room.box / 2 && y > 0 && y < room.height, `${what}: ${name}`);
        const over = boxes.filter(([other, at]) => other !== name
          && Math.abs(at.x - x) < room.box && Math.abs(at.y - y) < BOX_HEIGHT);
        assert.deepEqual(over, [], `${what}: ${name}`);
      }
      const asked = many(frontends, (id) => ({ from: SHOPPERS, to: `frontend-${id}`, kind: 'requests' }));
      for (const edge of [...edges(all), ...asked]) {
        const { d, x, y } = path(edge, room);
        assert.ok(!d.includes('NaN') && Number.isFinite(x + y), d);
        const out = points(d).filter(([px, py]) => px < 0 || px > room.width || py < 0 || py > room.height);
        assert.deepEqual(out, [], `${what}: ${edge.from} to ${edge.to}`);
      }
    }
  }
});

test('a node has room for its words on the smallest projector', () => {
  const all = nodes(frame(1, [catalog([]), order(1), order(2), order(3), frontend()]));
  for (const width of [560, 598, 780, 1100]) assert.ok(places(all, width).box >= 150, `${width}`);
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

test('a dot is on its line, however far it is on its way', () => {
  const line = [{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }];
  const at = (share) => Object.values(pointAt(line, share));
  assert.deepEqual([at(0), at(0.25), at(0.75), at(1)], [[0, 0], [5, 0], [10, 5], [10, 10]]);
  assert.deepEqual([at(-1), at(2)], [[0, 0], [10, 10]]);
});

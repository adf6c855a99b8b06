import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  cacheOrder, caches, edges, faultWords, happenings, health, howToBreak, inForce, logs, nodes, ordersPerSecond, stock, termWords,
} from '../assets/model/facts.js';
import { catalog, dead, frame, frontend, order, toy } from './frames.js';

const three = (over = {}) => [
  catalog([toy('Tux', 97, 3)]), order(1, over[1]), order(2, over[2]), order(3, { leads: true, ...over[3] }), frontend(),
];

test('how a node does is said in words', () => {
  const of = (over) => health({ ...order(1), ...over });
  assert.equal(of({}), 'up');
  assert.equal(of({ state: 'paused' }), 'paused');
  assert.equal(of({ said: null }), 'silent');
  assert.equal(of({ state: 'starting', said: null }), 'starting');
  assert.equal(of({ said: { ready: false } }), 'not ready');
  assert.equal(health(dead(order(1))), 'dead');
  assert.deepEqual([termWords('0.3@2'), termWords('1.12@3'), termWords(null)], ['term 3', 'term 12', 'no term']);
});

test('who leads, who lags and who is dead is written at the nodes', () => {
  const all = frame(1, [...three({ 1: { last: 2, orders: 1 } }).slice(0, 2), dead(order(2)), order(3, { leads: true }), frontend()]);
  const seen = Object.fromEntries(nodes(all).map((node) => [node.name, node]));
  assert.deepEqual([seen['order-3'].leads, seen['order-3'].rank], [true, 'leader, term 2']);
  assert.deepEqual([seen['order-1'].line, seen['order-1'].behind, seen['order-3'].behind], ['1 order', '2 behind', '']);
  assert.deepEqual([seen['order-2'].health, seen['order-2'].why, seen['order-2'].leads], ['dead', 'killed by SIGKILL', false]);
  assert.equal(seen['frontend-1'].line, 'lease: 1.7 s left');
});

test('the catalog says how long each lease has left', () => {
  const lease = (frontend, remaining_ms) => ({ frontend, remaining_ms });
  const said = (...leases) => {
    const node = catalog([]);
    node.said.status.leases = leases;
    return nodes(frame(1, [node]))[0];
  };
  assert.equal(said().line, 'no lease granted');
  assert.equal(said(lease(1, 1700)).line, 'lease: 1.7 s left');
  assert.equal(said(lease(1, 1700), lease(2, 400)).line, 'leases: 1.7, 0.4 s');
  assert.equal(said(lease(1, 1700), lease(2, 400), lease(3, 900)).line, '3 leases: 0.4–1.7 s');
  assert.equal(said(lease(1, 1700), lease(2, 400)).more, 'frontend-1: 1.7 s left; frontend-2: 0.4 s left');
});

test('the form of a link begins with what is in force', () => {
  const [there, back] = [{ delay_ms: 300, jitter_ms: 0, loss: 0 }, { delay_ms: 50, jitter_ms: 20, loss: 0.1, duplicate: 0.5 }];
  assert.deepEqual(inForce({ there, back }), { delay_ms: 300, jitter_ms: 20, loss: 0.1, duplicate: 0.5 });
  assert.deepEqual(inForce({ there: null, back: null }), { delay_ms: 0, jitter_ms: 0, loss: 0, duplicate: 0 });
});

test('every two nodes that speak have one link, with what each way suffers', () => {
  const cut = { to: 'order-1', cut: true };
  const all = edges(frame(1, three({ 2: { edges: [cut] } })));
  assert.equal(all.length, 3 + 1 + 3 + 3);
  const hit = all.filter((edge) => edge.there || edge.back);
  assert.deepEqual(hit.map(({ from, to, there, back }) => [from, to, there, back]), [['order-1', 'order-2', null, cut]]);
  assert.equal(faultWords({ delay_ms: 50, jitter_ms: 20, loss: 0.1, duplicate: 0 }), '50 to 70 ms late, 10 % lost');
  assert.equal(faultWords({ delay_ms: 0, jitter_ms: 0, loss: 0, duplicate: 1 }), '100 % twice');
});

test('logs are aligned at the newest entry that any has', () => {
  const all = logs(frame(1, three({ 1: { last: 6, committed: 5 }, 2: { last: 3, committed: 3 }, 3: { last: 7, committed: 6 } })), 4);
  assert.deepEqual([all.first, all.newest], [4, 7]);
  const states = all.rows.map((row) => row.cells.map((cell) => cell.state[0]).join(''));
  assert.deepEqual(states, ['ccwm', 'mmmm', 'cccw']);
  const silent = logs(frame(1, [dead(order(1)), order(2)]), 4);
  assert.deepEqual([silent.rows[0].silent, silent.newest], ['dead', 4]);
  assert.equal(logs(frame(1, [dead(order(1))]), 4).newest, 0);
});

test('the log of a dead replica is as it was when it said something last', () => {
  const last = (name) => (name === 'order-1' ? { status: order(1, { last: 3, committed: 2 }).said.status, ago_ms: 9000 } : null);
  const [gone, unknown] = logs(frame(1, [dead(order(1)), dead(order(2)), order(3, { last: 5, committed: 5 })]), 4, last).rows;
  assert.deepEqual([gone.silent, gone.ago_ms, gone.cells.map((cell) => cell.state[0]).join('')], ['dead', 9000, 'cwmm']);
  assert.deepEqual([unknown.silent, unknown.cells], ['dead', []]);
});

test('a cache says which toy goes first', () => {
  assert.equal(cacheOrder('lru'), 'lru: the least recently read goes first');
  assert.equal(cacheOrder('random=7'), 'random=7: any may go; the last filled stands first');
  // Frames that were recorded before there was a choice.
  assert.equal(cacheOrder(undefined), 'lru: the least recently read goes first');
  assert.equal(cacheOrder('2q'), '2q: what goes first stands last');
});

test('a cache has the toy that goes next last, and free slots', () => {
  const slot = (name) => ({ name, quantity: 1, version: 1, age_ms: 5, hits: 0 });
  const used = [slot('Fox'), slot('Tux')];
  const now = frame(2, [frontend({ hits: 9, misses: 3 }, used)]);
  const then = frame(1, [frontend({ hits: 3, misses: 1 }, used)]);
  const [cache] = caches(now, then);
  assert.deepEqual(cache.slots.map((one) => one?.name ?? null), ['Tux', 'Fox', null, null, null, null, null]);
  assert.deepEqual(cache.rate, { share: 0.75, reads: 8 });
  assert.equal(cache.order, cacheOrder('lru'));
  // Another process counts from 0.
  const restarted = frame(1, [frontend({}, [], { pid: 5 })]);
  assert.equal(caches(now, restarted)[0].rate, null);
});

test('stock adds up, or is said not to', () => {
  const right = stock(frame(1, [catalog([toy('Tux', 97, 3), toy('Fox', 0, 150, { restocked: 50 })])]));
  assert.deepEqual([right.holds, right.in_stock, right.sold, right.restocked], [true, 97, 153, 50]);
  assert.equal(stock(frame(1, [catalog([toy('Tux', 97, 4)])])).holds, false);
  // One too many here and one too few there is no balance.
  assert.equal(stock(frame(1, [catalog([toy('Tux', 97, 4), toy('Fox', 99, 0)])])).holds, false);
  assert.equal(stock(frame(1, [dead(catalog([]))])), null);
});

test('what happened between two frames is marked', () => {
  const before = frame(1, three());
  const killed = frame(2, [...three().slice(0, 3), dead(order(3)), frontend()], { leader: null });
  const words = (a, b) => happenings(a, b).map((mark) => `${mark.kind}: ${mark.words}`);
  assert.deepEqual(words(before, killed), ['fault: order-3: dead']);
  const next = frame(3, killed.nodes, { leader: { node: 'order-2', term: '0.3@2' } });
  assert.deepEqual(words(killed, next), ['leader: order-2 leads, term 3']);
  const cut = frame(2, three({ 1: { edges: [{ to: 'catalog', cut: true }] } }));
  assert.deepEqual(words(before, cut), ['fault: order-1 to catalog: cut']);
  assert.deepEqual(words(cut, frame(3, before.nodes)), ['mend: order-1 to catalog: mended']);
});

test('orders each second are a difference, and unknown where nobody answers', () => {
  const with_orders = (number, orders) => frame(number, [order(1, { orders })]);
  assert.equal(ordersPerSecond(with_orders(1, 10), with_orders(3, 110)), 50);
  assert.equal(ordersPerSecond(with_orders(1, 10), with_orders(2, 4)), 0);
  assert.equal(ordersPerSecond(with_orders(1, 10), frame(2, [dead(order(1))])), null);
  assert.equal(ordersPerSecond(null, with_orders(1, 10)), null);
});

test('a store that promises less says how to see it, and one that does not says nothing', () => {
  const all = frame(1, three());
  assert.equal(howToBreak(all), '');
  const catalog = all.nodes.find((node) => node.role === 'catalog').said.status;
  catalog.invalidation = 'push';
  assert.match(howToBreak(all), /link from the catalog to a frontend 300 ms late/);
  for (const node of all.nodes.filter(({ role }) => role === 'order')) node.said.status.engine.engine = 'naive';
  assert.match(howToBreak(all), /Cut the links from order-3 to the other replicas/);
});

test('of a catalogue that is not listed whole, the sums are those of all toys', () => {
  const all = frame(1, three());
  const said = all.nodes.find((node) => node.role === 'catalog').said.status;
  assert.deepEqual([stock(all).count, stock(all).holds], [1, true]);
  said.totals = { toys: 5000, initial: 500, restocked: 10, in_stock: 497, sold: 13, unsettled: 0 };
  assert.deepEqual([stock(all).count, stock(all).sold, stock(all).holds], [5000, 13, true]);
  said.totals.sold = 12;
  assert.equal(stock(all).holds, false);
});

// The verdict and the load as they are told.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { availability, headline, load, MEANS, part, rounds, shoppers } from '../assets/model/rounds.js';

const guarantee = (name, verdict, over = {}) =>
  ({ guarantee: name, verdict, promised: true, words: `about ${name}`, counterexamples: [], ...over });
const verdict = (word, guarantees, over = {}) => ({ verdict: word, operations: 42, guarantees, ...over });

test('without a round nothing is said to hold', () => {
  for (const frame of [{}, { rounds: {} }, { rounds: { open: null, ended: null } }]) {
    const { state, open, ended } = rounds(frame);
    assert.deepEqual([state, open, ended], ['No round has begun.', null, null]);
  }
  const { state } = rounds({ rounds: { open: { round: 3, why: 'no catalog leads' } } });
  assert.equal(state, 'Round 3 did not begin: no catalog leads');
});

test('each guarantee has its line, and what was not judged is not held', () => {
  const all = [guarantee('stock', 'held'), guarantee('kept', 'not-judged'), guarantee('orders', 'not-decided')];
  const { state, open } = rounds({ rounds: { open: { round: 2, behind_ms: 120, verdict: verdict('not-decided', all) } } });
  assert.equal(state, 'Round 2: 42 operations judged, up to 120 ms ago.');
  assert.deepEqual(open.lines.map((line) => [line.name, line.mark, line.says]),
    [['stock', '✓', 'held'], ['kept', '–', 'not judged'], ['orders', '?', 'not decided']]);
  assert.ok(open.lines.every((line) => line.means !== ''));
});

test('operations of which none is judged yet are not nothing', () => {
  const none = { ...verdict('not-judged', []), operations: 0 };
  const said = (operations) => rounds({ rounds: { open: { round: 2, operations, behind_ms: 9, verdict: none } } }).state;
  assert.match(said(0), /^Nothing was bought or looked at yet/);
  assert.match(said(7), /^Round 2: nothing is judged while a client waits/);
});

test('lines of the round before are said to be of it', () => {
  const before = { round: 3, verdict: verdict('broke', [guarantee('stock', 'broke')]) };
  const none = { ...verdict('not-judged', [guarantee('stock', 'not-judged')]), operations: 0 };
  const empty = rounds({ rounds: { open: { round: 4, operations: 0, behind_ms: 9, verdict: none }, ended: before } });
  assert.equal(empty.state, 'Round 4 is open: nothing was bought or looked at in it yet. The lines are those of round 3.');
  assert.equal(empty.shown.round, 3);
  const waits = rounds({ rounds: { open: { round: 4, operations: 7, behind_ms: 9, verdict: none }, ended: before } });
  assert.match(waits.state, /^Round 4: nothing is judged while .* The lines are those of round 3\.$/);
  const open = { round: 4, operations: 50, behind_ms: 9, verdict: verdict('held', [guarantee('stock', 'held')]) };
  assert.equal(rounds({ rounds: { open, ended: before } }).shown.round, 4);
});

test('what there is of a round that goes on is what the frame says', () => {
  const open = { round: 4, operations: 50, behind_ms: 9, verdict: verdict('broke', [guarantee('stock', 'broke')]) };
  assert.deepEqual(rounds({ rounds: { open } }).sofar, []);
  assert.deepEqual(rounds({ rounds: { open: { ...open, files: ['picture.html'] } } }).sofar, ['picture.html']);
});

test('a round that broke something is not forgotten when others have followed', () => {
  const broken = [{ round: 2, guarantees: ['stock', 'once'] }, { round: 5, guarantees: ['kept'] }];
  const ended = { round: 5, verdict: verdict('broke', [guarantee('kept', 'broke')]) };
  assert.deepEqual(rounds({ rounds: { broken, ended } }).before, [{ round: 2, words: '✗ Round 2 broke stock, once' }]);
  assert.deepEqual(rounds({ rounds: { broken } }).before.map(({ round }) => round), [5, 2]);
  assert.deepEqual(rounds({}).before, []);
});

test('the headline says what counts, and of many names the first', () => {
  const told = (word, ...lines) => headline(part({ round: 1, verdict: verdict(word, lines) })).words;
  assert.equal(told('not-judged', guarantee('stock', 'not-judged')), '– nothing is judged yet');
  assert.equal(told('held', guarantee('stock', 'held'), guarantee('kept', 'not-judged')), '✓ held: 1 of 2 guarantees');
  assert.equal(told('broke', guarantee('stock', 'broke'), guarantee('once', 'held')), '✗ broke: stock');
  assert.equal(told('not-decided', guarantee('orders', 'not-decided')), '? not decided: orders');
  const many = ['stock', 'once', 'kept', 'orders'].map((name) => guarantee(name, 'broke'));
  assert.equal(told('broke', ...many), '✗ broke: stock and 3 more');
  assert.equal(told('not-decided'), '? not decided');
});

test('what broke is told by its first example', () => {
  const broke = guarantee('stock', 'broke', { counterexamples: [{ sentence: 'line 7 saw Tux 9' }, { sentence: 'more' }] });
  const { ended } = rounds({ rounds: { ended: { round: 1, verdict: verdict('broke', [broke]) } } });
  assert.equal(ended.lines[0].words, 'line 7 saw Tux 9');
  assert.deepEqual([ended.mark, ended.says], ['✗', 'broke']);
});

test('every guarantee of the checker has words', () => {
  const source = readFileSync(new URL('../../../../../checker/src/verdict.rs', import.meta.url), 'utf8');
  const names = [...source.matchAll(/Guarantee::\w+ => "([a-z-]+)"/g)].map(([, name]) => name);
  assert.equal(names.length, 13);
  assert.deepEqual(names.filter((name) => !MEANS[name]), []);
});

test('what shoppers meet is told with units, and nothing is made up', () => {
  assert.equal(load({ rounds: { load: null, met: { per_second: 3 } } }), null);
  const met = { per_second: 99.6, p50_us: 870, p99_us: 15_300, answered: 0.5 };
  const said = load({ rounds: { load: { shoppers: 5, probability: '0.5', pause_ms: 100 }, met } });
  assert.deepEqual([said.rate, said.p50, said.p99, said.answered], [100, '870 µs', '15 ms', 0.5]);
  assert.deepEqual(shoppers({ rounds: { load: { shoppers: 5 }, met: { ...met, per_second: 1234.5 } } }),
    ['5 shoppers', '1,235 requests', 'a second']);
  assert.deepEqual([shoppers({})[0], shoppers({ rounds: { load: { shoppers: 1 } } })[0]], ['clients', '1 shopper']);
  assert.deepEqual([said.wanted, said.late], [null, '']);
  const open = { load: { shoppers: 5, rate: 200 }, met: { ...met, late_p99_us: 1500, given_up: 0 } };
  assert.deepEqual([load({ rounds: open }).wanted, load({ rounds: open }).late], [200, ', late by p99 1.5 ms']);
  open.met.given_up = 7;
  assert.match(load({ rounds: open }).late, /; 7 were not begun, over 5 s late/);
  assert.deepEqual(availability([{ at_ms: 1, rounds: { met } }, { at_ms: 2 }]),
    [{ at_ms: 1, answered: 0.5 }, { at_ms: 2, answered: null }]);
});

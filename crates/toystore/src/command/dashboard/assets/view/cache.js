// The slots of every frontend's cache, what goes next last, and what happened there last.
// Called by main.js with every frame.

import { each, h, say, set } from '../dom.js';
import { happenings, touched } from '../model/cache.js';
import { caches } from '../model/facts.js';
import { lasting } from '../model/time.js';
import { picture } from '../toys.js';

/** Of each process only what is new flashes; two classes by turns, so that it flashes again. */
function flash(tile, how, number) {
  const name = how && `${how}-${number % 2 ? 'odd' : 'even'}`;
  set(tile, { class: name ? `slot ${name}` : 'slot' });
}

function agoWords(ms) {
  if (ms === null) return '';
  return ms < 1 ? 'now' : `${lasting(ms * 1000)} ago`;
}

function showHappenings(list, { lines, more }) {
  const all = more > 0 ? [...lines, { number: 'more', words: `… and ${more.toLocaleString('en')} more`, age_ms: null }] : lines;
  each(list, all, (line) => line.number, () => h('li', {}, h('span'), h('small')), (element, line) => {
    say(element.firstChild, line.words);
    say(element.lastChild, agoWords(line.age_ms));
  });
}

export function cacheView(parent) {
  const make = (cache) => h('div', { class: 'cache-of', 'data-testid': `cache-${cache.name}` },
    h('h3', {}, h('span', {}, cache.name), h('small')), h('div', { class: 'slots' }),
    h('ol', { class: 'happened', 'aria-label': `What happened last in the cache of ${cache.name}` }));
  const makeSlot = (slot) => slot.free
    ? h('div', { class: 'slot free' }, 'free')
    : h('div', { class: 'slot', 'data-toy': slot.name }, picture(slot.name), h('b', {}, slot.name),
      h('span'), h('span'), h('span'));
  return (frame, minute, timeline) => {
    const before = timeline.before(1);
    each(parent, caches(frame, minute), (cache) => cache.name, make, (element, cache) => {
      const [head, slots, happened] = element.children;
      showHappenings(happened, happenings(frame, before, cache.name));
      const words = head.children[1];
      if (cache.silent) {
        say(words, cache.silent);
        each(slots, [], String, makeSlot, () => {});
        return;
      }
      const { hits, misses, evictions, invalidations } = cache.counters;
      const rate = cache.rate
        ? `${Math.round(cache.rate.share * 100)} % of ${cache.rate.reads} reads hit in the last minute; `
        : '';
      say(words, `${rate}${hits} hits, ${misses} misses, ${invalidations} invalidated, ${evictions} evicted; ${cache.order}`);
      const flashes = timeline.isLive ? touched(frame, before, cache.name) : new Map();
      const named = cache.slots.map((slot, place) => slot ?? { free: true, name: `free ${place}` });
      each(slots, named, (slot) => slot.name, makeSlot, (tile, slot) => {
        if (slot.free) return;
        const [, , many, version, used] = tile.children;
        say(many, `${slot.quantity} left`);
        say(version, `version ${slot.version}`);
        say(used, `${slot.hits} hits, ${lasting(slot.age_ms * 1000)}`);
        flash(tile, flashes.get(slot.name), frame.number);
        set(tile, { 'aria-label': `${slot.name}: ${slot.quantity} left, version ${slot.version}` });
      });
    });
  };
}

// The slots of every frontend's cache, the most recently used first. Called by main.js.

import { each, h, say, set } from '../dom.js';
import { caches } from '../model/facts.js';
import { picture } from '../toys.js';

function age(ms) {
  return ms < 1000 ? `${ms} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

export function cacheView(parent) {
  const make = (cache) => h('div', { class: 'cache-of', 'data-testid': `cache-${cache.name}` },
    h('h3', {}, h('span', {}, cache.name), h('small')), h('div', { class: 'slots' }));
  const makeSlot = (slot) => slot.free
    ? h('div', { class: 'slot free' }, 'free')
    : h('div', { class: 'slot', 'data-toy': slot.name }, picture(slot.name), h('b', {}, slot.name),
      h('span'), h('span'), h('span'));
  return (frame, before) => {
    each(parent, caches(frame, before), (cache) => cache.name, make, (element, cache) => {
      const [head, slots] = element.children;
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
      say(words, `${rate}${hits} hits, ${misses} misses, ${invalidations} invalidated, ${evictions} evicted`);
      const named = cache.slots.map((slot, place) => slot ?? { free: true, name: `free ${place}` });
      each(slots, named, (slot) => slot.name, makeSlot, (tile, slot) => {
        if (slot.free) return;
        const [, , many, version, used] = tile.children;
        say(many, `${slot.quantity} left`);
        say(version, `version ${slot.version}`);
        say(used, `${slot.hits} hits, ${age(slot.age_ms)}`);
        set(tile, { 'aria-label': `${slot.name}: ${slot.quantity} left, version ${slot.version}` });
      });
    });
  };
}

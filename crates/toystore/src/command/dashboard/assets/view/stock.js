// The catalog's shelves, and whether the sum is right. Called by main.js with every frame.

import { each, h, say, set } from '../dom.js';
import { stock } from '../model/facts.js';
import { picture } from '../toys.js';

/** More shelves than anybody reads: the first are shown, the sum is of all. */
const SHELVES_MAX = 60;

export function stockView(parent, sum) {
  const make = (toy) => h('li', { class: 'shelf', 'data-testid': `stock-${toy.name}` },
    picture(toy.name), h('b', { title: toy.name }, toy.name), h('span'),
    h('meter', { min: 0, max: 100, 'aria-label': `${toy.name} in stock` }));
  return (frame) => {
    const all = stock(frame);
    if (!all) {
      say(sum, 'No catalog answers.');
      set(sum, { class: 'hint broken' });
      each(parent, [], String, make, () => {});
      return;
    }
    const { initial, restocked, in_stock, sold, unsettled, holds } = all;
    const shelves = all.toys.slice(0, SHELVES_MAX);
    const hidden = all.count > shelves.length;
    say(sum, `${holds ? '✓' : '✗'} ${initial} at first + ${restocked} restocked ${holds ? '=' : '≠'} `
      + `${in_stock} in stock + ${sold} sold + ${unsettled} not settled, says ${all.from}`
      + `${holds ? `, and so it is of every toy${all.toys.length < all.count ? ' that it lists' : ''}` : ''}.`
      + `${hidden ? ` The first ${shelves.length} of ${all.count} toys:` : ''}`);
    set(sum, { class: holds ? 'hint' : 'hint broken' });
    each(parent, shelves, (toy) => toy.name, make, (element, toy) => {
      const [, , many, meter] = element.children;
      say(many, toy.in_stock === 0 ? `sold out, ${toy.sold} sold` : `${toy.in_stock} left, ${toy.sold} sold`);
      set(many, { class: toy.in_stock === 0 ? 'many out' : 'many' });
      set(meter, { value: toy.in_stock, max: Math.max(100, toy.initial) });
    });
  };
}

// Looking at toys, buying, looking orders up: a client of a frontend, through our server.

import { byId, each, h, say, set } from '../dom.js';
import { stock } from '../model/facts.js';
import { journey } from '../model/journey.js';
import { lasting } from '../model/time.js';
import { ask } from '../stream.js';
import { picture } from '../toys.js';
import { drawJourney } from './journey.js';

const RECEIPTS_MAX = 20;

/** More toys than anybody chooses from. */
const TOYS_MAX = 60;

/** The messages of a purchase are told some frames later; in milliseconds. */
const HEARD_WITHIN_MS = 3000;

/** Euros would do as well: the catalogue has cents. */
export function price(cents) {
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;
}

/** What a frontend said, in one line and a small one below. */
export function receipt(toy, many, said) {
  if (said.no_answer) {
    const words = said.may_be_done ? 'nobody knows yet whether it was placed' : 'it was not placed';
    return { bad: true, words: `${many} × ${toy}: ${words}`, small: said.no_answer };
  }
  const headers = said.headers;
  const from = `answered by ${headers['toystore-served-by'] ?? said.frontend} in ${lasting(said.micros)}`;
  if (said.status === 200) {
    const number = said.body.data.order_number;
    return { bad: false, words: `Order ${number}: ${many} × ${toy}`, number,
      small: `${from}; entry ${headers['toystore-log-index']} of the log` };
  }
  return { bad: true, words: `${many} × ${toy}: ${said.body?.error?.message ?? said.status}`, small: from };
}

/** What came of looking at a toy. */
export function seen(name, said) {
  if (said.no_answer) return `${name}: ${said.no_answer}`;
  if (said.status !== 200) return `${name}: ${said.body?.error?.message ?? said.status}`;
  const from = { hit: 'from its cache', miss: 'from the catalog, not in its cache before' };
  const headers = said.headers;
  return `${name}: ${said.body.data.quantity} left, version ${headers['toystore-toy-version']}, says `
    + `${said.frontend} in ${lasting(said.micros)}, ${from[headers['x-cache']] ?? 'past its cache'}.`;
}

export function shopView(messages) {
  const [toys, receipts] = [byId('toys'), byId('receipts')];
  const bought = [];
  let chosen = null;
  let counted = 0;
  /** The purchase whose way is drawn, and the newest frame. */
  let [last, newest] = [null, null];
  /** Whoever sits at this tab: what it bought it must see, and what it saw it may not see go back. */
  const session = `page-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
  const asTab = { 'session-id': session };

  const show = () => {
    each(receipts, bought, (line) => line.id, (line) => h('li', { class: line.bad ? 'bad' : null },
      h('span', {}, line.words), h('small', {}, line.small)), () => {});
  };
  byId('buy').onsubmit = async (event) => {
    event.preventDefault();
    if (!chosen) return;
    const [name, quantity] = [chosen, Number(byId('quantity').value)];
    const headers = { ...asTab, 'idempotency-key': `${session}-${counted}` };
    counted += 1;
    let line;
    try {
      const said = await ask('POST', 'shop/orders', { name, quantity }, headers);
      line = receipt(name, quantity, said);
      const index = said.headers?.['toystore-log-index'];
      last = { request: said.request, name, index, words: line.words, atMs: newest?.at_ms ?? Date.now() };
    } catch (error) {
      line = { bad: true, words: `${quantity} × ${name}: not placed`, small: error.message };
    }
    bought.unshift({ ...line, id: counted });
    bought.length = Math.min(bought.length, RECEIPTS_MAX);
    if (line.number !== undefined) byId('number').value = line.number;
    show();
  };
  byId('lookup').onsubmit = async (event) => {
    event.preventDefault();
    const number = byId('number').value;
    const found = byId('found');
    try {
      const said = await ask('GET', `shop/orders/${encodeURIComponent(number)}`, undefined, asTab);
      const order = said.body?.data;
      say(found, order
        ? `${order.quantity} × ${order.name}, read from ${said.headers['toystore-read-from'] ?? said.frontend}`
        : said.no_answer ?? said.body?.error?.message ?? `it says ${said.status}`);
    } catch (error) {
      say(found, error.message);
    }
  };

  const look = async (name) => {
    try {
      const said = await ask('GET', `shop/products/${encodeURIComponent(name)}`, undefined, asTab);
      if (name === chosen) say(byId('look'), seen(name, said));
    } catch (error) {
      say(byId('look'), error.message);
    }
  };

  const make = (toy) => {
    const id = `toy-${toy.name.replaceAll(' ', '-')}`;
    const choose = () => {
      chosen = toy.name;
      look(toy.name);
    };
    return h('li', { class: 'toy' },
      h('input', { type: 'radio', name: 'toy', id, 'data-testid': id, value: toy.name, onchange: choose }),
      h('label', { for: id }, picture(toy.name), toy.name, h('span')));
  };
  return (frame, _, timeline) => {
    newest = timeline.newest;
    if (last && newest.at_ms - last.atMs < HEARD_WITHIN_MS) drawJourney(last.words, journey(messages, last, last.atMs * 1000));
    const all = stock(frame);
    if (!all) return;
    const shown = all.toys.slice(0, TOYS_MAX);
    say(byId('more-toys'), shown.length < all.count ? `The first ${shown.length} of ${all.count} toys.` : '');
    each(toys, shown, (toy) => toy.name, make, (element, toy) => {
      const [input, label] = element.children;
      say(label.lastChild, `${price(toy.price)} · ${toy.in_stock === 0 ? 'sold out' : `${toy.in_stock} left`}`);
      if (chosen === null) {
        chosen = toy.name;
        input.checked = true;
      }
      set(input, { 'aria-label': `${toy.name}, ${price(toy.price)}` });
    });
  };
}

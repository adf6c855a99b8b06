// The logs of the order replicas, below each other. Called by main.js with every frame.

import { each, h, say, set } from '../dom.js';
import { logs } from '../model/facts.js';

/** Wide enough to be seen and pointed at. */
const CELL_PIXELS = 12;
const COLUMNS_MAX = 80;

export function logsView(parent, hint) {
  const make = (row) => h('div', { class: 'log', 'data-testid': `log-${row.name}` },
    h('div', { class: 'who' }, h('span', {}, row.name), h('small')),
    h('div', { class: 'cells', role: 'img' }));
  return (frame) => {
    const width = parent.clientWidth - 130;
    const columns = Math.max(10, Math.min(COLUMNS_MAX, Math.floor(width / CELL_PIXELS)));
    const { first, newest, rows } = logs(frame, columns);
    say(hint, newest === 0
      ? 'No order was placed yet.'
      : `Entries ${first} to ${newest}. An entry is an order, or the beginning of a leader's term.`);
    each(parent, rows, (row) => row.name, make, (element, row) => {
      const [who, cells] = element.children;
      say(who.children[1], row.leads ? '★ leads' : '');
      if (row.silent) {
        each(cells, [row.silent], (words) => words, (words) => h('span', { class: 'silent' }, words), () => {});
        set(cells, { 'aria-label': `${row.name} is ${row.silent}` });
        return;
      }
      set(cells, { 'aria-label': `${row.name} has entries up to ${row.last}, ${row.committed} are committed` });
      each(cells, row.cells, (cell) => cell.index, (cell) => h('span', { 'data-index': cell.index }), (cell, { index, state }) => {
        set(cell, { class: `cell ${state}`, title: `entry ${index}: ${state}` });
      });
    });
  };
}

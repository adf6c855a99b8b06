// The logs of the order replicas, below each other. Called by main.js with every frame.

import { each, h, say, set, widthOf } from '../dom.js';
import { stepped } from '../model/entries.js';
import { logs } from '../model/facts.js';
import { lasting } from '../model/time.js';
import { cellTip } from './tip.js';

/** Wide enough to be seen and pointed at. */
const CELL_PIXELS = 12;
const COLUMNS_MAX = 80;

/** Where the keys are in a row: the cell that has the focus, or the newest. */
function stopOf(cells) {
  const focused = cells.contains(document.activeElement) ? document.activeElement : null;
  return focused ?? cells.lastElementChild;
}

function moved(event) {
  const cells = event.currentTarget;
  const all = [...cells.children];
  const place = stepped(event.key, all.indexOf(document.activeElement), all.length);
  if (place === null) return;
  event.preventDefault();
  for (const cell of all) cell.tabIndex = -1;
  all[place].tabIndex = 0;
  all[place].focus();
}

/** What each replica said last of itself, for those that say nothing now. */
function saidLast(timeline) {
  return (name) => {
    for (let place = timeline.place - 1; place >= 0; place -= 1) {
      const frame = timeline.frames[place];
      const said = frame.nodes.find((node) => node.name === name)?.said;
      if (said) return { status: said.status, ago_ms: timeline.shown.at_ms - frame.at_ms };
    }
    return null;
  };
}

function drawCell(cell, { index, state }, isLive) {
  // An entry that was missing is seen to come.
  const came = isLive && state !== 'missing' && cell.dataset.index === String(index)
    && (cell.classList.contains('missing') || cell.classList.contains('came'));
  set(cell, { 'data-index': index, class: `cell ${state}${came ? ' came' : ''}`, 'aria-label': `entry ${index}: ${state}` });
}

export function logsView(parent, hint) {
  let [rows, started, shift, shown] = [[], null, 0, { first: 1, newest: 0 }];
  const tip = cellTip(parent, (name) => rows.find((row) => row.name === name && !row.silent) ?? null);
  const make = (row) => h('div', { class: 'log', 'data-testid': `log-${row.name}`, 'data-node': row.name },
    h('div', { class: 'who' }, h('span', {}, row.name), h('small')),
    h('div', { class: 'cells', role: 'group', onkeydown: moved }));
  const makeCell = () => h('span', { role: 'img', tabindex: -1 });
  return (frame, _, timeline) => {
    const width = widthOf(parent) - 130;
    const columns = Math.max(10, Math.min(COLUMNS_MAX, Math.floor(width / CELL_PIXELS)));
    const all = logs(frame, columns, saidLast(timeline));
    rows = all.rows;
    // Where every entry is another one than before, the cells are used again.
    if (all.first > shown.newest) shift += all.first - shown.first;
    shown = all;
    if (started !== timeline.began) tip.forget();
    started = timeline.began;
    say(hint, all.newest === 0
      ? 'No order was placed yet.'
      : `Entries ${all.first} to ${all.newest}. An entry is an order, or the beginning of a leader's term. `
        + 'Point at one to read it.');
    each(parent, rows, (row) => row.name, make, (element, row) => {
      const [who, cells] = element.children;
      say(who.children[1], row.leads ? '★ leads' : row.silent && row.cells.length > 0 ? `${row.silent}, had ${row.last}` : '');
      set(element, { class: row.silent ? 'log was' : 'log' });
      if (row.silent && row.cells.length === 0) {
        each(cells, [row.silent], (words) => words, (words) => h('span', { class: 'silent' }, words), () => {});
        set(cells, { 'aria-label': `${row.name} is ${row.silent}` });
        return;
      }
      const had = row.silent ? `is ${row.silent}; ${lasting(row.ago_ms * 1000)} ago it had` : 'has';
      const words = `${row.name} ${had} entries up to ${row.last}, ${row.committed} are committed`;
      set(cells, { 'aria-label': words, title: row.silent ? words : null });
      const hadFocus = cells.contains(document.activeElement);
      each(cells, row.cells, (cell) => cell.index - shift, makeCell, (cell, one) => drawCell(cell, one, timeline.isLive));
      // A cell that leaves at the left end gives its focus to the one that follows.
      if (hadFocus && !cells.contains(document.activeElement)) cells.firstElementChild.focus();
      // One stop for the tab key in each row.
      const stop = stopOf(cells);
      for (const cell of cells.children) set(cell, { tabindex: cell === stop ? 0 : -1 });
    });
    tip.draw();
  };
}

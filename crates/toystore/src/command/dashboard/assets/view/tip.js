// The words beside a cell of a log: what stands in it. By mouse, by keys and by touch. Made by logs.js.

import { byId, inWindow, say, set } from '../dom.js';
import { cellWords, Entries } from '../model/entries.js';
import { ask } from '../stream.js';

/** A replica that could not be asked is left alone for so long; milliseconds. */
const AGAIN_MS = 2000;

/** `rowOf(name)` is the row of model/facts.js as it is drawn now. */
export function cellTip(parent, rowOf) {
  const [tip, entries, asked] = [byId('cell-tip'), new Entries(), new Map()];
  const [first, second] = tip.children;
  let cell = null;

  const draw = () => {
    const name = cell?.closest('.log')?.dataset.node;
    const row = name ? rowOf(name) : null;
    const index = Number(cell?.dataset.index);
    const found = row?.cells.find((one) => one.index === index);
    // It may have left at the left end while it was looked at.
    if (!cell?.isConnected || !found) return hide();
    const entry = found.state === 'missing' ? null : entries.at(name, index);
    const words = cellWords(name, found, entry);
    say(first, words.first);
    say(second, words.second);
    if (found.state !== 'missing' && !entry?.isFinal) fetchRow(name, row);
    const at = cell.getBoundingClientRect();
    tip.hidden = false;
    const left = at.left + at.width / 2 - tip.offsetWidth / 2;
    const above = at.top - tip.offsetHeight - 8;
    tip.style.left = `${inWindow(left, tip)}px`;
    tip.style.top = `${above > 8 ? above : at.bottom + 8}px`;
    return null;
  };
  const hide = () => {
    cell = null;
    tip.hidden = true;
    return null;
  };
  const fetchRow = async (name, { cells, committed, last }) => {
    const now = performance.now();
    if (now - (asked.get(name) ?? -Infinity) < AGAIN_MS) return;
    asked.set(name, now);
    const path = `log/${encodeURIComponent(name)}/${cells[0].index}/${Math.min(last, cells.at(-1).index)}`;
    try {
      const said = await ask('GET', path);
      entries.add(name, said?.entries, committed);
      if (cell) draw();
    } catch {
      // It is dead, or an older server: the number and the state stand there all the same.
    }
  };
  const show = (element) => {
    const near = element?.closest?.('.cell[data-index]');
    if (!near) return;
    set(near, { 'aria-describedby': 'cell-tip' });
    cell = near;
    draw();
  };

  parent.addEventListener('pointerover', (event) => show(event.target));
  parent.addEventListener('pointerdown', (event) => show(event.target));
  parent.addEventListener('focusin', (event) => show(event.target));
  parent.addEventListener('focusout', hide);
  parent.addEventListener('pointerleave', (event) => {
    // A finger that is lifted leaves; what it touched is read then.
    if (event.pointerType === 'mouse') hide();
  });
  document.addEventListener('pointerdown', (event) => {
    if (!parent.contains(event.target)) hide();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') hide();
  });
  document.querySelector('main').addEventListener('scroll', hide);
  return { draw: () => (cell ? draw() : null), forget: () => entries.forget() };
}

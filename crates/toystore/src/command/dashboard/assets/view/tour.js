// The tour: offers itself on the first visit, can be skipped, comes back by its button. It stands
// between the store and the strip of time, so that it is never over what it speaks of.

import { byId, say, set } from '../dom.js';
import { STEPS, Tour, wordsOf } from '../model/tour.js';

const KEY = 'toystore-tour';

/** `mayKill()`: null, or why no node can be killed from here. */
export function tourView({ mayKill }) {
  const [box, title, words, next, skip, again] =
    ['tour', 'tour-title', 'tour-words', 'tour-next', 'tour-skip', 'tour-again'].map(byId);
  let [tour, frame, pointed, shown] = [null, null, null, null];

  const point = (at) => {
    const panel = at === null ? null : document.querySelector(`.panel.${at}`);
    if (panel === pointed) return;
    pointed?.classList.remove('pointed');
    panel?.classList.add('pointed');
    pointed = panel;
  };
  /** Brings what a step is about into the window, where all of it is not there yet. */
  const bring = ({ at, subject }) => {
    const panel = document.querySelector(`.panel.${at}`);
    const element = (subject && document.querySelector(subject)) ?? panel;
    const [room, it] = [byId('store').getBoundingClientRect(), element.getBoundingClientRect()];
    if (it.top >= room.top && it.bottom <= room.bottom) return;
    // With its title, where there is room for both.
    const fits = it.bottom - panel.getBoundingClientRect().top <= room.height;
    if (fits) panel.scrollIntoView({ block: 'start' });
    else element.scrollIntoView({ block: it.height < room.height ? 'center' : 'start' });
  };
  const end = () => {
    localStorage.setItem(KEY, 'seen');
    [tour, shown] = [null, null];
    box.hidden = true;
    point(null);
  };
  const draw = () => {
    if (tour === null || frame === null) return;
    if (tour.over) return end();
    const done = tour.see(frame);
    const { step, place } = tour;
    box.hidden = false;
    const why = mayKill();
    const told = wordsOf(step, why);
    say(title, `${place + 1} of ${STEPS.length}: ${step.title}`);
    say(words, done ? `✓ Done. ${told}` : told);
    say(next, place + 1 === STEPS.length ? 'Finish' : 'Next');
    const idle = step.isRead || (step.id === 'kill' && why !== null);
    set(next, { class: done || idle ? 'primary' : null });
    set(box, { 'data-step': step.id });
    point(step.at);
    // Once for each step: whoever scrolls away is left alone.
    if (shown !== step) bring(step);
    shown = step;
  };
  const begin = () => {
    tour = new Tour();
    shown = null;
    draw();
  };
  next.onclick = () => {
    tour.next(frame);
    draw();
  };
  skip.onclick = end;
  again.onclick = begin;
  if (localStorage.getItem(KEY) === null) begin();
  return (now) => {
    frame = now;
    draw();
  };
}

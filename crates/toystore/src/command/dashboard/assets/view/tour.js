// The tour: offers itself on the first visit, can be skipped, comes back by its button.

import { byId, say, set } from '../dom.js';
import { STEPS, Tour } from '../model/tour.js';

const KEY = 'toystore-tour';

export function tourView() {
  const [box, title, words, next, skip, again] =
    ['tour', 'tour-title', 'tour-words', 'tour-next', 'tour-skip', 'tour-again'].map(byId);
  let [tour, frame, pointed] = [null, null, null];

  const point = (at) => {
    const panel = at === null ? null : document.querySelector(`.panel.${at}`);
    if (panel === pointed) return;
    pointed?.classList.remove('pointed');
    panel?.classList.add('pointed');
    pointed = panel;
  };
  const end = () => {
    localStorage.setItem(KEY, 'seen');
    tour = null;
    box.hidden = true;
    point(null);
  };
  const draw = () => {
    if (tour === null || frame === null) return;
    if (tour.over) return end();
    const done = tour.see(frame);
    const { step, place } = tour;
    box.hidden = false;
    say(title, `${place + 1} of ${STEPS.length}: ${step.title}`);
    say(words, done ? `✓ Done. ${step.words}` : step.words);
    say(next, place + 1 === STEPS.length ? 'Finish' : 'Next');
    set(next, { class: done || place === 1 || place === 4 ? 'primary' : null });
    set(box, { 'data-step': step.id });
    point(step.at);
  };
  const begin = () => {
    tour = new Tour();
    draw();
  };
  next.onclick = () => {
    tour.next(frame);
    if (!tour.over) document.querySelector(`.panel.${tour.step.at}`)?.scrollIntoView({ block: 'nearest' });
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

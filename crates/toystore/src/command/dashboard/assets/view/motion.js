// Dots that move along the links: messages of which nodes said that they passed, slowed down.
// Called by main.js with every frame; between frames it draws by itself while anything moves.

import { byId, h, say, set } from '../dom.js';
import { KINDS, passedEachSecond, sampleWords } from '../model/messages.js';
import { DOTS_MAX, Play } from '../model/play.js';

/** A line is looked at once, in so many pieces: the loop asks the browser for no lengths. */
const PIECES = 32;

function pointsOf(path, known) {
  const d = path.getAttribute('d');
  const points = known.get(path);
  if (points?.d === d) return points.all;
  const length = path.getTotalLength();
  const all = Array.from({ length: PIECES + 1 }, (_, place) => path.getPointAtLength((length * place) / PIECES));
  known.set(path, { d, all });
  return all;
}

/** Where on a line of pieces, by its share. */
export function pointAt(points, share) {
  const along = Math.min(Math.max(share, 0), 1) * (points.length - 1);
  const place = Math.min(Math.floor(along), points.length - 2);
  const [a, b, rest] = [points[place], points[place + 1], along - place];
  return { x: a.x + (b.x - a.x) * rest, y: a.y + (b.y - a.y) * rest };
}

/** What each letter means. */
function legend(parent) {
  parent.append(...Object.entries(KINDS).map(([kind, { letter, words }]) => h('span', { class: 'pair' },
    h('b', { class: `kind kind-${kind}`, 'aria-hidden': 'true' }, letter), words)));
}

export function motion({ along, dots: layer }, messages) {
  const [play, lines, still] = [new Play(), new WeakMap(), matchMedia('(prefers-reduced-motion: reduce)')];
  const [hint, kinds] = [byId('passing'), byId('kinds')];
  legend(kinds);
  const pool = Array.from({ length: DOTS_MAX }, () =>
    h('g', { class: 'dot', visibility: 'hidden' }, h('circle', { r: 10 }), h('text', { 'text-anchor': 'middle', dy: 5 })));
  layer.append(...pool);
  let [used, last, moves] = [0, null, false];

  const draw = () => {
    const now = performance.now();
    let place = 0;
    for (const { leg, share, gone, seen } of play.dots(now)) {
      const line = along(leg.from, leg.to);
      if (!line) continue;
      const { x, y } = pointAt(pointsOf(line.path, lines), line.back ? 1 - share : share);
      const dot = pool[place];
      place += 1;
      set(dot, { class: `dot kind-${leg.kind}${leg.reply ? ' reply' : ''}${gone ? ' gone' : ''}`,
        transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, opacity: seen.toFixed(2), visibility: 'visible' });
      set(dot.firstChild, { r: leg.reply ? 6 : 10 });
      say(dot.lastChild, gone ? '✕' : leg.reply ? '' : KINDS[leg.kind].letter);
    }
    for (const dot of pool.slice(place, used)) set(dot, { visibility: 'hidden' });
    used = place;
    moves = play.isBusy(now);
    if (moves) requestAnimationFrame(draw);
  };

  return (frame, _, timeline) => {
    kinds.hidden = !messages.isHeard;
    const before = timeline.before(1);
    const isMoving = timeline.isLive && !document.hidden && !still.matches;
    const now = performance.now();
    if (!isMoving) play.clear();
    else if (frame !== last && before) play.see(messages, before, frame, now);
    last = frame;
    if (!moves && (used > 0 || play.isBusy(now))) {
      moves = true;
      requestAnimationFrame(draw);
    }
    const rate = passedEachSecond(timeline.last(1100));
    say(hint, sampleWords(rate, isMoving ? play.drawnEachSecond(now) : null));
  };
}

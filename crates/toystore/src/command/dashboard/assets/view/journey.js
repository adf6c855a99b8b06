// The way of the purchase that was made last, as a small trace: a bar for each message. Called by
// shop.js; draws what model/journey.js found.

import { byId, each, h, say, set } from '../dom.js';
import { KINDS } from '../model/messages.js';
import { lasting } from '../model/time.js';

const [ROW, WIDTH] = [10, 100];

const bar = () => h('svg', { class: 'span', viewBox: `0 0 ${WIDTH} ${ROW}`, preserveAspectRatio: 'none',
  'aria-hidden': 'true' }, h('rect', { class: 'track', x: 0, y: 4, width: WIDTH, height: 2 }),
h('rect', { class: 'took', y: 1, height: 8 }));

/** Shows a journey of model/journey.js; nothing while none is known. */
export function drawJourney(what, found) {
  byId('journey-box').hidden = !found;
  if (!found) return;
  say(byId('journey-words'), `The way of ${what}: ${found.legs.length} messages in ${lasting(found.totalUs)}`);
  const make = ({ kind }) => h('li', { class: `leg kind-${kind}` },
    h('b', { class: `kind kind-${kind}`, 'aria-hidden': 'true' }, KINDS[kind].letter),
    h('span', { class: 'who' }), bar(), h('span', { class: 'long' }));
  each(byId('journey'), found.legs, (leg) => leg.id, make, (element, leg) => {
    const [, who, span, time] = element.children;
    say(who, leg.words);
    say(time, lasting(leg.us));
    set(element, { title: leg.does, 'aria-label': `${leg.words} ${leg.does}, ${lasting(leg.us)}` });
    set(span.lastChild, { x: (leg.from * WIDTH).toFixed(1), width: Math.max(1.5, (leg.to - leg.from) * WIDTH).toFixed(1) });
  });
}

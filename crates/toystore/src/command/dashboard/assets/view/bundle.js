// A run that is over, in the same page: its verdict, the whole of its time, and nothing that only a
// running store can do. Called by main.js, once the server has said that it shows a bundle.

import { byId, h, say, set } from '../dom.js';
import { conclusion, introduction, moment, strip } from '../model/bundle.js';
import { part } from '../model/rounds.js';
import { near, outline, placeWords, whenWords } from '../model/strip.js';
import { HEIGHT, listMarks, mark, measured, REACH, tipView } from './strip.js';
import { fillLines, showHeadline } from './verdict.js';

const WHY = 'Nothing runs here: this is a run that is over.';
const NO_FRAMES = 'This bundle has no frames: nobody wrote down what the nodes said of themselves.';
const LINKS = {
  'picture.html': 'picture', 'verdict.txt': 'verdict in words', 'history.jsonl': 'history',
  'trace.txt': 'every step of every node',
};

/** Says in a panel why there is nothing in it; what else it has is hidden. */
function shut(panel, words) {
  for (const child of panel.children) child.toggleAttribute('hidden', !child.matches('h2, :has(> h2)'));
  panel.append(h('p', { class: 'hint', 'data-testid': 'shut' }, words));
}

function showVerdict(hello) {
  const judged = part({ round: hello.viewing, verdict: hello.verdict });
  const [list, last] = [byId('verdict-lines'), byId('verdict-last')];
  say(byId('verdict-state'), introduction(hello, judged.says));
  fillLines(judged.lines);
  showHeadline(judged);
  set(list, { 'aria-label': `${hello.viewing}: ${judged.says}` });
  last.hidden = false;
  say(last, hello.broken ? `✗ The run broke ${hello.broken}` : conclusion(judged));
  set(last, { class: `last ${hello.broken ? 'broke' : judged.verdict}` });
  const links = hello.links.map((name) => h('a', { href: `api/bundle/${name}`, 'data-file': name,
    'data-testid': `file-${name}`, target: '_blank', rel: 'noopener' }, LINKS[name]));
  const files = byId('verdict-files');
  files.hidden = false;
  files.replaceChildren('Of this run: ', ...links.flatMap((link, place) => (place ? [', ', link] : [link])));
}

/** The strip of a bundle without frames: what clients were told, and what was done to nodes. */
function showTold(svg, told) {
  const width = measured(svg);
  const { bars, marks, most, seconds } = strip(told, width);
  svg.append(h('path', { class: 'bars', d: outline(bars, most, HEIGHT) }), ...marks.map(mark));
  const when = (share) => whenWords(share, seconds * 1000, true);
  listMarks(marks, (one) => when(one.x / width));
  tipView(svg.parentElement, (share) => placeWords(when(share), near(marks, share * width, REACH)));
  const words = `${Math.round(seconds)} s of the run; at most ${most.toFixed(1)} orders/s, and ${marks.length} faults and leaders`;
  say(byId('moment'), words);
  say(byId('strip-from'), 'its beginning');
  say(byId('strip-to'), 'its end');
  set(svg, { 'aria-label': words });
}

/** Shows what the server says of a bundle; what it returns draws the rest with every frame. */
export function openBundle(hello, timeline) {
  const scrub = byId('scrub');
  timeline.keepAll(hello.first_look_ms);
  document.title = `${hello.viewing} – toystore`;
  byId('live').hidden = true;
  byId('tour').hidden = true;
  byId('tour-again').hidden = true;
  say(byId('stream'), `bundle ${hello.viewing}`);
  set(byId('stream'), { class: 'held' });
  shut(document.querySelector('.panel.shop'), WHY);
  byId('load').hidden = true;
  showVerdict(hello);
  if (hello.told) {
    for (const name of ['store', 'logs', 'stock', 'cache']) shut(document.querySelector(`.panel.${name}`), NO_FRAMES);
    document.querySelector('.panel.load').hidden = true;
    scrub.disabled = true;
    showTold(byId('strip'), hello.told);
  } else {
    scrub.max = Math.max(1000, hello.frames);
    set(byId('strip'), { 'aria-label': 'Orders each second, faults and leaders of the whole run' });
  }
  let touched = false;
  scrub.addEventListener('input', () => { touched = true; });
  return {
    why: WHY,
    draw(frame, { newest, frames, spanMs }, most) {
      say(byId('stream'), `bundle ${hello.viewing}`);
      set(byId('stream'), { class: 'held' });
      say(byId('moment'), `${moment(frame, newest)}; at most ${Math.round(most)} orders/s`);
      // A simulated run has no shoppers of a page.
      document.querySelector('.panel.load').hidden = !frame.rounds;
      if (!touched) scrub.value = ((frame.at_ms - frames[0].at_ms) / spanMs) * scrub.max;
    },
  };
}

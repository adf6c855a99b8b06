// The page: stream → timeline → views. Everything that is drawn is of one frame, the newest or the
// one that was scrubbed back to.

import { byId, say, set } from './dom.js';
import { ordersPerSecond } from './model/facts.js';
import { Messages } from './model/messages.js';
import { SHOWN_MS } from './model/strip.js';
import { Timeline } from './model/timeline.js';
import { ask, listen, token } from './stream.js';
import { openBundle } from './view/bundle.js';
import { cacheView } from './view/cache.js';
import { chaosView } from './view/chaos.js';
import { inspector } from './view/inspect.js';
import { loadView } from './view/load.js';
import { logsView } from './view/logs.js';
import { motion } from './view/motion.js';
import { shopView } from './view/shop.js';
import { spacetimeView } from './view/spacetime.js';
import { stockView } from './view/stock.js';
import { stripView } from './view/strip.js';
import { topology } from './view/topology.js';
import { tourView } from './view/tour.js';
import { verdictView } from './view/verdict.js';

const timeline = new Timeline();
const messages = new Messages();
let [hello, broken] = [null, false];
/** How long panels are drawn in one frame of the screen, in milliseconds: one more may begin then. */
const SLICE_MS = 6;
/** What is left to draw of a moment; whether there is something newer; whether a frame of the screen is asked for. */
let [drawing, wanted, scheduled, drawn] = [null, false, false, 0];
/** The run that is over, where nothing runs. */
let past = null;

/** Why nothing can be broken now; null if it can. */
function mayBreak() {
  if (past) return past.why;
  if (hello && !hello.chaos) return 'Nothing can be broken here: the store, or its page, was started without --chaos.';
  if (!token()) return 'To break things, open the address that was printed when the page began: it has the token.';
  if (!timeline.isLive) return 'This is the past: go back to live to break things.';
  return null;
}

/** The same of nodes: whoever runs them may not be reached from the page. */
function mayKill() {
  const why = mayBreak();
  if (why) return why;
  return hello && !hello.hands ? 'Others run these nodes: from here only links can be broken.' : null;
}

let toldFor = 0;
function tell(words, refused) {
  const line = byId('told');
  say(line, words);
  set(line, { class: refused ? 'refused' : null });
  line.hidden = false;
  clearTimeout(toldFor);
  toldFor = setTimeout(() => { line.hidden = true; }, refused ? 15_000 : 6_000);
}

const scrub = byId('scrub');
/** Shows another moment, in milliseconds since 1970. */
function hold(atMs) {
  timeline.hold(atMs);
  const ago = timeline.newest.at_ms - timeline.heldAt;
  const span = timeline.spanMs ?? SHOWN_MS;
  scrub.value = timeline.isLive ? scrub.max : Number(scrub.max) * (1 - ago / span);
  schedule();
}
function goLive() {
  timeline.goLive();
  scrub.value = scrub.max;
  schedule();
}

const inspect = inspector({ mayBreak, mayKill, tell });
const store = topology(byId('topology'), {
  onNode: (name, anchor) => inspect.openNode(name, timeline.shown, anchor),
  onEdge: (from, to, anchor) => inspect.openEdge(from, to, timeline.shown, anchor),
});
const views = [
  store.draw,
  motion(store, messages),
  logsView(byId('logs'), byId('logs-hint')),
  spacetimeView({ timeline, messages, hold, goLive }),
  cacheView(byId('caches')),
  stockView(byId('shelves'), byId('conserved')),
  loadView({ mayBreak, tell }),
  chaosView({ mayBreak, tell }),
  inspect.update,
];
/** What only a running store has; the verdict of a bundle is not that of a round. */
const live = [verdictView(), shopView(messages), tourView({ mayKill })];
const strip = stripView(byId('strip'));

function count(frame, role, one, many) {
  const number = frame.nodes.filter((node) => node.role === role).length;
  return `${number} ${number === 1 ? one : many}`;
}

function drawFacts(frame, { most, held }) {
  const rate = ordersPerSecond(timeline.before(2000), frame);
  say(byId('facts'), [
    frame.replication,
    count(frame, 'order', 'order replica', 'order replicas'),
    count(frame, 'catalog', 'catalog', 'catalogs'),
    count(frame, 'frontend', 'frontend', 'frontends'),
    rate === null ? null : `${Math.round(rate)} orders/s`,
  ].filter(Boolean).join(' · '));
  const state = byId('stream');
  const ago = Math.round((timeline.newest.at_ms - frame.at_ms) / 1000);
  say(state, broken ? 'no news: the stream is broken' : timeline.isLive ? 'live' : `as it was ${ago} s ago`);
  set(state, { class: broken ? 'broken' : timeline.isLive ? null : 'held' });
  byId('live').disabled = timeline.isLive;
  byId('heal').hidden = mayBreak() !== null;
  const clock = new Date(frame.at_ms).toLocaleTimeString('en-GB');
  say(byId('moment'), held ? `${clock}, ${held}` : `${clock}, now; at most ${Math.round(most)} orders/s`);
}

/** Draws one moment, and stops after each panel. */
function* panels(frame) {
  const minute = timeline.before(60_000) ?? timeline.frames[0];
  for (const view of past ? views : [...views, ...live]) {
    try {
      view(frame, minute, timeline);
    } catch (error) {
      // What one panel cannot draw, of a bundle that somebody changed, is no reason for the others.
      console.error(error);
    }
    yield;
  }
  const told = strip(timeline);
  yield;
  drawFacts(frame, told);
  past?.draw(frame, timeline, told.most);
}

/** Draws panel after panel; those that have no time left in this frame of the screen go into its next. */
function draw() {
  const start = performance.now();
  scheduled = false;
  do {
    if (!drawing) {
      wanted = false;
      drawing = timeline.shown && panels(timeline.shown);
    }
    if (drawing?.next().done) drawing = null;
  } while (drawing && performance.now() - start < SLICE_MS);
  // What it costs, for whoever measures it; the browser keeps them all.
  drawn += 1;
  if (drawn % 500 === 0) performance.clearMeasures('draw');
  performance.measure('draw', { start });
  if (drawing || wanted) tick();
}

function schedule() {
  wanted = true;
  tick();
}

function tick() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(draw);
}

scrub.oninput = () => {
  if (!timeline.newest) return;
  const share = Number(scrub.value) / Number(scrub.max);
  const span = timeline.spanMs ?? SHOWN_MS;
  timeline.hold(share >= 1 ? Infinity : timeline.newest.at_ms - span * (1 - share));
  schedule();
};
byId('live').onclick = goLive;
byId('heal').onclick = async () => {
  try {
    const { nodes } = await ask('POST', 'heal');
    const words = nodes.map((node) => node.done ?? `${node.node}: ${node.refused}`);
    tell(words.length ? words.join('; ') : 'Nothing was broken.', nodes.some((node) => node.refused));
  } catch (error) {
    tell(error.message, true);
  }
};

const theme = byId('theme');
function paint(dark) {
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  set(theme, { 'aria-pressed': String(dark) });
  say(theme, dark ? 'Light' : 'Dark');
}
const stored = localStorage.getItem('toystore-theme');
paint(stored ? stored === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches);
theme.onclick = () => {
  const dark = document.documentElement.dataset.theme !== 'dark';
  localStorage.setItem('toystore-theme', dark ? 'dark' : 'light');
  paint(dark);
};

// Where nothing runs no frame comes that would draw it anew.
addEventListener('resize', schedule);
token();
listen({
  onHello: (said) => {
    hello = said;
    timeline.begin(said.started);
    if (said.viewing && !past) {
      past = openBundle(said, timeline);
      messages.keepsAll = true;
    }
    schedule();
  },
  onFrames: (frames) => { broken = false; messages.add(timeline.add(frames)); schedule(); },
  onState: (state) => { broken = state === 'broken'; schedule(); },
});

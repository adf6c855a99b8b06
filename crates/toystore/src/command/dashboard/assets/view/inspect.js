// A closer look at a node or a link, and what can be done to it. What is written is brought up to date
// in place, and a button stays the same element as long as it does the same: a press that takes longer
// than a frame would be lost with it.

import { byId, each, h, inWindow, say, set } from '../dom.js';
import { edges, faultWords, inForce, nodes } from '../model/facts.js';
import { ask } from '../stream.js';

const ACTS = {
  up: ['pause', 'kill'], 'not ready': ['pause', 'kill'], starting: ['kill'],
  silent: ['pause', 'kill'], paused: ['resume', 'kill'], dead: ['start'], stopped: ['start'],
};
const WORDS = {
  kill: ['Kill (kill -9)', 'danger'], pause: ['Pause (SIGSTOP)', 'danger'],
  resume: ['Resume', 'primary'], start: ['Start again', 'primary'],
};
/** What can be set of a link: the field, its words, the most, the step, and how many of what is typed are 1. */
const FIELDS = [
  ['delay', 'late by, ms', 10_000, 1, 'delay_ms', 1], ['loss', 'lost, %', 100, 1, 'loss', 100],
  ['duplicate', 'twice, %', 100, 1, 'duplicate', 100],
];

/** Facts, of which each keeps its place. */
function showFacts(list, pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  each(list, told, ([name]) => name, ([name]) => h('div', {}, h('dt', {}, name), h('dd')), (element, [, value]) => {
    say(element.lastChild, value);
  });
}

function testid(words) {
  return `do-${words.replace(/ \(.*/, '').replaceAll(/[ ,]+/g, '-').toLowerCase()}`;
}

/**
 * `mayBreak()`: null, or why nothing can be broken; `mayKill()`: the same of nodes;
 * `tell(words, refused)` says what came of it.
 */
export function inspector({ mayBreak, mayKill, tell }) {
  const [box, title, facts, acts, form, gone, hint] =
    ['inspect', 'inspect-title', 'inspect-facts', 'inspect-acts', 'inspect-form', 'inspect-gone', 'inspect-why'].map(byId);
  let shown = null;
  /** What is in force on the link that is shown: what stands in its fields until somebody types there. */
  let force = null;

  const place = (anchor) => {
    const at = anchor.getBoundingClientRect();
    const below = at.top + at.height / 2 + 12;
    const top = Math.max(8, Math.min(below, innerHeight - box.offsetHeight - 8));
    box.style.left = `${inWindow(at.left + at.width / 2, box)}px`;
    box.style.top = `${top}px`;
  };
  const act = async (method, path, sent) => {
    box.hidePopover();
    try {
      const said = await ask(method, path, sent);
      tell(said.done, false);
    } catch (error) {
      tell(error.message, true);
    }
  };
  const put = (a, b, faults) => act('PUT', `links/${encodeURIComponent(a)}/${encodeURIComponent(b)}`, faults);

  /** `wanted`: words, kind and what it does of each button. */
  const showActs = (wanted, why) => {
    each(acts, wanted, ([words]) => words, ([words, kind]) => h('button', { type: 'button', class: kind,
      'data-testid': testid(words) }, words), (button, [, , does]) => {
      button.onclick = does;
      button.disabled = why !== null;
    });
    hint.hidden = why === null;
    say(hint, why ?? '');
  };
  const showForm = (isLink, why) => {
    form.hidden = !isLink;
    byId('do-apply').disabled = why !== null;
    if (!isLink) return;
    for (const [id, , , , field, whole] of FIELDS) {
      const input = byId(`set-${id}`);
      const value = String(Math.round(force[field] * whole));
      // Nothing that is typed is written over: only what changed of the link is written.
      if (!input.dataset.typed && input.dataset.force !== value) input.value = value;
      input.dataset.force = value;
    }
  };
  const node = (frame, name) => {
    const found = nodes(frame).find((one) => one.name === name);
    if (!found) return false;
    const why = mayKill();
    showFacts(facts, [['does', found.health], ['because', found.why], ['is', found.rank],
      ['has', [found.line, found.behind].filter(Boolean).join(', ')], ['leases', found.more],
      ['process', found.pid], ['at', found.url]]);
    showActs(ACTS[found.health].map((what) => {
      const [words, kind] = WORDS[what];
      return [words, kind, () => act('POST', `nodes/${encodeURIComponent(name)}/${what}`)];
    }), why);
    showForm(false, why);
    return true;
  };
  const link = (frame, from, to) => {
    const found = edges(frame).find((edge) => edge.from === from && edge.to === to);
    if (!found) return false;
    const why = mayBreak();
    const both = async (faults) => {
      await put(from, to, faults);
      await put(to, from, faults);
    };
    showFacts(facts, [[`${from} → ${to}`, faultWords(found.there) || 'nothing is wrong'],
      [`${to} → ${from}`, faultWords(found.back) || 'nothing is wrong']]);
    showActs([
      ['Cut both ways', 'danger', () => both({ cut: true })], ['Mend', 'primary', () => both({})],
      [`One way, to ${to}`, 'danger', () => put(from, to, { cut: true })],
      [`One way, to ${from}`, 'danger', () => put(to, from, { cut: true })],
    ], why);
    force = inForce(found);
    showForm(true, why);
    form.onsubmit = (event) => {
      event.preventDefault();
      const typed = FIELDS.map(([id, , , , field, whole]) => [field, Number(byId(`set-${id}`).value) / whole]);
      // What the form does not have stays as it is.
      both({ ...(force.jitter_ms ? { jitter_ms: force.jitter_ms } : {}), ...Object.fromEntries(typed) });
    };
    return true;
  };
  const draw = (frame) => {
    const isThere = shown.node ? node(frame, shown.node) : link(frame, shown.from, shown.to);
    gone.hidden = isThere;
    for (const part of [facts, acts]) part.hidden = !isThere;
    if (!isThere) form.hidden = true;
  };
  for (const [id, words, max, step] of FIELDS) {
    const input = h('input', { type: 'number', id: `set-${id}`, 'data-testid': `set-${id}`, min: 0, max, step,
      oninput: () => { input.dataset.typed = 'yes'; } });
    byId('inspect-fields').append(h('label', {}, words, input));
  }

  const open = (what, words, frame, anchor) => {
    shown = what;
    for (const [id] of FIELDS) {
      delete byId(`set-${id}`).dataset.typed;
      delete byId(`set-${id}`).dataset.force;
    }
    // Buttons of another node do other things under the same words: none may be pressed half.
    each(acts, [], String, null, null);
    say(title, words);
    draw(frame);
    box.showPopover();
    place(anchor);
    box.querySelector('button')?.focus();
    box.ontoggle = (event) => {
      if (event.newState === 'closed') shown = null;
    };
  };
  return {
    openNode: (name, frame, anchor) => open({ node: name }, name, frame, anchor),
    openEdge: (from, to, frame, anchor) => open({ from, to }, `${from} and ${to}`, frame, anchor),
    update: (frame) => {
      if (shown) draw(frame);
    },
  };
}

// A closer look at a node or a link, and what can be done to it.

import { byId, h, say } from '../dom.js';
import { edges, faultWords, nodes } from '../model/facts.js';
import { ask } from '../stream.js';

const ACTS = {
  up: ['pause', 'kill'], 'not ready': ['pause', 'kill'], starting: ['kill'],
  silent: ['pause', 'kill'], paused: ['resume', 'kill'], dead: ['start'], stopped: ['start'],
};
const WORDS = {
  kill: ['Kill (kill -9)', 'danger'], pause: ['Pause (SIGSTOP)', 'danger'],
  resume: ['Resume', 'primary'], start: ['Start again', 'primary'],
};

/**
 * `mayBreak()`: null, or why nothing can be broken; `mayKill()`: the same of nodes;
 * `tell(words, refused)` says what came of it.
 */
export function inspector({ mayBreak, mayKill, tell }) {
  const [box, title, body] = [byId('inspect'), byId('inspect-title'), byId('inspect-body')];
  let shown = null;
  let drawn = '';

  const place = (anchor) => {
    const at = anchor.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left + at.width / 2), innerWidth - box.offsetWidth - 8);
    const below = at.top + at.height / 2 + 12;
    const top = Math.max(8, Math.min(below, innerHeight - box.offsetHeight - 8));
    box.style.left = `${left}px`;
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
  const button = (words, kind, does, may = mayBreak) => h('button', {
    type: 'button', class: kind, disabled: may() !== null, onclick: does,
    'data-testid': `do-${words.replace(/ \(.*/, '').replaceAll(/[ ,]+/g, '-').toLowerCase()}`,
  }, words);
  const facts = (pairs) => h('dl', {}, pairs.filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => [h('dt', {}, name), h('dd', {}, String(value))]));
  const why = (may = mayBreak) => (may() ? h('p', { class: 'hint' }, may()) : null);

  const node = (frame, name) => {
    const found = nodes(frame).find((one) => one.name === name);
    if (!found) return null;
    const acts = ACTS[found.health].map((what) => {
      const [words, kind] = WORDS[what];
      return button(words, kind, () => act('POST', `nodes/${encodeURIComponent(name)}/${what}`), mayKill);
    });
    return [
      facts([['does', found.health], ['because', found.why], ['is', found.rank], ['has', found.line],
        ['process', found.pid], ['at', found.url]]),
      h('div', { class: 'row' }, acts), why(mayKill),
    ];
  };
  const link = (frame, from, to) => {
    const found = edges(frame).find((edge) => edge.from === from && edge.to === to);
    if (!found) return null;
    const put = (a, b, faults) => act('PUT', `links/${encodeURIComponent(a)}/${encodeURIComponent(b)}`, faults);
    const both = async (faults) => {
      await put(from, to, faults);
      await put(to, from, faults);
    };
    const number = (id, label, max, step) => h('label', {}, label,
      h('input', { type: 'number', id: `set-${id}`, 'data-testid': `set-${id}`, min: 0, max, step, value: 0 }));
    const read = (id) => Number(byId(`set-${id}`).value);
    const wanted = () => ({ delay_ms: read('delay'), loss: read('loss') / 100, duplicate: read('duplicate') / 100 });
    return [
      facts([[`${from} → ${to}`, faultWords(found.there) || 'nothing is wrong'],
        [`${to} → ${from}`, faultWords(found.back) || 'nothing is wrong']]),
      h('div', { class: 'row' },
        button('Cut both ways', 'danger', () => both({ cut: true })),
        button('Mend', 'primary', () => both({}))),
      h('div', { class: 'row' },
        button(`One way, to ${to}`, 'danger', () => put(from, to, { cut: true })),
        button(`One way, to ${from}`, 'danger', () => put(to, from, { cut: true }))),
      h('fieldset', {}, h('legend', {}, 'or make it slow and lossy, both ways'),
        number('delay', 'late by, ms', 10_000, 10), number('loss', 'lost, %', 100, 1),
        number('duplicate', 'twice, %', 100, 1),
        h('div', { class: 'row' }, button('Apply', '', () => both(wanted())))),
      why(),
    ];
  };
  const draw = (frame) => {
    const content = shown.node ? node(frame, shown.node) : link(frame, shown.from, shown.to);
    // What is typed into must not be made anew under the hand.
    const text = content ? content.map((part) => part?.textContent).join() : '';
    if (text === drawn || body.contains(document.activeElement) && document.activeElement.tagName === 'INPUT') return;
    const focus = document.activeElement?.dataset?.testid;
    drawn = text;
    body.replaceChildren(...(content ?? [h('p', {}, 'It is not there any more.')]).filter(Boolean));
    if (focus) body.querySelector(`[data-testid="${focus}"]`)?.focus();
  };

  const open = (what, words, frame, anchor) => {
    shown = what;
    drawn = '';
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

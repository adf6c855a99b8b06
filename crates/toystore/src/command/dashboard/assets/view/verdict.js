// What the checker says of everything that the page's shoppers were told. Called by main.js.

import { byId, each, h, say, set } from '../dom.js';
import { rounds } from '../model/rounds.js';

const FILES = {
  picture: 'picture.html', verdict: 'verdict.txt', history: 'history.jsonl', bundle: 'bundle.tar.gz',
};

/** The lines of a verdict, each brought up to date. */
export function fillLines(list, lines) {
  each(list, lines, (one) => one.name, line, fill);
}

function line() {
  return h('li', { class: 'line' },
    h('span', { class: 'mark', 'aria-hidden': 'true' }), h('b'), h('span', { class: 'says' }),
    h('span', { class: 'means' }), h('span', { class: 'words' }));
}

function fill(element, one) {
  const [mark, name, says, means, words] = element.children;
  say(mark, one.mark);
  say(name, one.name);
  say(says, one.promised || one.verdict === 'not-judged' ? one.says : `${one.says}, not promised`);
  say(means, one.means);
  say(words, one.words);
  words.hidden = one.verdict === 'held' || one.verdict === 'not-judged';
  set(element, { class: `line ${one.verdict}`, title: one.words, 'data-testid': `guarantee-${one.name}` });
}

export function verdictView() {
  const [state, lines, last, files] =
    ['verdict-state', 'verdict-lines', 'verdict-last', 'verdict-files'].map(byId);
  return (frame) => {
    const { state: words, open, ended } = rounds(frame);
    say(state, words);
    // Until there is something to say of the open round, what the last one came to.
    const shown = open && open.operations > 0 ? open : ended ?? open;
    fillLines(lines, shown ? shown.lines : []);
    set(lines, { 'aria-label': shown ? `Round ${shown.round}: ${shown.says}` : 'No verdict yet' });
    last.hidden = ended === null;
    // What is in the files is judged as if nobody else had bought.
    files.hidden = ended === null || ended.others > 0;
    if (ended === null) return;
    say(last, `${ended.mark} Round ${ended.round} has ended: ${ended.says}, of ${ended.operations} operations.`);
    set(last, { class: `last ${ended.verdict}` });
    for (const link of files.querySelectorAll('a')) {
      set(link, { href: `api/rounds/${ended.round}/${FILES[link.dataset.file]}` });
    }
  };
}

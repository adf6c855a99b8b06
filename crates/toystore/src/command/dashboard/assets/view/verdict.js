// What the checker says of everything that the page's shoppers were told. Called by main.js.

import { byId, each, h, say, set } from '../dom.js';
import { howToBreak } from '../model/facts.js';
import { headline, rounds } from '../model/rounds.js';

const FILES = {
  picture: 'picture.html', verdict: 'verdict.txt', history: 'history.jsonl', bundle: 'bundle.tar.gz',
};

/** What counts of a verdict: in the bar, where it is seen wherever the page is scrolled to. */
export function showHeadline(shown) {
  const { verdict, words } = shown ? headline(shown) : { verdict: 'not-judged', words: '– nothing is judged yet' };
  const chip = byId('headline');
  say(chip, words);
  set(chip, { class: verdict });
}

/** The lines of a verdict, what broke first; what was not judged is folded away below. */
export function fillLines(lines) {
  const judged = ['broke', 'not-decided', 'held'].flatMap((word) => lines.filter((one) => one.verdict === word));
  const others = lines.filter((one) => one.verdict === 'not-judged');
  each(byId('verdict-lines'), judged, (one) => one.name, line, fill);
  each(byId('verdict-others'), others, (one) => one.name, line, fill);
  byId('verdict-fold').hidden = lines.length === 0;
  const rest = others.length > 0 ? `, and ${others.length} that are not judged` : '';
  say(byId('verdict-folded'), judged.length > 0 ? `What was compared${rest}` : `What will be judged: ${others.length} guarantees`);
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
  set(element, { class: `line ${one.verdict}`, 'data-testid': `guarantee-${one.name}` });
}

function linkTo(element, round) {
  for (const link of element.querySelectorAll('a')) {
    set(link, { href: `api/rounds/${round}/${FILES[link.dataset.file ?? link.dataset.sofar]}` });
  }
}

/** What there is to be looked at of a violation while its round goes on. */
function showSofar(element, shown, sofar) {
  element.hidden = shown?.verdict !== 'broke';
  if (element.hidden) return;
  const [picture, words] = element.children;
  picture.hidden = !sofar.includes('picture.html');
  say(words, picture.hidden
    ? 'Its picture, and everything in one file, are here when the round ends: after a minute, or by Stop.'
    : ' – everything in one file is here when the round ends.');
  linkTo(element, shown.round);
}

function showBefore(list, before) {
  const link = (round, file, words) =>
    h('a', { href: `api/rounds/${round}/${FILES[file]}`, target: '_blank', rel: 'noopener' }, words);
  each(list, before, ({ round }) => round, ({ round, words }) => h('li', {}, `${words}: `, link(round, 'picture', 'picture'),
    ', ', link(round, 'verdict', 'verdict in words'), ', ', link(round, 'bundle', 'everything, one file')), () => {});
}

export function verdictView() {
  const [state, hint, lines, last, files, now, earlier] =
    ['verdict-state', 'verdict-try', 'verdict-lines', 'verdict-last', 'verdict-files', 'verdict-sofar', 'verdict-before'].map(byId);
  return (frame) => {
    const { state: words, open, ended, shown, sofar, before } = rounds(frame);
    say(state, words);
    say(hint, howToBreak(frame));
    hint.hidden = hint.textContent === '' || shown?.verdict === 'broke';
    showHeadline(shown);
    fillLines(shown ? shown.lines : []);
    set(lines, { 'aria-label': shown ? `Round ${shown.round}: ${shown.says}` : 'No verdict yet' });
    showSofar(now, shown === open ? shown : null, sofar);
    showBefore(earlier, before);
    last.hidden = ended === null;
    // What is in the files is judged as if nobody else had bought.
    files.hidden = ended === null || ended.others > 0;
    if (ended === null) return;
    say(last, `${ended.mark} Round ${ended.round} has ended: ${ended.says}, of ${ended.operations} operations.`);
    set(last, { class: `last ${ended.verdict}` });
    linkTo(files, ended.round);
  };
}

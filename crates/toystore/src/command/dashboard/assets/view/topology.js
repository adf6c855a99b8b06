// The picture of the nodes and the links between them. Called by main.js with every frame.

import { each, h, say, set } from '../dom.js';
import { edges, faultWords, nodes } from '../model/facts.js';

const [BOX_WIDTH, BOX_HEIGHT] = [196, 84];
const TIERS = ['frontend', 'order', 'catalog'];
const TITLES = { frontend: 'FRONTENDS', order: 'ORDER REPLICAS', catalog: 'CATALOG' };

/**
 * Where each node stands. On a wide screen each tier is a column, shoppers' side on the left; on a
 * narrow one everything stands in one column, tier below tier, with room for links on both sides.
 */
export function places(all, narrow) {
  return narrow ? stacked(all) : abreast(all);
}

function abreast(all) {
  const [row, top, width] = [118, 52, 960];
  const columns = { frontend: 120, order: 480, catalog: 840 };
  const of = (role) => all.filter((node) => node.role === role);
  const rows = Math.max(...TIERS.map((role) => of(role).length));
  const at = new Map();
  for (const role of TIERS) {
    const above = (rows - of(role).length) / 2;
    of(role).forEach((node, place) => {
      at.set(node.name, { x: columns[role], y: top + BOX_HEIGHT / 2 + (above + place) * row });
    });
  }
  const titles = TIERS.map((role) => ({ words: TITLES[role], x: columns[role], y: 26 }));
  return { at, titles, width, height: top + rows * row + 26, narrow: false };
}

function stacked(all) {
  const [row, gap, width] = [104, 44, 420];
  const [at, titles] = [new Map(), []];
  let y = 0;
  for (const role of TIERS) {
    y += gap;
    titles.push({ words: TITLES[role], x: width / 2, y: y - 14 });
    for (const node of all.filter((one) => one.role === role)) {
      at.set(node.name, { x: width / 2, y: y + BOX_HEIGHT / 2 });
      y += row;
    }
  }
  return { at, titles, width, height: y + 4, narrow: true };
}

/** The line of a link, and where its words stand. */
export function path(edge, { at, height, narrow }) {
  const [a, b] = [at.get(edge.from), at.get(edge.to)];
  if (narrow) return narrowPath(edge, a, b);
  if (edge.kind === 'log') return bow(a, b, 118);
  if (edge.kind === 'products') {
    // Below the order replicas.
    const [low, deep] = [BOX_HEIGHT / 2, height + 6];
    const d = `M${a.x} ${a.y + low}C${a.x} ${deep} ${b.x} ${deep} ${b.x} ${b.y + low}`;
    return { d, x: (a.x + b.x) / 2, y: deep * 0.75 + (a.y + b.y + BOX_HEIGHT) * 0.125 - 6 };
  }
  const [from, to] = [a.x + BOX_WIDTH / 2, b.x - BOX_WIDTH / 2];
  return { d: `M${from} ${a.y}L${to} ${b.y}`, x: (from + to) / 2, y: (a.y + b.y) / 2 - 5 };
}

/** Between two boxes of a column: straight, or bent around those between. */
function bow(a, b, row) {
  const far = Math.abs(b.y - a.y) / row;
  if (far <= 1) {
    const [top, bottom] = [Math.min(a.y, b.y) + BOX_HEIGHT / 2, Math.max(a.y, b.y) - BOX_HEIGHT / 2];
    return { d: `M${a.x} ${top}V${bottom}`, x: a.x, y: (top + bottom) / 2 + 5 };
  }
  const right = a.x + BOX_WIDTH / 2;
  const out = right + Math.min(26 * far, 90);
  const d = `M${right} ${a.y}C${out} ${a.y} ${out} ${b.y} ${right} ${b.y}`;
  return { d, x: out - 8, y: (a.y + b.y) / 2 };
}

/** Orders and takes on the right, products and what is between replicas on the left. */
function narrowPath(edge, a, b) {
  const side = edge.kind === 'orders' || edge.kind === 'takes' ? 1 : -1;
  const from = a.x + (side * BOX_WIDTH) / 2;
  const out = from + side * Math.min(18 + Math.abs(b.y - a.y) * 0.16, 96);
  const d = `M${from} ${a.y}C${out} ${a.y} ${out} ${b.y} ${from} ${b.y}`;
  return { d, x: from + (out - from) * 0.7, y: (a.y + b.y) / 2 };
}

export function edgeWords(edge) {
  const [there, back] = [faultWords(edge.there), faultWords(edge.back)];
  if (there && there === back) return there;
  const one = there && `${edge.from} → ${edge.to} ${there}`;
  const other = back && `${edge.to} → ${edge.from} ${back}`;
  return [one, other].filter(Boolean).join('; ');
}

export function topology(svg, { onNode, onEdge }) {
  const [titles, lines, boxes] = [h('g'), h('g'), h('g')];
  svg.append(titles, lines, boxes);
  const pressed = (act) => (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    act(event);
  };

  const makeEdge = (edge) => {
    const act = (event) => onEdge(edge.from, edge.to, event.currentTarget);
    const parts = [h('path', { class: 'seen' }), h('path', { class: 'hit' }),
      h('text', { class: 'mark', 'text-anchor': 'middle' })];
    const id = `edge-${edge.from}-${edge.to}`;
    return h('g', { class: 'edge', role: 'button', tabindex: 0, 'data-testid': id,
      onclick: act, onkeydown: pressed(act) }, parts);
  };
  const makeNode = (node) => {
    const act = (event) => onNode(node.name, event.currentTarget);
    const [x, y] = [-BOX_WIDTH / 2, -BOX_HEIGHT / 2];
    return h('g', { role: 'button', tabindex: 0, 'data-testid': `node-${node.name}`,
      onclick: act, onkeydown: pressed(act) },
      h('rect', { class: 'box', x, y, width: BOX_WIDTH, height: BOX_HEIGHT, rx: 10 }),
      h('text', { class: 'name', x: x + 14, y: y + 26 }),
      h('text', { class: 'badge', x: -x - 14, y: y + 26, 'text-anchor': 'end' }),
      h('text', { class: 'small', x: x + 14, y: y + 48 }),
      h('text', { class: 'small', x: x + 14, y: y + 68 }));
  };

  return (frame) => {
    const all = nodes(frame);
    const room = places(all, svg.clientWidth > 0 && svg.clientWidth < 560);
    set(svg, { viewBox: `0 0 ${room.width} ${room.height}` });
    const make = () => h('text', { class: 'tier', 'text-anchor': 'middle' });
    each(titles, room.titles, (title) => title.words, make, (element, { words, x, y }) => {
      set(element, { x, y });
      say(element, words);
    });
    each(lines, edges(frame), (edge) => `${edge.from} ${edge.to}`, makeEdge, (element, edge) => {
      const words = edgeWords(edge);
      const { d, x, y } = path(edge, room);
      const [seen, hit, mark] = element.children;
      set(seen, { d });
      set(hit, { d });
      set(mark, { x, y });
      say(mark, words);
      set(element, {
        class: words ? 'edge faulty' : 'edge',
        'aria-label': `link of ${edge.from} and ${edge.to}: ${words || 'nothing is wrong'}`,
      });
    });
    each(boxes, all, (node) => node.name, makeNode, (element, node) => {
      const { x, y } = room.at.get(node.name);
      const [, name, badge, first, second] = element.children;
      const up = node.health === 'up';
      const leads = node.leads && node.role === 'order';
      say(name, node.name);
      say(badge, leads ? '★ leads' : '');
      say(first, up ? node.rank || node.line : node.health);
      const why = node.health === 'paused' ? 'it hangs: SIGSTOP' : short(node.why);
      say(second, up && node.rank ? node.line : up ? '' : why);
      set(element, {
        class: `node ${node.health.replace(' ', '-')}${leads ? ' leads' : ''}`,
        transform: `translate(${x} ${y})`,
        'aria-label': [node.name, leads ? 'leads' : '', node.health, node.rank, node.line]
          .filter(Boolean).join(', '),
      });
    });
  };
}

function short(words) {
  if (!words) return '';
  return words.length > 24 ? `${words.slice(0, 23)}…` : words;
}

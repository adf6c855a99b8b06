// The picture of the nodes and the links between them. Called by main.js with every frame.

import { each, h, say, set } from '../dom.js';
import { edges, faultWords, nodes } from '../model/facts.js';
import { SHOPPERS } from '../model/messages.js';
import { shoppers } from '../model/rounds.js';

const [BOX_WIDTH, BOX_HEIGHT] = [184, 84];
const CLIENTS_WIDTH = 124;
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
  const [row, top, width] = [118, 52, 1030];
  const columns = { frontend: 286, order: 610, catalog: 932 };
  const of = (role) => all.filter((node) => node.role === role);
  const rows = Math.max(...TIERS.map((role) => of(role).length));
  const at = new Map();
  for (const role of TIERS) {
    const above = (rows - of(role).length) / 2;
    of(role).forEach((node, place) => {
      at.set(node.name, { x: columns[role], y: top + BOX_HEIGHT / 2 + (above + place) * row });
    });
  }
  at.set(SHOPPERS, { x: CLIENTS_WIDTH / 2 + 6, y: top + BOX_HEIGHT / 2 + ((rows - 1) / 2) * row });
  const titles = TIERS.map((role) => ({ words: TITLES[role], x: columns[role], y: 26 }));
  return { at, titles, width, height: top + rows * row + 26, narrow: false };
}

function stacked(all) {
  const [row, gap, width] = [104, 44, 420];
  const [at, titles] = [new Map(), []];
  at.set(SHOPPERS, { x: width / 2, y: BOX_HEIGHT / 2 + 2 });
  let y = BOX_HEIGHT + 6;
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
  const half = edge.kind === 'requests' ? CLIENTS_WIDTH / 2 : BOX_WIDTH / 2;
  const [from, to] = [a.x + half, b.x - BOX_WIDTH / 2];
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

/** Orders and takes on the right, products and what is between replicas on the left; clients stand
    above the frontends, and are smaller. */
function narrowPath(edge, a, b) {
  if (edge.kind === 'requests') {
    const [from, to] = [a.x + CLIENTS_WIDTH / 2, b.x + BOX_WIDTH / 2];
    const out = to + 12 + (b.y - a.y) * 0.12;
    return { d: `M${from} ${a.y}C${out} ${a.y} ${out} ${b.y} ${to} ${b.y}`, x: out, y: (a.y + b.y) / 2 };
  }
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

/** Those who ask: no process of the store, so nothing can be done to them. */
function clientsView(parent) {
  const [x, y] = [-CLIENTS_WIDTH / 2, -BOX_HEIGHT / 2 + 6];
  const text = (name, down) => h('text', { class: name, y: y + down, 'text-anchor': 'middle' });
  const words = [text('name', 24), text('small', 44), text('small', 62)];
  const box = h('g', { class: 'clients', role: 'img', 'data-testid': 'node-shoppers' },
    h('rect', { class: 'box', x, y, width: CLIENTS_WIDTH, height: BOX_HEIGHT - 12, rx: 36 }), words);
  parent.append(box);
  return (frame, at) => {
    const lines = shoppers(frame);
    lines.forEach((line, place) => say(words[place], line));
    set(words[0], { y: y + (lines[1] ? 24 : 42) });
    set(box, { transform: `translate(${at.x} ${at.y})`, 'aria-label': lines.filter(Boolean).join(' ') });
  };
}

/** `along(from, to)` of what is returned is the line on which a message moves, null without one. */
export function topology(svg, { onNode, onEdge }) {
  const [titles, asked, lines, boxes, dots] = [h('g'), h('g'), h('g'), h('g'), h('g', { 'aria-hidden': 'true' })];
  const clients = h('g');
  svg.append(titles, asked, lines, clients, boxes, dots);
  const drawClients = clientsView(clients);
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

  const along = (from, to) => {
    const line = (a, b) => (lines.known?.get(`${a} ${b}`) ?? asked.known?.get(`${a} ${b}`))?.firstChild ?? null;
    const there = line(from, to);
    const path = there ?? line(to, from);
    return path && { path, back: there === null };
  };
  const drawAsked = (frame, room) => {
    const all = frame.nodes.filter((node) => node.role === 'frontend');
    const make = () => h('g', { class: 'asked' }, h('path', { class: 'seen' }));
    each(asked, all, (node) => `${SHOPPERS} ${node.name}`, make, (element, node) => {
      const { d } = path({ from: SHOPPERS, to: node.name, kind: 'requests' }, room);
      set(element.firstChild, { d });
    });
  };

  const draw = (frame) => {
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
    drawAsked(frame, room);
    drawClients(frame, room.at.get(SHOPPERS));
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
  return { draw, along, dots };
}

function short(words) {
  if (!words) return '';
  return words.length > 24 ? `${words.slice(0, 23)}…` : words;
}

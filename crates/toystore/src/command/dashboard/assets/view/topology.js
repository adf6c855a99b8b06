// The picture of the nodes and the links between them. Called by main.js with every frame.

import { each, h, say, set, widthOf } from '../dom.js';
import { edges, faultWords, nodes } from '../model/facts.js';
import { SHOPPERS } from '../model/messages.js';
import { BOX_HEIGHT, CLIENTS_HEIGHT, CLIENTS_WIDTH, path, places } from '../model/room.js';
import { shoppers } from '../model/rounds.js';

/** How wide a letter of the small words is at most, and the picture where that is not known; in pixels. */
const [LETTER, ELSE] = [7.4, 780];

/** What a link suffers. `short`: in the picture, where its beginning can be seen. */
export function edgeWords(edge, short = false) {
  const [there, back] = [faultWords(edge.there), faultWords(edge.back)];
  if (there && there === back) return there;
  const way = (from, to, words) => words && `${short ? '' : `${from} `}→ ${to} ${words}`;
  return [way(edge.from, edge.to, there), way(edge.to, edge.from, back)].filter(Boolean).join('; ');
}

/** Those who ask: no process of the store, so nothing can be done to them. */
function clientsView(parent) {
  const [x, y] = [-CLIENTS_WIDTH / 2, -CLIENTS_HEIGHT / 2];
  const text = (name, down) => h('text', { class: name, y: y + down, 'text-anchor': 'middle' });
  const words = [text('name', 20), text('small', 37), text('small', 52)];
  const box = h('g', { class: 'clients', role: 'img', 'data-testid': 'node-shoppers' },
    h('rect', { class: 'box', x, y, width: CLIENTS_WIDTH, height: CLIENTS_HEIGHT, rx: CLIENTS_HEIGHT / 2 }), words);
  parent.append(box);
  return (frame, at) => {
    const lines = shoppers(frame);
    lines.forEach((line, place) => say(words[place], line));
    set(words[0], { y: y + (lines[1] ? 20 : CLIENTS_HEIGHT / 2 + 5) });
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
    const y = -BOX_HEIGHT / 2;
    return h('g', { role: 'button', tabindex: 0, 'data-testid': `node-${node.name}`,
      onclick: act, onkeydown: pressed(act) },
      h('rect', { class: 'box', y, height: BOX_HEIGHT, rx: 10 }),
      h('text', { class: 'name', y: y + 21 }),
      h('text', { class: 'badge', y: y + 21, 'text-anchor': 'end' }),
      h('text', { class: 'small', y: y + 40 }),
      h('text', { class: 'small', y: y + 57 }));
  };
  /** What is written at a node, below its name and beside it. */
  const drawNode = (element, node, { x, y }, box, isLead) => {
    const [frame, name, badge, first, second] = element.children;
    const left = -box / 2 + 10;
    set(frame, { x: -box / 2, width: box });
    for (const text of [name, first, second]) set(text, { x: left });
    set(badge, { x: box / 2 - 10, class: isLead ? 'badge star' : 'badge' });
    const up = node.health === 'up';
    const rest = Math.floor((box - 20) / LETTER);
    const why = node.health === 'paused' ? 'it hangs: SIGSTOP' : short(node.why, rest);
    say(name, node.name);
    say(badge, isLead ? '★ leads' : up ? node.behind : '');
    say(first, up ? node.rank || node.line : node.health);
    say(second, up && node.rank ? node.line : up ? '' : why);
    set(element, {
      class: `node ${node.role} ${node.health.replace(' ', '-')}${isLead ? ' leads' : ''}`,
      transform: `translate(${x} ${y})`,
      'aria-label': [node.name, isLead ? 'leads' : '', node.health, node.rank, node.line, node.behind]
        .filter(Boolean).join(', '),
    });
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
    const room = places(all, widthOf(svg) || ELSE);
    const alone = frame.nodes.filter((node) => node.role === 'catalog').length === 1;
    set(svg, { viewBox: `0 0 ${room.width} ${room.height}` });
    const make = () => h('text', { class: 'tier', 'text-anchor': 'middle' });
    each(titles, room.titles, (title) => title.words, make, (element, { words, x, y }) => {
      set(element, { x, y });
      say(element, words);
    });
    each(lines, edges(frame), (edge) => `${edge.from} ${edge.to}`, makeEdge, (element, edge) => {
      const words = edgeWords(edge);
      const { d, x, y, anchor = 'middle' } = path(edge, room);
      const [seen, hit, mark] = element.children;
      set(seen, { d });
      set(hit, { d });
      set(mark, { x, y, 'text-anchor': anchor });
      say(mark, edgeWords(edge, true));
      set(element, {
        class: words ? 'edge faulty' : 'edge',
        'aria-label': `link of ${edge.from} and ${edge.to}: ${words || 'nothing is wrong'}`,
      });
    });
    drawAsked(frame, room);
    drawClients(frame, room.at.get(SHOPPERS));
    each(boxes, all, (node) => node.name, makeNode, (element, node) => {
      // Whoever is alone leads nobody.
      const isLead = node.leads && (node.role === 'order' || (node.role === 'catalog' && !alone));
      drawNode(element, node, room.at.get(node.name), room.box, isLead);
    });
  };
  return { draw, along, dots };
}

function short(words, most) {
  if (!words) return '';
  return words.length > most ? `${words.slice(0, most - 1)}…` : words;
}

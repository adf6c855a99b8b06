// The picture of the nodes and the links between them. Called by main.js with every frame.

import { each, h, say, set } from '../dom.js';
import { edges, faultWords, nodes } from '../model/facts.js';
import { SHOPPERS } from '../model/messages.js';
import { BOX_HEIGHT, BOX_WIDTH, CLIENTS_WIDTH, path, places } from '../model/room.js';
import { shoppers } from '../model/rounds.js';

/** What a link suffers. `short`: in the picture, where its beginning can be seen. */
export function edgeWords(edge, short = false) {
  const [there, back] = [faultWords(edge.there), faultWords(edge.back)];
  if (there && there === back) return there;
  const way = (from, to, words) => words && `${short ? '' : `${from} `}→ ${to} ${words}`;
  return [way(edge.from, edge.to, there), way(edge.to, edge.from, back)].filter(Boolean).join('; ');
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

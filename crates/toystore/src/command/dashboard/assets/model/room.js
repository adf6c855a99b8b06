// Where each node stands in the picture of the store, and where the links between them run.
//
// Pure. Called by view/topology.js. Lengths are in pixels of the page, so that words can be read
// from the back of a room; of a picture wider than WIDTH_MAX they are larger.

import { SHOPPERS } from './messages.js';

/** How high a node is, and how large those who ask are. */
export const BOX_HEIGHT = 68;
export const [CLIENTS_WIDTH, CLIENTS_HEIGHT] = [132, 62];
/** A wider picture is drawn larger instead; one that is not as wide as these has another order. */
const [WIDTH_MAX, BESIDE, ABREAST] = [960, 700, 480];
const TIERS = ['frontend', 'order', 'catalog'];
const TITLES = { frontend: 'FRONTENDS', order: 'ORDER REPLICAS', catalog: 'CATALOG' };
/** Room for the lines that run around a node of their own column. */
const BOW = 46;

/**
 * Where each node stands in a picture so wide. Each tier is a column, shoppers on the left, or above
 * the frontends where they find no room there; on a telephone everything stands in one column, tier
 * below tier, with room for links on both sides.
 */
export function places(all, wide) {
  const width = Math.min(wide, WIDTH_MAX);
  return width < ABREAST ? stacked(all, width) : abreast(all, width, width < BESIDE);
}

function abreast(all, width, isAbove) {
  const of = (role) => all.filter((node) => node.role === role).map((node) => node.name);
  const columns = TIERS.map(of);
  const around = columns[2].length > 2 ? BOW : 4;
  const before = isAbove ? (columns[0].length > 1 ? BOW : 4) : CLIENTS_WIDTH + 6;
  const gaps = isAbove ? 2 : 3;
  const gap = Math.min(110, Math.max(40, (width - before - around) * 0.07));
  const box = (width - before - around - gaps * gap) / 3;
  const left = before + (isAbove ? 0 : gap);
  if (isAbove) columns[0].unshift(SHOPPERS);
  const most = Math.max(...columns.map((column) => column.length));
  const [row, top] = [most > 4 ? 88 : 102, 30];
  const at = new Map();
  const titles = columns.map((column, tier) => {
    const x = left + box / 2 + tier * (box + gap);
    column.forEach((name, place) => {
      at.set(name, { x, y: top + BOX_HEIGHT / 2 + ((most - column.length) / 2 + place) * row });
    });
    return { words: TITLES[TIERS[tier]], x, y: 14 };
  });
  if (!isAbove) at.set(SHOPPERS, { x: CLIENTS_WIDTH / 2 + 2, y: top + BOX_HEIGHT / 2 + ((most - 1) / 2) * row });
  return { at, titles, width, height: top + most * row + 10, box, row, right: left + 3 * box + 2 * gap, narrow: false };
}

function stacked(all, width) {
  const [row, gap, box] = [82, 38, Math.min(180, width - 136)];
  const [at, titles] = [new Map(), []];
  at.set(SHOPPERS, { x: width / 2, y: CLIENTS_HEIGHT / 2 + 2 });
  let y = CLIENTS_HEIGHT;
  for (const role of TIERS) {
    y += gap - 8;
    titles.push({ words: TITLES[role], x: width / 2, y: y - 8 });
    for (const node of all.filter((one) => one.role === role)) {
      at.set(node.name, { x: width / 2, y: y + BOX_HEIGHT / 2 });
      y += row;
    }
  }
  return { at, titles, width, height: y - 8, box, row, narrow: true };
}

/** The line of a link, and where its words stand. */
export function path(edge, room) {
  const [a, b] = [room.at.get(edge.from), room.at.get(edge.to)];
  if (room.narrow) return narrowPath(edge, a, b, room);
  if (edge.kind === 'log') return bow(a, b, room);
  if (edge.kind === 'products') {
    // Below the order replicas, in the middle or, from a node that stands low, beside it: a curve goes
    // as far as three quarters of the way to where it is drawn to.
    const [from, to, bottom] = [a.y + BOX_HEIGHT / 2, b.y + BOX_HEIGHT / 2, room.height - 4];
    const deep = Math.min(bottom - 8 - (from + to) / 8, bottom - Math.max(from, to) / 4) / 0.75;
    const d = `M${a.x} ${from}C${a.x} ${deep} ${b.x} ${deep} ${b.x} ${to}`;
    return { d, x: (a.x + b.x) / 2, y: deep * 0.75 + (from + to) / 8 - 6 };
  }
  if (edge.kind === 'requests' && a.x === b.x) return above(a, b, room);
  const half = edge.kind === 'requests' ? CLIENTS_WIDTH / 2 : room.box / 2;
  const [from, to] = [a.x + half, b.x - room.box / 2];
  return { d: `M${from} ${a.y}L${to} ${b.y}`, x: (from + to) / 2, y: (a.y + b.y) / 2 - 5 };
}

/** Between two boxes of a column: straight, or bent around those between. */
function bow(a, b, { row, box, right: end }) {
  const far = Math.round(Math.abs(b.y - a.y) / row);
  if (far <= 1) {
    const [top, bottom] = [Math.min(a.y, b.y) + BOX_HEIGHT / 2, Math.max(a.y, b.y) - BOX_HEIGHT / 2];
    return { d: `M${a.x} ${top}V${bottom}`, x: a.x, y: (top + bottom) / 2 + 5 };
  }
  const right = a.x + box / 2;
  const out = right + Math.min(24 * far, BOW * 1.25);
  const d = `M${right} ${a.y}C${out} ${a.y} ${out} ${b.y} ${right} ${b.y}`;
  // Right of the last column there is no room for words, but between two of its boxes.
  const between = Math.min(a.y, b.y) + row / 2 + (far > 2 ? row : 0) + 5;
  return right >= end - 1
    ? { d, x: right - 4, y: between, anchor: 'end' }
    : { d, x: right + 8, y: (a.y + b.y) / 2, anchor: 'start' };
}

/** Down to a frontend from those who ask, who stand above: straight to the first. */
function above(a, b, { row, box }) {
  const [low, far] = [a.y + CLIENTS_HEIGHT / 2, Math.round((b.y - a.y) / row)];
  if (far <= 1) return { d: `M${a.x} ${low}V${b.y - BOX_HEIGHT / 2}`, x: a.x, y: low + 12 };
  const [from, to] = [a.x - CLIENTS_WIDTH / 2, b.x - box / 2];
  const out = to - Math.min(20 * far, BOW - 6);
  return { d: `M${from} ${a.y}C${out} ${a.y} ${out} ${b.y} ${to} ${b.y}`, x: out, y: (a.y + b.y) / 2 };
}

/** Orders and takes on the right, products and what is between replicas on the left; clients stand
    above the frontends, and are smaller. */
function narrowPath(edge, a, b, { box, width }) {
  // A curve goes as far as three quarters of the way to where it is drawn to.
  const most = ((width - box) / 2 - 6) / 0.75;
  if (edge.kind === 'requests') {
    const [from, to] = [a.x + CLIENTS_WIDTH / 2, b.x + box / 2];
    const out = to + Math.min(12 + (b.y - a.y) * 0.12, most);
    return { d: `M${from} ${a.y}C${out} ${a.y} ${out} ${b.y} ${to} ${b.y}`, x: out, y: (a.y + b.y) / 2 };
  }
  const side = edge.kind === 'orders' || edge.kind === 'takes' ? 1 : -1;
  const from = a.x + (side * box) / 2;
  const out = from + side * Math.min(18 + Math.abs(b.y - a.y) * 0.18, most);
  const d = `M${from} ${a.y}C${out} ${a.y} ${out} ${b.y} ${from} ${b.y}`;
  // Words begin at the edge: that is all the room there is beside the nodes.
  return { d, y: (a.y + b.y) / 2, ...(side > 0 ? { x: width - 2, anchor: 'end' } : { x: 2, anchor: 'start' }) };
}

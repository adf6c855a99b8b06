// Where each node stands in the picture of the store, and where the links between them run.
//
// Pure. Called by view/topology.js. Lengths are of the picture's own.

import { SHOPPERS } from './messages.js';

/** How large a node is, and how wide those who ask are. */
export const [BOX_WIDTH, BOX_HEIGHT] = [196, 84];
export const CLIENTS_WIDTH = 124;
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
  const [row, top, width] = [118, 52, 1044];
  const columns = { frontend: 288, order: 614, catalog: 940 };
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
  return { d, x: right + 8, y: (a.y + b.y) / 2, anchor: 'start' };
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

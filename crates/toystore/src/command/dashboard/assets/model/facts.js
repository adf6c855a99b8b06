// From a frame to what is drawn: who is there and how, logs, caches, stock.
//
// Pure. Every value is one that a node said, or follows from such values as the words beside it say.

/** How a node does, in words; also what a screen reader says. */
export function health(node) {
  if (node.state === 'dead') return 'dead';
  if (node.state === 'stopped') return 'stopped';
  if (node.state === 'paused') return 'paused';
  if (node.said === null) return node.state === 'starting' ? 'starting' : 'silent';
  return node.said.ready ? 'up' : 'not ready';
}

/** `0.3@2` as people say it: the third term, led by 2. */
export function termWords(term) {
  if (!term) return 'no term';
  const [number] = term.split('@');
  const [, count] = number.split('.');
  return `term ${count}`;
}

/** Whether somebody was made leader here and may say so, of those who answer. */
export function leaderOf(frame, role) {
  const leader = role === 'catalog' ? frame.catalog_leader : frame.leader;
  return leader ? leader.node : null;
}

function status(node) {
  return node.said ? node.said.status : null;
}

/** All nodes, with what is written at each. */
export function nodes(frame) {
  const newest = newestOrder(frame);
  return frame.nodes.map((node) => {
    const said = status(node);
    const leads = leaderOf(frame, node.role) === node.name;
    return {
      name: node.name,
      role: node.role,
      pid: node.pid,
      url: node.url,
      health: health(node),
      why: node.said ? node.said.not_ready_because : (node.ended ?? node.silent_because),
      leads: leads && said !== null,
      rank: said ? rank(node.role, said, leads) : '',
      line: said ? line(node.role, said) : '',
      behind: said && node.role === 'order' ? behind(newest - said.engine.last) : '',
      more: said && node.role === 'catalog' ? leaseWords(said.leases) : '',
    };
  });
}

function rank(role, said, leads) {
  if (role === 'frontend') return '';
  const term = termWords(said.engine.term);
  if (role === 'catalog' && said.engine.engine === 'single') return said.phase;
  return `${leads ? 'leader' : said.engine.role}, ${term}`;
}

function line(role, said) {
  if (role === 'order') return said.orders === 1 ? '1 order' : `${said.orders} orders`;
  if (role === 'catalog') return leasesLine(said.leases);
  if (said.lease) {
    const left = said.lease.remaining_ms;
    return left > 0 ? `lease: ${seconds(left)} s left` : 'lease has run out';
  }
  return said.mode === 'lease' ? 'no lease yet' : `invalidation: ${said.mode}`;
}

function behind(entries) {
  return entries > 0 ? `${entries} behind` : '';
}

const seconds = (ms) => (Math.max(0, ms) / 1000).toFixed(1);

/** Leases that the catalog granted, each with the time that it has left; of many from which to which. */
function leasesLine(leases) {
  if (leases.length === 0) return 'no lease granted';
  const left = leases.map((lease) => lease.remaining_ms ?? 0);
  if (left.length === 1) return `lease: ${seconds(left[0])} s left`;
  if (left.length === 2) return `leases: ${left.map(seconds).join(', ')} s`;
  return `${left.length} leases: ${seconds(Math.min(...left))}–${seconds(Math.max(...left))} s`;
}

/** The same for whoever looks closer: whose each is. */
function leaseWords(leases) {
  return leases.filter((lease) => lease.frontend !== undefined)
    .map((lease) => `frontend-${lease.frontend}: ${seconds(lease.remaining_ms)} s left`).join('; ');
}

function newestOrder(frame) {
  const lasts = frame.nodes.filter((node) => node.role === 'order').map(status);
  return Math.max(0, ...lasts.filter(Boolean).map((said) => said.engine.last));
}

/** The paths between nodes: who speaks with whom in this store, each once. */
export function edges(frame) {
  const of = (role) => frame.nodes.filter((node) => node.role === role).map((node) => node.name);
  const [frontends, orders, catalogs] = [of('frontend'), of('order'), of('catalog')];
  const all = [];
  const between = (left, right, kind) => {
    for (const from of left) for (const to of right) all.push({ from, to, kind });
  };
  between(frontends, orders, 'orders');
  between(frontends, catalogs, 'products');
  between(orders, catalogs, 'takes');
  const pairs = (names, kind) => {
    names.forEach((from, place) => {
      for (const to of names.slice(place + 1)) all.push({ from, to, kind });
    });
  };
  pairs(orders, 'log');
  pairs(catalogs, 'log');
  const faults = new Map();
  for (const node of frame.nodes) {
    for (const edge of node.said?.faults?.edges ?? []) faults.set(`${node.name} ${edge.to}`, edge);
  }
  return all.map((edge) => ({
    ...edge,
    there: faults.get(`${edge.from} ${edge.to}`) ?? null,
    back: faults.get(`${edge.to} ${edge.from}`) ?? null,
  }));
}

/** What an edge suffers, in words; '' if nothing. */
export function faultWords(fault) {
  if (!fault) return '';
  if (fault.cut) return 'cut';
  const words = [];
  if (fault.delay_ms || fault.jitter_ms) {
    const upTo = fault.delay_ms + fault.jitter_ms;
    words.push(fault.jitter_ms ? `${fault.delay_ms} to ${upTo} ms late` : `${upTo} ms late`);
  }
  if (fault.loss) words.push(`${Math.round(fault.loss * 100)} % lost`);
  if (fault.duplicate) words.push(`${Math.round(fault.duplicate * 100)} % twice`);
  return words.join(', ');
}

/** What is in force on a link, whichever way more of it: what its form begins with. */
export function inForce({ there, back }) {
  const most = (field) => Math.max(there?.[field] ?? 0, back?.[field] ?? 0);
  return { delay_ms: most('delay_ms'), jitter_ms: most('jitter_ms'), loss: most('loss'), duplicate: most('duplicate') };
}

/**
 * The logs of the order replicas below each other, the newest `columns` entries that any has.
 * A cell is `committed`, `written` (not known to be committed) or `missing`. Of a replica that says
 * nothing now `saidLast(name)` is what it said last: `{ status, ago_ms }`, or null.
 */
export function logs(frame, columns, saidLast = () => null) {
  const newest = newestOrder(frame);
  const first = Math.max(1, newest - columns + 1);
  const rows = frame.nodes
    .filter((node) => node.role === 'order')
    .map((node) => {
      const before = status(node) ? null : saidLast(node.name);
      const said = status(node) ?? before?.status;
      const silent = status(node) ? null : health(node);
      if (!said) return { name: node.name, leads: false, silent, cells: [] };
      const { last, committed } = said.engine;
      const cells = [];
      // Counted, since a number that nobody can add 1 to may stand in a bundle.
      const many = Math.min(columns, newest - first + 1);
      for (let place = 0; place < many; place += 1) {
        const index = first + place;
        const state = index <= committed ? 'committed' : index <= last ? 'written' : 'missing';
        cells.push({ index, state });
      }
      const leads = leaderOf(frame, 'order') === node.name;
      return { name: node.name, leads, silent, ago_ms: before?.ago_ms ?? null, cells, last, committed };
    });
  return { first, newest, rows };
}

/**
 * Every frontend's cache, the toy that would go next last, with the slots that are free; and in which
 * order that is.
 */
export function caches(frame, before) {
  return frame.nodes
    .filter((node) => node.role === 'frontend')
    .map((node) => {
      const said = status(node);
      if (!said) return { name: node.name, silent: health(node), slots: [], rate: null };
      const used = [...said.cache].reverse();
      const free = Math.max(0, said.capacity - used.length);
      const then = before?.nodes.find((old) => old.name === node.name && old.pid === node.pid);
      return {
        name: node.name,
        silent: null,
        slots: [...used, ...Array(free).fill(null)],
        order: cacheOrder(said.policy),
        counters: said.counters,
        rate: hitRate(said.counters, then ? status(then)?.counters : null),
      };
    });
}

const ORDERS = {
  lru: 'the least recently read goes first',
  fifo: 'the first filled goes first',
  lfu: 'the least often read goes first',
  random: 'any may go; the last filled stands first',
};

/** Which toy goes when another one needs its slot, in words; of an old recording it is LRU. */
export function cacheOrder(policy = 'lru') {
  const [name] = policy.split('=');
  return `${policy}: ${ORDERS[name] ?? 'what goes first stands last'}`;
}

/** The share of reads between two moments that were answered from the cache; null without reads. */
export function hitRate(now, then) {
  if (!then) return null;
  const hits = now.hits - then.hits;
  const reads = hits + (now.misses - then.misses) + (now.bypasses - then.bypasses);
  return reads > 0 ? { share: hits / reads, reads } : null;
}

/** The shelves that the catalog lists, and of all that it has, whether nothing came from nowhere or went there. */
export function stock(frame) {
  const catalogs = frame.nodes.filter((node) => node.role === 'catalog' && node.said);
  const leader = leaderOf(frame, 'catalog');
  const node = catalogs.find((catalog) => catalog.name === leader) ?? catalogs[0];
  if (!node) return null;
  const toys = node.said.status.toys.map((toy) => ({
    ...toy,
    holds: toy.initial + toy.restocked === toy.in_stock + toy.sold + toy.unsettled,
  }));
  const sum = (field) => toys.reduce((total, toy) => total + toy[field], 0);
  // An old recording lists every toy, and adds nothing up.
  const { toys: count, initial, restocked, in_stock, sold, unsettled } = node.said.status.totals ?? {
    toys: toys.length,
    initial: sum('initial'),
    restocked: sum('restocked'),
    in_stock: sum('in_stock'),
    sold: sum('sold'),
    unsettled: sum('unsettled'),
  };
  const even = initial + restocked === in_stock + sold + unsettled;
  const holds = even && toys.every((toy) => toy.holds);
  return { from: node.name, toys, count, holds, initial, restocked, in_stock, sold, unsettled };
}

/** What a store that promises less does wrong, and how to see it; empty for one that keeps its promises. */
export function howToBreak(frame) {
  const of = (role) => frame.nodes.filter((node) => node.role === role).map(status).filter(Boolean);
  if (of('order').some(({ engine }) => engine.engine === 'naive')) {
    return `Under naive a leader acknowledges what nobody else has. Cut the links from ${leaderOf(frame, 'order') ?? 'the leader'} `
      + 'to the other replicas, let shoppers shop, and pause it: another one gives the same numbers again.';
  }
  if (of('catalog').some(({ invalidation }) => invalidation === 'push')) {
    return 'Under push nobody waits until caches have dropped a toy. Make the link from the catalog to a frontend '
      + '300 ms late, and let shoppers shop: they read what was true before.';
  }
  return '';
}

/** Orders that any replica has applied; null if none answers. */
export function ordersDone(frame) {
  const said = frame.nodes.filter((node) => node.role === 'order').map(status).filter(Boolean);
  return said.length ? Math.max(...said.map((order) => order.orders)) : null;
}

/** Orders each second between two frames; null where that is not known. */
export function ordersPerSecond(before, after) {
  if (!before || !after) return null;
  const [from, to] = [ordersDone(before), ordersDone(after)];
  const seconds = (after.at_ms - before.at_ms) / 1000;
  return from === null || to === null || seconds <= 0 ? null : Math.max(0, to - from) / seconds;
}

/** What differs between two frames and is worth a mark on the strip of time. */
export function happenings(before, after) {
  const marks = [];
  const named = (frame) => new Map(frame.nodes.map((node) => [node.name, node]));
  const [then, now] = [named(before), named(after)];
  for (const [name, node] of now) {
    const old = then.get(name);
    if (!old) {
      marks.push({ kind: 'fault', words: `${name} came` });
      continue;
    }
    const [was, is] = [health(old), health(node)];
    if (was !== is) {
      marks.push({ kind: is === 'up' ? 'mend' : 'fault', words: `${name}: ${is}` });
    }
    const [fewer, more] = [linkFaults(old), linkFaults(node)];
    for (const [to, words] of more) {
      if (fewer.get(to) !== words) marks.push({ kind: 'fault', words: `${name} to ${to}: ${words}` });
    }
    for (const to of fewer.keys()) {
      if (!more.has(to)) marks.push({ kind: 'mend', words: `${name} to ${to}: mended` });
    }
  }
  for (const role of ['order', 'catalog']) {
    const [was, is] = [before, after].map((frame) => leaderTerm(frame, role));
    if (is && is !== was) marks.push({ kind: 'leader', words: is });
  }
  return marks;
}

function linkFaults(node) {
  const edges = node.said?.faults?.edges;
  return new Map((Array.isArray(edges) ? edges : []).map((edge) => [edge.to, faultWords(edge)]));
}

function leaderTerm(frame, role) {
  const leader = role === 'catalog' ? frame.catalog_leader : frame.leader;
  return leader ? `${leader.node} leads, ${termWords(leader.term)}` : null;
}

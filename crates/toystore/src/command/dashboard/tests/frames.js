// Frames for the tests, as a store of three replicas says them.

export function order(id, over = {}) {
  const { leads = false, last = 4, committed = 4, orders = 3, edges = [], ...node } = over;
  const engine = { engine: 'raft', role: leads ? 'leader' : 'follower', term: '0.2@3', last, committed };
  return {
    name: `order-${id}`, role: 'order', url: `http://127.0.0.1:809${id}`, pid: 100 + id, state: 'running',
    ended: null, silent_because: null,
    said: { ready: true, not_ready_because: null, faults: { seed: 0, edges }, status: { id, engine, orders } },
    ...node,
  };
}

export function toy(name, in_stock, sold, over = {}) {
  return { name, price: 2599, in_stock, sold, unsettled: 0, initial: 100, restocked: 0, version: 1, ...over };
}

export function catalog(toys, over = {}) {
  const status = { phase: 'open', engine: { engine: 'single', term: '0.1@1' }, leases: [{}], toys };
  return {
    name: 'catalog', role: 'catalog', url: 'http://127.0.0.1:8081', pid: 99, state: 'running', ended: null,
    silent_because: null, said: { ready: true, not_ready_because: null, faults: null, status }, ...over,
  };
}

export function frontend(counters = {}, cache = [], over = {}) {
  const all = { hits: 0, misses: 0, bypasses: 0, evictions: 0, invalidations: 0, ...counters };
  const status = { id: 1, mode: 'lease', capacity: 7, lease: { remaining_ms: 1700 }, cache, counters: all };
  return {
    name: 'frontend-1', role: 'frontend', url: 'http://127.0.0.1:8080', pid: 98, state: 'running', ended: null,
    silent_because: null, said: { ready: true, not_ready_because: null, faults: null, status }, ...over,
  };
}

export function frame(number, nodes, over = {}) {
  return {
    number, at_ms: number * 1000, replication: 'raft', leader: { node: 'order-3', term: '0.2@3' },
    catalog_leader: { node: 'catalog', term: '0.1@1' }, nodes, ...over,
  };
}

export function dead(node) {
  return { ...node, state: 'dead', pid: null, said: null, ended: 'killed by SIGKILL' };
}

/** Nodes with what passed them: `events` of pairs of a node's name and an event. */
export function passing(nodes, events, passed = events.length) {
  return nodes.map((node) => {
    const own = events.filter(([name]) => name === node.name).map(([, event]) => event);
    return { ...node, messages: { passed, events: own.sort((a, b) => a.at_us - b.at_us) } };
  });
}

/** The halves of one call: when it was `[sent, came, answered, told]`; null for what nobody saw. */
export function call(id, from, to, what, [sent, came, answered, told], { outcome = '200', learned = outcome } = {}) {
  const half = (node, at_us, event, more) => (at_us === null || node === 'shoppers' ? [] : [[node, { at_us, id, event, ...more }]]);
  const asked = from === 'shoppers' ? { what } : {};
  return [
    ...half(from, sent, 'sent', { to, what }), ...half(to, came, 'came', { from, ...asked }),
    ...half(to, answered, 'answered', { outcome }), ...half(from, told, 'told', { outcome: learned }),
  ];
}

/** One purchase of a store of three replicas that order-3 leads, from `at` microseconds on. */
export function purchase(number, at) {
  const id = (name) => `${name}/${number}`;
  return [
    ...call(id('frontend-1'), 'shoppers', 'frontend-1', 'order Tuxx1:5f', [null, at, at + 5000, null]),
    ...call(id('frontend-1/o'), 'frontend-1', 'order-3', 'orders [Tuxx1:5f]', [at + 200, at + 500, at + 4300, at + 4700]),
    ...call(id('order-3/t'), 'order-3', 'catalog', 'take 0.2@3 floor=1 [1=Tuxx1:5f]', [at + 600, at + 900, at + 2400, at + 2700]),
    ...call(id('catalog/i'), 'catalog', 'frontend-1', 'invalidate [Tux]', [at + 1200, at + 1500, at + 1600, at + 1900]),
    ...call(id('order-3/a1'), 'order-3', 'order-1', `append 0.2@3 after 0 of 0.1@1 [${number}:0.2@3+24B] committed 0`, [at + 2800, at + 3100, at + 3800, at + 4100]),
    ...call(id('order-3/a2'), 'order-3', 'order-2', `append 0.2@3 after 0 of 0.1@1 [${number}:0.2@3+24B] committed 0`, [at + 2850, at + 3200, at + 3900, at + 4200]),
  ];
}

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

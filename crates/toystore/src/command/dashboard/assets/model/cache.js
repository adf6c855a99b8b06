// What happened in the frontends' caches: the newest of it in words, and which slots it touched.
//
// Pure. A frontend keeps its last happenings only, and numbers them all: what is not kept shows as
// a gap. A process that was started again counts from 1.

/** Lines below a cache. */
export const LINES = 5;

const WORDS = {
  miss: ({ name }) => `${name} missed`,
  fill: ({ name, version }) => `${name} filled, version ${version}`,
  evict: ({ name, by }) => (by ? `${name} evicted for ${by}` : `${name} evicted`),
  invalidate: ({ name }) => `${name} invalidated`,
  expire: ({ name }) => `${name} expired: the lease ran out`,
  drop: () => 'everything dropped',
};

const happenedAt = (node) => node?.said?.status?.happened ?? [];

/** That of a frontend in an earlier frame, if it was the same process. */
function earlier(frame, node) {
  const old = frame?.nodes.find((one) => one.name === node.name);
  return old && old.pid === node.pid ? old : null;
}

/** The number of the last that happened in an earlier frame. */
const lastOf = (old) => happenedAt(old).at(-1)?.number ?? 0;

/**
 * The lines below the cache of `name`, the newest first, and how many happenings since the frame
 * before are not among them.
 */
export function happenings(frame, before, name) {
  const node = frame.nodes.find((one) => one.name === name);
  const all = [...happenedAt(node)].reverse();
  const lines = all.slice(0, LINES).map((one) => ({
    number: one.number,
    words: WORDS[one.what]?.(one) ?? one.what,
    age_ms: one.ago_ms,
  }));
  const old = node ? earlier(before, node) : null;
  if (!old?.said || all.length === 0) return { lines, more: 0 };
  const since = all[0].number - lastOf(old);
  return { lines, more: Math.max(0, since - lines.length) };
}

/** The slots of `name` that were hit or filled since the frame before: a map of toy to which. */
export function touched(frame, before, name) {
  const node = frame.nodes.find((one) => one.name === name);
  const old = node ? earlier(before, node) : null;
  const all = new Map();
  if (!node?.said || !old?.said) return all;
  const hits = new Map((old.said.status.cache ?? []).map((slot) => [slot.name, slot.hits]));
  for (const slot of node.said.status.cache ?? []) {
    if (slot.hits > (hits.get(slot.name) ?? 0)) all.set(slot.name, 'hit');
  }
  const fills = happenedAt(node).filter((one) => one.what === 'fill' && one.number > lastOf(old));
  for (const one of fills) all.set(one.name, 'filled');
  return all;
}

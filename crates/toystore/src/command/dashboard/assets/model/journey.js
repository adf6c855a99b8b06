// The way of one purchase through the store: the messages that name it, in the order in which they
// were sent, with the time that each took.
//
// Pure. Called by view/journey.js. What is drawn is what nodes said of their messages: of a purchase
// that the sample missed there is nothing.

import { begun, ended } from './messages.js';

/** How long before and after it was bought a message may have been, in microseconds: clocks differ. */
const AROUND_US = 10_000_000;

const escaped = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * The messages of a purchase. `request`: its name in the notation of the traces; `index`: its entry
 * in the log, if it has one; `name`: the toy.
 */
function ofPurchase(messages, { request, index, name }) {
  const [asks, entry] = [new RegExp(`:${escaped(request)}\\b`), new RegExp(`[[ ]${index}:`)];
  const named = messages.filter((one) => asks.test(one.what ?? ''));
  const taken = named.find((one) => one.kind === 'take' && one.came !== null);
  const isTold = (one) => one.kind === 'invalidation' && taken
    && begun(one) >= taken.came && begun(one) <= (taken.answered ?? Infinity) && one.what.includes(name);
  const isLogged = (one) => one.kind === 'log' && index !== undefined && entry.test(one.what ?? '');
  return [...named, ...messages.filter((one) => isTold(one) || isLogged(one))];
}

const WORDS = {
  request: 'asks', order: 'passes it on', take: 'takes the toys', invalidation: 'drops it from the cache',
  log: 'writes it down',
};

/**
 * `{ legs, totalUs }`: each leg with its words and where its bar begins and ends, from 0 to 1; null if
 * no message of it is known.
 */
export function journey(messages, purchase, atUs) {
  if (!purchase.request) return null;
  const near = messages.between(atUs - AROUND_US, atUs + AROUND_US);
  const all = ofPurchase(near, purchase).sort((a, b) => begun(a) - begun(b));
  if (all.length === 0) return null;
  const first = begun(all[0]);
  const totalUs = Math.max(1, ...all.map((one) => ended(one) - first));
  const share = (us) => (us - first) / totalUs;
  const legs = all.map((one) => ({
    id: one.id, kind: one.kind, words: `${one.from} → ${one.to}`, does: WORDS[one.kind] ?? one.what,
    from: share(begun(one)), to: share(ended(one)), us: ended(one) - begun(one),
  }));
  return { legs, totalUs };
}

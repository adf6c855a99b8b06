// What nodes said of the messages that passed them, put together: each message of its halves.
//
// Pure. Filled by main.js with every frame; read by play.js and spacetime.js. The halves of one
// message can be in different frames, and each of them may be missing: its node died, the link was
// cut, or the sample had no room for it. What is not known stays null.

import { KEPT_MS } from './timeline.js';

/** Who is no node: all clients of the frontends. */
export const SHOPPERS = 'shoppers';

/** What a message can be: the letter in its dot, since colour alone tells nothing, and its words. */
export const KINDS = {
  request: { letter: 'R', words: 'request of a client' },
  order: { letter: 'O', words: 'orders' },
  take: { letter: 'T', words: 'toys taken, settled' },
  log: { letter: 'L', words: 'between replicas' },
  fill: { letter: 'F', words: 'cache fill' },
  invalidation: { letter: 'I', words: 'invalidation' },
  lease: { letter: 'E', words: 'lease' },
  other: { letter: '·', words: 'another call' },
};

/** More than these are not kept: some minutes of a sample, in some ten megabytes. */
export const MESSAGES_MAX = 30_000;

/** A half that is so much younger belongs to another message: a process that was started again
    counts from 1. In microseconds. */
const APART_US = 30_000_000;

/** By the first word of a message, in the notation of the traces. */
const KIND_OF = {
  orders: 'order', order: 'order', 'read-order': 'order', fate: 'order', resolve: 'order',
  take: 'take', settle: 'take', fill: 'fill', products: 'fill', invalidate: 'invalidation',
  'drop-cache': 'invalidation', 'renew-lease': 'lease', 'end-lease': 'lease',
};

const roleOf = (name) => (name ?? '').replace(/-\d+$/, '');

export function kindOf({ from, to, what }) {
  if (from === SHOPPERS) return 'request';
  if (roleOf(from) === roleOf(to)) return 'log';
  return KIND_OF[/^[\w-]+/.exec(what ?? '')?.[0]] ?? 'other';
}

/** When the first and the last of it was seen, in microseconds since 1970. */
export const begun = (one) => one.sent ?? one.came ?? one.answered ?? one.told;
export const ended = (one) => one.told ?? one.answered ?? one.came ?? one.sent;

/** Whether it never came, as far as its sender knows. */
export function isLost(one) {
  const failed = ['unknown', 'refused', 'lost'].includes(one.learned);
  return one.came === null && one.answered === null && failed;
}

export class Messages {
  constructor() {
    this.all = [];
    this.byId = new Map();
    /** Whether any node ever said anything of messages: a store of an older version does not. */
    this.isHeard = false;
    /** Whether it is a run that is over: nothing of it is forgotten. */
    this.keepsAll = false;
  }

  /** Takes the events out of new frames, in their order: the frames are kept for minutes. */
  add(frames) {
    for (const frame of frames) {
      for (const node of frame.nodes ?? []) {
        if (!Array.isArray(node.messages?.events)) continue;
        for (const event of node.messages.events) {
          if (typeof event?.id === 'string') this.#half(node.name, event, frame.at_ms);
        }
        node.messages.events = [];
        this.isHeard = true;
      }
    }
    this.#forget();
  }

  #half(node, event, frameMs) {
    let one = this.byId.get(event.id);
    const again = event.event === 'sent' && one?.sent !== null;
    if (!one || again || event.at_us - begun(one) > APART_US) {
      one = { id: event.id, from: null, to: null, what: null, kind: 'other', sent: null, came: null,
        answered: null, told: null, outcome: null, learned: null, reply: null, seenMs: frameMs };
      this.byId.set(event.id, one);
      this.all.push(one);
    }
    // A message that comes twice came when it came first.
    one[event.event] ??= event.at_us;
    if (event.event === 'sent' || event.event === 'told') one.from ??= node;
    else one.to ??= node;
    if (event.event === 'sent') one.to ??= event.to;
    if (event.event === 'came') one.from ??= event.from;
    if (event.event === 'answered') {
      one.outcome ??= event.outcome ?? null;
      one.reply ??= event.what ?? null;
    } else {
      one.what ??= event.what ?? null;
    }
    if (event.event === 'told') one.learned ??= event.outcome ?? null;
    one.kind = kindOf(one);
  }

  #forget() {
    if (this.keepsAll) return;
    const newest = this.all.at(-1)?.seenMs ?? 0;
    const old = this.all.findIndex((one) => newest - one.seenMs <= KEPT_MS);
    const gone = Math.max(old, this.all.length - MESSAGES_MAX);
    if (gone <= 0) return;
    for (const one of this.all.splice(0, gone)) {
      if (this.byId.get(one.id) === one) this.byId.delete(one.id);
    }
  }

  /** Those of which something was between two moments, in the order in which they began. */
  between(fromUs, toUs) {
    const found = [];
    // They stand in the order in which they were seen first, which is after they began.
    for (let place = this.all.length - 1; place >= 0; place -= 1) {
      const one = this.all[place];
      if (one.seenMs * 1000 < fromUs - APART_US) break;
      if (begun(one) <= toUs && ended(one) >= fromUs) found.push(one);
    }
    return found.sort((a, b) => begun(a) - begun(b));
  }
}

/** How many messages pass all nodes each second, of frames that follow each other; null if none says. */
export function passedEachSecond(frames) {
  const [first, ...rest] = frames;
  const seconds = rest.length > 0 ? (rest.at(-1).at_ms - first.at_ms) / 1000 : 0;
  const said = rest.flatMap((frame) => frame.nodes ?? []).filter((node) => node.messages);
  if (seconds <= 0 || said.length === 0) return null;
  return said.reduce((sum, node) => sum + node.messages.passed, 0) / seconds;
}

const NUMBERS = new Intl.NumberFormat('en');

/** What passes and how much of it is drawn (null: nothing moves here), in words; '' if no node says. */
export function sampleWords(perSecond, drawn) {
  if (perSecond === null) return '';
  const all = NUMBERS.format(Math.round(perSecond));
  if (Math.round(perSecond) === 0) return 'No message passes now.';
  if (drawn === null) return `${all} messages a second pass.`;
  const share = drawn >= Math.round(perSecond) ? 'all' : NUMBERS.format(drawn);
  return `${all} messages a second pass; ${share} of them ${share === '1' ? 'is' : 'are'} drawn, slowed down.`;
}

/** What became of a message and when, in milliseconds after it was seen first: `It …`. */
export function timesOf(one) {
  const first = begun(one);
  const after = (us) => `${((us - first) / 1000).toFixed(us - first < 10_000 ? 2 : 1)} ms`;
  if (isLost(one)) return `was lost; its sender was told “${one.learned}” after ${after(one.told)}`;
  const words = [];
  if (one.sent === null && one.from !== SHOPPERS) words.push('was sent when nobody saw it');
  if (one.came !== null) words.push(one.came === first ? 'came' : `came after ${after(one.came)}`);
  if (one.answered !== null) words.push(`was answered “${one.outcome}” after ${after(one.answered)}`);
  if (one.told !== null) words.push(`its sender was told “${one.learned}” after ${after(one.told)}`);
  return words.length > 0 ? words.join(', ') : 'was sent; more is not known';
}

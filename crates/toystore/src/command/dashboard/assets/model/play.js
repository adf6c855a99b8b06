// When each dot moves: messages as slow as eyes are.
//
// Pure. A hop between two processes takes well under a millisecond; here it takes a third of a
// second at least. What a process sent just after something came to it may be because of that, and
// moves only when that has arrived in the picture too: so dots move in the order of cause and
// effect, although each is slowed down. Fed by view/motion.js, one frame behind the newest: by
// then the halves of a message are known, or one of them is missing for good.

import { begun, isLost, SHOPPERS } from './messages.js';

/** A hop in the picture takes so long at least. */
export const HOP_MS = 350;

/** How long the cross of one that was lost is seen. */
const CROSS_MS = 900;

/** What was sent so soon after something came is drawn after it. */
const CAUSE_US = 20_000;

/** A chain of causes that is so far behind in the picture is not followed any longer. */
export const LAG_MAX_MS = 3000;

/** One of which only the beginning is known is waited for. */
const WAIT_US = 2_000_000;

/** Messages of one frame that are drawn, and dots that move at once. */
export const PER_FRAME = 16;
export const DOTS_MAX = 60;

/** The first of each kind, then the second, …: what is rare is seen too. */
export function choose(messages, most) {
  const kinds = new Map();
  for (const one of messages) {
    if (!kinds.has(one.kind)) kinds.set(one.kind, []);
    kinds.get(one.kind).push(one);
  }
  const chosen = [];
  for (let place = 0; chosen.length < Math.min(most, messages.length); place += 1) {
    for (const all of kinds.values()) {
      if (place < all.length && chosen.length < most) chosen.push(all[place]);
    }
  }
  return chosen.sort((a, b) => begun(a) - begun(b));
}

/** What happened to a message and is drawn, each with its moment; what is not known lies between. */
function steps(one) {
  const lost = isLost(one);
  const left = lost && one.told !== null ? Math.max(begun(one), one.told - HOP_MS * 1000) : begun(one);
  const all = [{ us: left, one, step: 'leave', lost }];
  if (lost) return all;
  const answer = one.answered !== null || one.told !== null;
  const arrived = one.came ?? one.answered ?? (one.told === null ? left : (left + one.told) / 2);
  all.push({ us: arrived, one, step: 'arrive' });
  if (answer) all.push({ us: one.answered ?? arrived, one, step: 'answer' });
  if (answer) all.push({ us: one.told ?? one.answered, one, step: 'told' });
  return all;
}

export class Play {
  constructor() {
    this.clear();
  }

  clear() {
    this.legs = [];
    this.seen = new WeakSet();
    /** When something came last to a process, in truth and in the picture. */
    this.came = new Map();
    this.fromUs = null;
  }

  /** Takes what is known by frame `frame`, at `now` milliseconds of the picture's clock. */
  see(messages, before, frame, now) {
    const upto = before.at_ms * 1000;
    this.fromUs ??= upto;
    const all = messages.between(Math.max(this.fromUs, upto - WAIT_US), upto)
      .filter((one) => begun(one) >= this.fromUs && !this.seen.has(one))
      .filter((one) => one.came !== null || one.answered !== null || one.told !== null);
    for (const one of all) this.seen.add(one);
    const interval = Math.min(1000, Math.max(0, frame.at_ms - before.at_ms));
    // When it is drawn if it waits for nothing.
    const drawn = (us) => Math.max(now, now + us / 1000 - before.at_ms + interval);
    this.#schedule(choose(all, PER_FRAME), drawn);
    this.legs = this.legs.filter((leg) => leg.end > now - 1000);
  }

  #schedule(chosen, drawn) {
    const order = ['leave', 'arrive', 'answer', 'told'];
    const all = chosen.flatMap(steps)
      .sort((a, b) => a.us - b.us || order.indexOf(a.step) - order.indexOf(b.step));
    const under = new Map();
    for (const { us, one, step, lost } of all) {
      const known = under.get(one) ?? null;
      if (step === 'leave') {
        const start = Math.max(drawn(us), this.#causeOf(one.from, us));
        if (start - drawn(us) > LAG_MAX_MS) continue;
        const leg = { one, kind: one.kind, from: one.from, to: one.to, start, reply: false, lost };
        leg.end = start + (lost ? CROSS_MS : HOP_MS);
        this.legs.push(leg);
        under.set(one, leg);
      } else if (known === null) {
        continue;
      } else if (step === 'arrive') {
        known.end = Math.max(known.end, drawn(us));
        this.#note(one.to, us, known.end);
      } else if (step === 'answer') {
        const start = Math.max(known.end, this.#causeOf(one.to, us));
        const leg = { one, kind: one.kind, from: one.to, to: one.from, start, reply: true };
        leg.lost = one.learned === 'unknown';
        leg.end = start + (leg.lost ? CROSS_MS : HOP_MS);
        this.legs.push(leg);
        under.set(one, leg);
      } else {
        known.end = Math.max(known.end, drawn(us));
        if (!known.lost) this.#note(one.from, us, known.end);
      }
    }
  }

  #causeOf(process, us) {
    const last = this.came.get(process);
    return last && us >= last.us && us - last.us <= CAUSE_US ? last.drawn : -Infinity;
  }

  #note(process, us, drawn) {
    // Clients are many: what came to one is no cause of what another asks.
    if (process === SHOPPERS) return;
    this.came.set(process, { us, drawn: Math.max(drawn, this.#causeOf(process, us)) });
  }

  /** Whether anything moves or will. */
  isBusy(now) {
    return this.legs.some((leg) => leg.end > now);
  }

  /** Messages that began to move in the last second. */
  drawnEachSecond(now) {
    return this.legs.filter((leg) => !leg.reply && leg.start <= now && leg.start > now - 1000).length;
  }

  /** The dots of a moment: how far each is on its way, and how well it is seen; 60 at most. */
  dots(now) {
    const dots = [];
    for (const leg of this.legs) {
      if (leg.start > now || leg.end <= now) continue;
      const share = (now - leg.start) / (leg.lost ? HOP_MS : leg.end - leg.start);
      const gone = leg.lost && share >= 0.5;
      const left = (leg.end - now) / (CROSS_MS - HOP_MS / 2);
      dots.push({ leg, share: gone ? 0.5 : share, gone, seen: gone ? Math.max(0, left) : 1 });
      if (dots.length === DOTS_MAX) break;
    }
    return dots;
  }
}

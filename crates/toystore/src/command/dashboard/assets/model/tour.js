// Five steps for whoever sees the page for the first time, and when each is done.
//
// Pure. A step is done by what happens in the store, never by the button alone; `next` passes it.

import { leaderOf, ordersDone } from './facts.js';

const bought = (now, begun) => (ordersDone(now) ?? 0) > (ordersDone(begun) ?? 0);

export const STEPS = [
  {
    id: 'buy',
    title: 'Buy a toy',
    words: 'Choose a toy in the shop and press Buy. A frontend asks the leader of the order replicas, which asks the catalog.',
    at: 'shop',
    done: bought,
  },
  {
    id: 'log',
    title: 'Watch the log',
    words: 'Your order is an entry in the log of every replica. Dark cells are committed: a majority has them on disk.',
    at: 'logs',
    done: () => false,
  },
  {
    id: 'kill',
    title: 'Kill the leader',
    words: 'Choose the node with the star, then Kill. That is kill -9: it says goodbye to nobody.',
    at: 'store',
    done: (now, begun) => {
      const leader = leaderOf(begun, 'order');
      const node = now.nodes.find((one) => one.name === leader);
      return node !== undefined && node.state === 'dead';
    },
  },
  {
    id: 'on',
    title: 'See orders go on',
    words: 'Buy once more, or send shoppers. Another replica leads by now, and it has everything that was acknowledged.',
    at: 'shop',
    done: bought,
  },
  {
    id: 'verdict',
    title: 'Read the verdict',
    words: 'Everything that was told from here is judged while you look: what held, what broke, and what cannot be said yet.',
    at: 'verdict',
    done: () => false,
  },
];

/** Where somebody is in the tour; `begun` is the frame with which the step began. */
export class Tour {
  constructor() {
    this.place = 0;
    this.begun = null;
    this.passed = false;
  }

  get step() {
    return STEPS[this.place] ?? null;
  }

  /** Takes a frame; returns whether the step is done by now. */
  see(frame) {
    this.begun ??= frame;
    if (this.step?.done(frame, this.begun)) this.passed = true;
    return this.passed;
  }

  next(frame) {
    this.place += 1;
    this.begun = frame;
    this.passed = false;
  }

  get over() {
    return this.place >= STEPS.length;
  }
}

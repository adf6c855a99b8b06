// Five steps for whoever sees the page for the first time, and when each is done.
//
// Pure. A step is done by what happens in the store, never by the button alone; `next` passes it.

import { leaderOf, ordersDone } from './facts.js';

const bought = (now, begun) => (ordersDone(now) ?? 0) > (ordersDone(begun) ?? 0);

/**
 * `at` is the panel that a step is about, `subject` what of it is to be seen; `otherwise` the words where
 * nothing can be killed from the page; `isRead`: there is nothing to do but to read.
 */
export const STEPS = [
  {
    id: 'buy',
    title: 'Buy a toy',
    words: 'Choose a toy in the shop and press Buy. A frontend asks the leader of the order replicas, which asks the catalog.',
    at: 'shop',
    subject: '#buy',
    done: bought,
  },
  {
    id: 'log',
    title: 'Watch the log',
    words: 'Your order is an entry in the log of every replica. A filled cell is committed: a majority has it on disk. '
      + 'A striped one is only written.',
    at: 'logs',
    isRead: true,
    done: () => false,
  },
  {
    id: 'kill',
    title: 'Kill the leader',
    words: 'Choose the order replica with the star, then Kill. That is kill -9: it says goodbye to nobody.',
    otherwise: 'Where nodes can be killed from the page, one chooses the order replica with the star, then Kill, '
      + 'and the others elect another leader. Here it cannot be done.',
    at: 'store',
    subject: '#topology .node.order.leads',
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
    otherwise: 'Buy once more. Whichever replica leads, it has everything that was acknowledged.',
    at: 'shop',
    subject: '#buy',
    done: bought,
  },
  {
    id: 'verdict',
    title: 'Read the verdict',
    words: 'Everything that was told from here is judged while you look: what held, what broke, and what cannot be said yet.',
    at: 'verdict',
    isRead: true,
    done: () => false,
  },
];

/** The words of a step; `why` says why nothing can be killed from the page, null if it can. */
export function wordsOf(step, why) {
  return why === null || !step.otherwise ? step.words : `${step.otherwise}${step.id === 'kill' ? ` ${why}` : ''}`;
}

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

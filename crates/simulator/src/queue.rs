//! What will happen, by time; what happens at the same time, in the order in which it was said.
//!
//! Used by the world, which does nothing but take the first event, again and again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use replication::Time;

/// Events to come. They stand in slots and only their keys are sorted, since an event is large.
#[derive(Debug)]
pub struct Queue<E> {
    keys: BinaryHeap<Reverse<(Time, u64, usize)>>,
    slots: Vec<Option<E>>,
    free: Vec<usize>,
    said: u64,
}

impl<E> Queue<E> {
    /// An empty one.
    pub fn new() -> Queue<E> {
        Queue { keys: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), said: 0 }
    }

    /// Adds an event.
    pub fn push(&mut self, at: Time, event: E) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(event);
                slot
            }
            None => {
                self.slots.push(Some(event));
                self.slots.len() - 1
            }
        };
        self.said += 1;
        self.keys.push(Reverse((at, self.said, slot)));
    }

    /// Takes the first event.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        let Reverse((at, _, slot)) = self.keys.pop()?;
        self.free.push(slot);
        Some((at, self.slots[slot].take().expect("a key names a full slot")))
    }
}

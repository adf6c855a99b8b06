//! What a step of the adapter makes. Filled by every part of it, emptied by `mod`.

use super::Message;
use crate::engine::{self, Effect};
use crate::term::NodeId;

/// What a step makes, in the order in which it is to be done: messages that rely on no record of
/// this step, records, what is meant for the service.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub sends: Vec<Effect>,
    pub persists: Vec<Effect>,
    pub tells: Vec<Effect>,
}

impl Out {
    pub fn send(&mut self, to: NodeId, message: Message) {
        self.sends.push(Effect::Send { to, message: engine::Message::Paxos(message) });
    }
}

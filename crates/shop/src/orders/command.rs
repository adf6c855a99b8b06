//! What the order service writes into the replicated log.
//!
//! Proposed by the leader ([`super::purchase`]), executed by every replica's
//! [`Ledger`](super::ledger::Ledger). Encoded with postcard behind one byte that names the format.

use bytes::Bytes;
use replication::Term;
use serde::{Deserialize, Serialize};

use crate::message::{NewOrder, Refusal, RequestId};
use crate::toy::Version;

/// The first byte of every command. Raise it when a variant or field changes.
const FORMAT: u8 = 1;

/// The bytes that most commands fit into.
const LENGTH_USUAL: usize = 48;

/// A step of the ledger. An engine's own entry (`Lead`) is an empty command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Stock was taken for this order: it exists.
    Record {
        /// The term of the take: older than the ledger's, it is rejected.
        term: Term,
        /// The order, with the toy's name in the catalogue's spelling.
        order: NewOrder,
        /// The state of the stock that the take made.
        version: Version,
    },
    /// The catalog refused: the same request id never gets a second opinion.
    Refuse {
        /// The term of the take.
        term: Term,
        /// The order.
        order: NewOrder,
        /// Why.
        refusal: Refusal,
        /// The state of the stock that refused.
        version: Version,
    },
    /// Whoever asked does not want to wait any longer: the request is never to be done.
    Never {
        /// Which request.
        request_id: RequestId,
    },
}

impl Command {
    /// The bytes of the log entry.
    pub fn encode(&self) -> Bytes {
        let bytes = postcard::to_extend(self, vec![FORMAT]);
        bytes.expect("a command has no types that postcard cannot write").into()
    }

    /// The same for several at once, in one piece of memory: they are sent, written and forgotten
    /// together.
    pub fn encode_all(commands: &[Command]) -> Vec<Bytes> {
        let mut bytes = Vec::with_capacity(commands.len() * LENGTH_USUAL);
        let mut ends = Vec::with_capacity(commands.len());
        for command in commands {
            bytes.push(FORMAT);
            let longer = postcard::to_extend(command, bytes);
            bytes = longer.expect("a command has no types that postcard cannot write");
            ends.push(bytes.len());
        }
        let mut rest = Bytes::from(bytes);
        let mut begin = 0;
        let each = ends.into_iter().map(|end| {
            let length = end - std::mem::replace(&mut begin, end);
            rest.split_to(length)
        });
        each.collect()
    }

    /// # Errors
    /// If the bytes are of another format, or not a command.
    pub fn decode(bytes: &[u8]) -> Result<Command, String> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(|e| e.to_string()),
            Some((format, _)) => {
                Err(format!("a command of format {format}, this program knows {FORMAT}"))
            }
            None => Err("an empty command".to_string()),
        }
    }
}

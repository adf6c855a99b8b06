//! What the catalog writes into its log: every change of its durable state is one of these.
//!
//! Proposed by the node ([`mod`](super)), executed by [`Stock`](super::stock::Stock). Encoded with
//! postcard behind one byte that names the format, so that a newer log is refused instead of
//! misread. Toys stand in it by number: the catalogue is fixed once it is recorded.

use bytes::Bytes;
use replication::Term;
use serde::{Deserialize, Serialize};

use super::catalogue::Toy;
use super::view::ProposedView;
use crate::message::{RequestId, Settled};
use crate::toy::Quantity;

/// The first byte of every command. Raise it when a variant or field changes.
const FORMAT: u8 = 2;

/// What older logs have, without [`Command::MoreToys`]; the others have the same bytes.
const OLD_FORMAT: u8 = 1;

/// A toy's place in the catalogue, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ToyId(pub u32);

impl ToyId {
    /// The place as an index of a list of all toys.
    pub fn place(self) -> usize {
        self.0 as usize
    }
}

/// One try to remove stock, as the log keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Item {
    /// Its number in its term.
    pub number: u64,
    /// The request it is for.
    pub request_id: RequestId,
    /// Which toy; `None` if the catalogue has none of that name.
    pub toy: Option<ToyId>,
    /// How many.
    pub quantity: Quantity,
}

/// A change of the catalog's durable state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// The first entry of a log: what is sold, or the first part of it. Until a process begins to
    /// serve, it takes the place of what was recorded before.
    Catalogue(Vec<Toy>),
    /// A process of the catalog begins to serve: raises its incarnation.
    Begin {
        /// Whether takes of older terms are refused (all but `naive`).
        fencing: bool,
    },
    /// Compare-and-set of the view; fences lower terms.
    View(ProposedView),
    /// A batch of takes.
    Take {
        /// The leader's term.
        term: Term,
        /// All takes of this term below this number are recorded.
        floor: u64,
        /// Numbers rise.
        items: Vec<Item>,
    },
    /// The fate of takes.
    Settle {
        /// The leader's term.
        term: Term,
        /// What became of each.
        takes: Vec<Settled>,
    },
    /// Those of these toys that are still at 0 go up to a level.
    Restock {
        /// Seen at 0.
        toys: Vec<ToyId>,
        /// To how many.
        level: u64,
    },
    /// A frontend may be given leases from now on.
    Register {
        /// Its number.
        frontend: u8,
        /// Where to reach it.
        url: String,
        /// Which process of it.
        incarnation: u64,
    },
    /// A frontend holds no lease and will be given none without a new registration.
    Unregister {
        /// Its number.
        frontend: u8,
        /// Ignored, if another process took the number over since.
        incarnation: u64,
    },
    /// A clean stop: no lease is left, no frontend is registered.
    Close,
    /// The next part of what is sold.
    MoreToys(Vec<Toy>),
}

impl Command {
    /// The bytes for the log.
    pub fn encode(&self) -> Bytes {
        let bytes = postcard::to_extend(self, vec![FORMAT]);
        Bytes::from(bytes.expect("a vector grows and our types have nothing unknown to postcard"))
    }

    /// Reads what [`Command::encode`] wrote.
    ///
    /// # Errors
    /// Says which format it found, or that the bytes are damaged.
    pub fn decode(bytes: &[u8]) -> Result<Command, String> {
        match bytes.split_first() {
            Some((&(FORMAT | OLD_FORMAT), body)) => postcard::from_bytes(body)
                .map_err(|error| format!("a command of the catalog's log is damaged: {error}")),
            Some((format, _)) => Err(format!(
                "a command of the catalog's log has format {format}; this version reads \
                 {OLD_FORMAT} and {FORMAT}"
            )),
            None => Err("a command of the catalog's log is empty".to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Encoding there and back, and what is refused.

    use super::{Command, FORMAT, Item, OLD_FORMAT, ToyId};
    use crate::message::RequestId;
    use crate::toy::Quantity;
    use replication::Term;

    #[test]
    fn there_and_back() {
        let command = Command::Register { frontend: 1, url: "http://a:1".into(), incarnation: 7 };
        assert_eq!(Command::decode(&command.encode()), Ok(command));
    }

    /// A log of before toys had numbers of 32 bits, byte for byte.
    #[test]
    fn older_is_read() {
        let bytes = [OLD_FORMAT, 5, 2, 4, 0xd2, 0x09, 100];
        let toys = vec![ToyId(4), ToyId(1234)];
        assert_eq!(Command::decode(&bytes), Ok(Command::Restock { toys, level: 100 }));
    }

    #[test]
    fn there_can_be_more_toys_than_16_bits_hold() {
        let item = Item {
            number: 1,
            request_id: RequestId(7),
            toy: Some(ToyId(999_999)),
            quantity: Quantity::new(2).unwrap(),
        };
        let command = Command::Take { term: Term::ZERO, floor: 1, items: vec![item] };
        assert_eq!(Command::decode(&command.encode()), Ok(command));
    }

    #[test]
    fn newer_or_damaged_is_refused() {
        let mut newer = Command::Close.encode().to_vec();
        newer[0] = FORMAT + 1;
        assert!(Command::decode(&newer).unwrap_err().contains("has format 3"));
        assert!(Command::decode(&[FORMAT, 250]).unwrap_err().contains("damaged"));
        assert!(Command::decode(&[]).unwrap_err().contains("empty"));
    }
}

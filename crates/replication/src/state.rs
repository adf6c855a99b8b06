//! A state machine's whole state, as the bytes of a snapshot: in parts, so that what did not change
//! since the last snapshot is shared with it, and making one costs little however long the history.
//!
//! Made by the state machines of crate `shop`; goes to followers in pieces ([`crate::pieces`]) and
//! to the disk part by part ([`crate::log::Checkpoint::around`]).

use std::hash::{Hash, Hasher};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes in parts. Where they are parted means nothing: equal bytes are equal.
#[derive(Clone, Debug, Default)]
pub struct StateBytes {
    parts: Vec<Bytes>,
}

impl StateBytes {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Whether there are none: the initial state.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(Bytes::is_empty)
    }

    /// The parts in their order.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// All of it in one piece: copied, unless it is one.
    pub fn whole(&self) -> Bytes {
        self.cut(0, usize::MAX)
    }

    /// The bytes from `offset` on, at most `limit`; none at the end and beyond it.
    pub fn cut(&self, offset: u64, limit: usize) -> Bytes {
        let mut skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut cut = BytesMut::new();
        for part in &self.parts {
            if skip >= part.len() {
                skip -= part.len();
                continue;
            }
            let end = part.len().min(skip.saturating_add(limit - cut.len()));
            if cut.is_empty() && (self.parts.len() == 1 || end - skip == limit) {
                return part.slice(skip..end);
            }
            cut.extend_from_slice(&part[skip..end]);
            skip = 0;
            if cut.len() == limit {
                break;
            }
        }
        cut.freeze()
    }
}

impl FromIterator<Bytes> for StateBytes {
    fn from_iter<T: IntoIterator<Item = Bytes>>(parts: T) -> StateBytes {
        StateBytes { parts: parts.into_iter().collect() }
    }
}

impl From<Bytes> for StateBytes {
    fn from(bytes: Bytes) -> StateBytes {
        StateBytes { parts: vec![bytes] }
    }
}

impl From<Vec<u8>> for StateBytes {
    fn from(bytes: Vec<u8>) -> StateBytes {
        Bytes::from(bytes).into()
    }
}

impl PartialEq for StateBytes {
    fn eq(&self, other: &StateBytes) -> bool {
        self.whole() == other.whole()
    }
}

impl Eq for StateBytes {}

impl Hash for StateBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.whole().hash(state);
    }
}

/// As one string of bytes.
impl Serialize for StateBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.whole())
    }
}

impl<'de> Deserialize<'de> for StateBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StateBytes, D::Error> {
        Bytes::deserialize(deserializer).map(StateBytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_is_parted_means_nothing() {
        let whole = b"abcdefghij";
        let parted = |ends: &[usize]| -> StateBytes {
            let mut begin = 0;
            let parts = ends.iter().map(|end| {
                let part = Bytes::copy_from_slice(&whole[begin..*end]);
                begin = *end;
                part
            });
            parts.collect()
        };
        for ends in [&[10][..], &[3, 10], &[0, 3, 3, 7, 10], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
            let state = parted(ends);
            assert_eq!(state, StateBytes::from(whole.to_vec()), "{ends:?}");
            assert_eq!(state.len(), 10);
            for offset in 0..12 {
                for limit in 1..12 {
                    let end = (offset + limit).min(10);
                    let expected = whole.get(offset..end).unwrap_or_default();
                    assert_eq!(state.cut(offset as u64, limit), expected, "{ends:?}, {offset}");
                }
            }
        }
        assert!(parted(&[0, 0]).is_empty());
        assert_eq!(StateBytes::default(), parted(&[0]));
    }
}

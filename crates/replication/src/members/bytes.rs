//! A configuration as the command of a log entry: our own bytes, since it comes over the network.
//!
//! ```text
//! 0  format  highest  unconfirmed  voters  outgoing  learners  target  urls
//! ```
//!
//! A list is its length and then its ids, rising; an address is its id, two bytes of length and
//! its bytes, in the order of the ids. The first byte tells it from a service's commands, which
//! begin with 1 or more. Called by `raft`, and by services that skip what is not theirs.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Members;
use crate::term::NodeId;

/// The first byte of what an engine itself puts into its log.
const OWN: u8 = 0;

/// Raised when the form changes.
const FORMAT: u8 = 1;

impl Members {
    /// Whether a log entry's command is a configuration, and nothing for the service.
    pub fn is_in(command: &[u8]) -> bool {
        command.first() == Some(&OWN)
    }

    /// As a log entry's command.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_slice(&[OWN, FORMAT, self.highest.0, self.unconfirmed.into()]);
        for ids in [&self.voters, &self.outgoing, &self.learners, &self.target] {
            bytes.put_u8(count(ids.len()));
            ids.iter().for_each(|id| bytes.put_u8(id.0));
        }
        bytes.put_u8(count(self.urls.len()));
        for (id, url) in &self.urls {
            bytes.put_u8(id.0);
            bytes.put_u16(u16::try_from(url.len()).expect("an address is short"));
            bytes.put_slice(url);
        }
        bytes.freeze()
    }

    /// Reads what [`Members::encode`] wrote; `None` if it is anything else, or could not be a
    /// configuration.
    pub fn decode(command: &Bytes) -> Option<Members> {
        let mut rest = command.clone();
        if rest.remaining() < 4 || (rest.get_u8(), rest.get_u8()) != (OWN, FORMAT) {
            return None;
        }
        let (highest, unconfirmed) = (NodeId(rest.get_u8()), rest.get_u8() != 0);
        let (voters, outgoing) = (ids(&mut rest)?, ids(&mut rest)?);
        let (learners, target) = (ids(&mut rest)?, ids(&mut rest)?);
        let mut urls = BTreeMap::new();
        for _ in 0..byte(&mut rest)? {
            let id = NodeId(byte(&mut rest)?);
            let length = (rest.remaining() >= 2).then(|| usize::from(rest.get_u16()))?;
            let url = (rest.remaining() >= length).then(|| rest.split_to(length))?;
            urls.insert(id, url);
        }
        let members = Members { voters, outgoing, learners, target, unconfirmed, urls, highest };
        // Written in one way only: what is equal has equal bytes.
        (members.is_well_formed() && members.encode() == *command).then_some(members)
    }
}

fn count(length: usize) -> u8 {
    u8::try_from(length).expect("ids are bytes, and none is 0")
}

fn byte(rest: &mut Bytes) -> Option<u8> {
    rest.has_remaining().then(|| rest.get_u8())
}

fn ids(rest: &mut Bytes) -> Option<BTreeSet<NodeId>> {
    let count = byte(rest)?;
    (0..count).map(|_| byte(rest).map(NodeId)).collect()
}

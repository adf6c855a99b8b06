//! Questions to the catalog that wait to be asked again, of another of its replicas: one that does
//! not lead refuses them, and one that was elected just now answers none yet.
//!
//! Reading changes nothing, so a question is asked anew for all who wait for it, under whatever
//! lease there is then. Where the catalog is alone nothing ever waits here.
//!
//! Called by `frontend::reads`, which is told when the pause is over.

use std::collections::BTreeMap;

use replication::Time;

use super::config::{CATALOG_DEADLINE, CATALOG_PAUSE, CATALOG_TRY};
use crate::message::{Problem, Request};
use crate::node::{Answer, CallId, Token};
use crate::toy::ToyName;

/// What is to be asked again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Again {
    /// A toy, for these readers.
    Fill(ToyName, Vec<Token>),
    /// A page of products.
    List(Token, Request),
}

/// Questions that wait for the end of their pause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Resting {
    /// By the end of the pause and the call that failed; with the time of the first question.
    waiting: BTreeMap<(Time, CallId), (Time, Again)>,
}

impl Resting {
    /// Whether a question that got this answer is worth another try, having been asked first at
    /// `since`.
    pub fn may_retry(now: Time, since: Time, answer: &Answer) -> bool {
        let mends = match answer {
            Answer::Said(Err(Problem::NotLeader { .. } | Problem::Unavailable(_)))
            | Answer::Refused
            | Answer::Unknown => true,
            Answer::Said(_) => false,
        };
        mends && now.since(since) + CATALOG_PAUSE + CATALOG_TRY <= CATALOG_DEADLINE
    }

    /// Begins a pause.
    pub fn rest(&mut self, now: Time, call: CallId, since: Time, again: Again) {
        self.waiting.insert((now + CATALOG_PAUSE, call), (since, again));
    }

    /// What is due, with the time of its first question.
    pub fn next_due(&mut self, now: Time) -> Option<(Time, Again)> {
        let due = self.waiting.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(due.remove())
    }

    /// When the first pause is over.
    pub fn next_timer(&self) -> Option<Time> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }
}

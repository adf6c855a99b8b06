//! Fills: the products that are being fetched from the catalog, and who waits for each.
//!
//! Readers who miss the same toy at the same time share one call. When that is right:
//!
//! 1. A reader may join a fill only while the lease under which it was begun is live, and only
//!    until an invalidation of its toy passes it. Then no change was visible when the reader came
//!    that the fill does not show, *if* the catalog counted this frontend among the holders when it
//!    answered.
//! 2. The catalog says whether it did, by the generation in its answer. If it did not (a change was
//!    under way), nobody would have told us when that change became visible; so those who *joined*
//!    are asked for anew, while those for whom the call was made may have the answer.
//!
//! A fill that an invalidation passed is answered and not kept (bug zoo: stale-fill).
//!
//! Called by `frontend::mod`; speaks to the catalog through the outbox.

use std::collections::BTreeMap;
use std::time::Duration;

use replication::Time;
use replication::planted::{Bug, planted};

use super::calls::{Outbox, Purpose};
use super::config::{CATALOG_DEADLINE, FILLS_MAX, READERS_MAX};
use crate::message::{CacheUse, Consistency, Generation, LeaseHolder, Problem, Request};
use crate::node::{CallId, Token};
use crate::toy::ToyName;

/// Whether the answer to a fill may be kept and shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cover {
    /// There is no cache, or no lease: answered only.
    Nothing,
    /// While the catalog answers under this generation.
    Lease(Generation),
    /// Until it is so old; without an age, always. Modes `ttl` and `none`.
    Age(Option<Duration>),
}

/// A product that is being fetched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fill {
    /// Which toy, as the first reader wrote it.
    pub name: ToyName,
    /// When the call left.
    pub left: Time,
    /// When it was asked first, perhaps of another replica of the catalog.
    pub since: Time,
    /// Whether its answer may be kept.
    pub cover: Cover,
    /// Whether an invalidation of the toy came since.
    pub passed: bool,
    /// Those for whom the call was made.
    pub starters: Vec<Token>,
    /// Those who came while it was under way.
    pub joined: Vec<Token>,
}

impl Fill {
    /// What is said of the answer in `X-Cache`.
    pub fn cache_use(&self) -> CacheUse {
        match self.cover {
            Cover::Nothing => CacheUse::Bypass,
            Cover::Lease(_) | Cover::Age(_) => CacheUse::Miss,
        }
    }

    /// Whether an answer under `generation` holds for those who joined (rule 2).
    pub fn covers(&self, generation: Option<Generation>) -> bool {
        match self.cover {
            Cover::Nothing => false,
            Cover::Lease(begun_under) => generation == Some(begun_under),
            Cover::Age(_) => true,
        }
    }
}

/// All fills under way.
///
/// Invariant: every call in `joinable` is in `under_way`, was not passed and is covered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Fills {
    under_way: BTreeMap<CallId, Fill>,
    joinable: BTreeMap<ToyName, CallId>,
    readers: usize,
}

impl Fills {
    /// Readers that wait.
    pub fn readers(&self) -> usize {
        self.readers
    }

    /// One more reader wants `name`, which is not in the cache. `cover` is what this moment allows.
    /// Returns whether a call was made for it.
    pub fn read(
        &mut self,
        out: &mut Outbox<'_>,
        token: Token,
        name: ToyName,
        cover: Cover,
        holder: Option<LeaseHolder>,
    ) -> bool {
        if self.readers == READERS_MAX {
            let full = format!("{READERS_MAX} readers wait for the catalog");
            out.reply(token, Err(Problem::Unavailable(full)));
            return false;
        }
        let joinable = self.joinable.get(name.key());
        let joinable = joinable.and_then(|call| self.under_way.get_mut(call));
        if let Some(fill) = joinable.filter(|fill| may_join(fill, cover, out.now)) {
            fill.joined.push(token);
            self.readers += 1;
            return false;
        }
        self.begin(out, out.now, vec![token], name, cover, holder)
    }

    /// So many readers wait for the end of a pause, without a fill.
    pub fn pause(&mut self, readers: usize) {
        self.readers += readers;
    }

    /// Their pause is over: they wait here no more, unless a fill begins for them.
    pub fn resume(&mut self, readers: usize) {
        self.readers -= readers;
    }

    /// Makes the call for these readers. Returns whether there was room for it.
    pub fn begin(
        &mut self,
        out: &mut Outbox<'_>,
        since: Time,
        starters: Vec<Token>,
        name: ToyName,
        cover: Cover,
        holder: Option<LeaseHolder>,
    ) -> bool {
        if self.under_way.len() == FILLS_MAX {
            for token in starters {
                let full = format!("{FILLS_MAX} calls wait for the catalog");
                out.reply(token, Err(Problem::Unavailable(full)));
            }
            return false;
        }
        let consistency = Consistency::Linearizable;
        let request = Request::Fill { name: name.clone(), holder, consistency };
        let call = out.call_catalog(Purpose::Fill, request, CATALOG_DEADLINE);
        if cover != Cover::Nothing {
            self.joinable.insert(name.clone(), call);
        }
        self.readers += starters.len();
        let (left, joined) = (out.now, Vec::new());
        let fill = Fill { name, left, since, cover, passed: false, starters, joined };
        self.under_way.insert(call, fill);
        true
    }

    /// An invalidation of this toy has come: what is under way may be older. `key` is in lower
    /// case.
    pub fn pass(&mut self, key: &str) {
        if !planted(Bug::PassedFillJoined) {
            self.joinable.remove(key);
        }
        for fill in self.under_way.values_mut().filter(|fill| fill.name.key() == key) {
            fill.passed = true;
        }
    }

    /// The whole cache was dropped: the same for every toy.
    pub fn pass_all(&mut self) {
        self.joinable.clear();
        for fill in self.under_way.values_mut() {
            fill.passed = true;
        }
    }

    /// Its answer is here: takes it out.
    pub fn finish(&mut self, call: CallId) -> Fill {
        let fill = self.under_way.remove(&call).expect("a call for a fill is open as long as it");
        if self.joinable.get(fill.name.key()) == Some(&call) {
            self.joinable.remove(fill.name.key());
        }
        self.readers -= fill.starters.len() + fill.joined.len();
        fill
    }
}

/// Rule 1 above. Under an age, a fill may be shared as long as its answer may be served.
fn may_join(fill: &Fill, cover: Cover, now: Time) -> bool {
    fill.cover == cover
        && match cover {
            Cover::Nothing => false,
            Cover::Lease(_) | Cover::Age(None) => true,
            Cover::Age(Some(age)) => now.since(fill.left) < age,
        }
}

//! A read: answered from the cache if that is allowed at this moment, else from the catalog, and
//! then kept if that is allowed; and what drops entries again.
//!
//! Here the four modes part: under `lease` and `push` an entry lives under a generation, under
//! `ttl` it has an age, under `none` it lives until it is evicted.
//!
//! Called by the shell ([`Frontend::hit`]) and by `frontend::mod`; calls `cache`, `lease`, `fills`.

use bytes::Bytes;
use replication::Time;
use replication::planted::{Bug, planted};

use super::again::{Again, Resting};
use super::cache::{Filled, Kept, Slot};
use super::calls::{Outbox, Purpose};
use super::config::{CATALOG_DEADLINE, Config, LOOKS_MAX};
use super::fills::Cover;
use super::happened::Happening;
use super::{Frontend, body};
use crate::catalog_leader::Heard;
use crate::invalidation::Invalidation;
use crate::message::{
    CacheUse, Consistency, Generation, LeaseHolder, Problem, ReadFrom, Reply, Request,
};
use crate::node::{Address, Answer, CallId, Token};
use crate::toy::{ToyName, Version};

/// A read answered from the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The lab's JSON, prepared when the toy was filled; cloning it copies no bytes.
    pub body: Bytes,
    /// The toy's version, for the answer's headers.
    pub version: Version,
    /// Whose state it is, for the same.
    pub from: ReadFrom,
}

impl Frontend {
    /// The hot path: answers a read from the cache, if that is allowed at this moment.
    ///
    /// `name` in any case; `now` must be read *after* the request's bytes were, for a paused
    /// process would else serve a request under the lease of before its pause. Counts a hit; a miss
    /// counts only when the request is stepped. Without upper case, it allocates nothing.
    pub fn hit(&mut self, now: Time, name: &str) -> Option<Hit> {
        let lower = name.is_ascii() && !name.bytes().any(|byte| byte.is_ascii_uppercase());
        let slot =
            if lower { self.touch(now, name)? } else { self.touch(now, &name.to_lowercase())? };
        let (body, version, applied) = (slot.body.clone(), slot.product.version, slot.applied);
        Some(Hit { body, version, from: self.read_from_cache(self.cache_promises(), applied) })
    }

    /// The level of what the cache may serve now: only a lease promises anything.
    fn cache_promises(&self) -> Consistency {
        match self.config.invalidation {
            Invalidation::Lease => Consistency::Linearizable,
            Invalidation::Push | Invalidation::Ttl(_) | Invalidation::None => Consistency::Local,
        }
    }

    fn read_from_cache(&self, consistency: Consistency, applied: u64) -> ReadFrom {
        let Config { id, incarnation, .. } = self.config;
        ReadFrom { consistency, node: Address::Frontend(id), incarnation, applied }
    }

    /// The slot of a toy that may be served now, as a hit. `key` is in lower case.
    fn touch(&mut self, now: Time, key: &str) -> Option<&Slot> {
        match self.config.invalidation {
            Invalidation::Lease | Invalidation::Push => {
                let current = self.lease.current(now)?;
                let slot = self.cache.touch(key)?;
                let kept_under = slot.generation;
                let same = kept_under == current || planted(Bug::GenerationIgnored);
                assert!(same, "a new generation drops the cache: {key}, {kept_under:?}");
                self.counters.hits += 1;
                Some(slot)
            }
            Invalidation::Ttl(age) => {
                if now.since(self.cache.peek(key)?.filled_at) >= age {
                    let name = self.cache.peek(key)?.product.name.to_string();
                    self.cache.invalidate(key);
                    self.counters.expirations += 1;
                    self.happened.note(now, Happening::Expire { name });
                    return None;
                }
                self.counters.hits += 1;
                self.cache.touch(key)
            }
            Invalidation::None => {
                let slot = self.cache.touch(key)?;
                self.counters.hits += 1;
                Some(slot)
            }
        }
    }

    /// Under what an answer to a fill that leaves now may be kept, and what the fill says of us.
    fn cover(&self, now: Time) -> (Cover, Option<LeaseHolder>) {
        if self.config.cache_capacity == 0 {
            return (Cover::Nothing, None);
        }
        match self.config.invalidation {
            Invalidation::Lease | Invalidation::Push => match self.lease.holder(now) {
                Some(holder) => (Cover::Lease(holder.generation), Some(holder)),
                None => (Cover::Nothing, None),
            },
            Invalidation::Ttl(age) => (Cover::Age(Some(age)), None),
            Invalidation::None => (Cover::Age(None), None),
        }
    }

    pub(super) fn on_read(
        &mut self,
        out: &mut Outbox<'_>,
        token: Token,
        name: ToyName,
        consistency: Consistency,
    ) {
        if consistency != Consistency::Linearizable {
            return self.on_weak_read(out, token, name, consistency);
        }
        if let Some(slot) = self.touch(out.now, name.key()) {
            let (product, applied) = (slot.product.clone(), slot.applied);
            let (cache, from) =
                (CacheUse::Hit, self.read_from_cache(self.cache_promises(), applied));
            return out.reply(token, Ok(Reply::Product { product, cache, from }));
        }
        let (cover, holder) = self.cover(out.now);
        match cover {
            Cover::Nothing => self.counters.bypasses += 1,
            Cover::Lease(_) | Cover::Age(_) => {
                self.counters.misses += 1;
                self.happened.note(out.now, Happening::Miss { name: name.to_string() });
            }
        }
        if self.fills.read(out, token, name, cover, holder) {
            self.counters.fills += 1;
        }
    }

    /// Below `linearizable`: from the cache, `local` also where its lease has run out; else from
    /// the catalog. The answer is for this reader alone: no cache keeps it, and nobody waits along.
    fn on_weak_read(
        &mut self,
        out: &mut Outbox<'_>,
        token: Token,
        name: ToyName,
        consistency: Consistency,
    ) {
        let live = self.lease.current(out.now).is_some();
        let level = if live { self.cache_promises() } else { Consistency::Local };
        if level <= consistency
            && let Some(slot) = self.cache.touch(name.key())
        {
            self.counters.hits += 1;
            let (product, applied) = (slot.product.clone(), slot.applied);
            let (cache, from) = (CacheUse::Hit, self.read_from_cache(level, applied));
            return out.reply(token, Ok(Reply::Product { product, cache, from }));
        }
        self.counters.bypasses += 1;
        self.look(out, token, Request::Fill { name, holder: None, consistency });
    }

    /// A question to the catalog for one reader.
    pub(super) fn look(&mut self, out: &mut Outbox<'_>, token: Token, request: Request) {
        if self.looks == LOOKS_MAX {
            let full = format!("{LOOKS_MAX} calls wait for the catalog");
            return out.reply(token, Err(Problem::Unavailable(full)));
        }
        self.looks += 1;
        self.look_again(out, out.now, token, request);
    }

    fn look_again(&mut self, out: &mut Outbox<'_>, since: Time, token: Token, request: Request) {
        let purpose = Purpose::Look { token, request: request.clone(), since };
        out.call_catalog(purpose, request, CATALOG_DEADLINE);
    }

    pub(super) fn on_looked(
        &mut self,
        out: &mut Outbox<'_>,
        call: CallId,
        (token, request, since): (Token, Request, Time),
        heard: Heard,
        answer: Answer,
    ) {
        self.note_catalog(&answer);
        if out.calls.catalog.has_replicas() && Resting::may_retry(out.now, since, &answer) {
            return match heard {
                Heard::Hint => self.look_again(out, since, token, request),
                Heard::Final | Heard::Elsewhere => {
                    self.resting.rest(out.now, call, since, Again::Look(token, request));
                }
            };
        }
        self.looks -= 1;
        let response = match answer {
            Answer::Said(Ok(reply @ Reply::Products { .. })) => Ok(reply),
            Answer::Said(Ok(Reply::Filled { product, from, .. })) => {
                if planted(Bug::LocalAnswerKept)
                    && let Some(generation) = self.lease.current(out.now)
                {
                    let (product, body) = (product.clone(), body::product(&product));
                    let (filled_at, applied) = (out.now, from.applied);
                    self.cache.keep(Filled { product, generation, filled_at, body, applied });
                }
                Ok(Reply::Product { product, cache: CacheUse::Bypass, from })
            }
            Answer::Said(_) | Answer::Refused | Answer::Unknown => Err(catalog_problem(answer)),
        };
        out.reply(token, response);
    }

    /// Asks another replica of the catalog what one did not answer, when it is time.
    pub(super) fn ask_again_if_due(&mut self, out: &mut Outbox<'_>) {
        while let Some((since, again)) = self.resting.next_due(out.now) {
            match again {
                Again::Fill(name, readers) => {
                    self.fills.resume(readers.len());
                    self.fill_again(out, since, name, readers);
                }
                Again::Look(token, request) => self.look_again(out, since, token, request),
            }
        }
    }

    fn fill_again(
        &mut self,
        out: &mut Outbox<'_>,
        since: Time,
        name: ToyName,
        readers: Vec<Token>,
    ) {
        let (cover, holder) = self.cover(out.now);
        if self.fills.begin(out, since, readers, name, cover, holder) {
            self.counters.fills += 1;
        }
    }

    pub(super) fn on_invalidate(&mut self, out: &mut Outbox<'_>, token: Token, names: &[ToyName]) {
        for name in names {
            self.fills.pass(name.key());
            if self.cache.invalidate(name.key()) {
                self.counters.invalidations += 1;
                self.happened.note(out.now, Happening::Invalidate { name: name.to_string() });
            }
        }
        out.reply(token, Ok(Reply::Done));
    }

    pub(super) fn on_drop_cache(&mut self, out: &mut Outbox<'_>, token: Token, catalog: u64) {
        let leased = match self.config.invalidation {
            Invalidation::Lease | Invalidation::Push => true,
            Invalidation::Ttl(_) | Invalidation::None => false,
        };
        // Where there are no leases it can only be a person's wish.
        if self.lease.revoke(out.now, catalog) || !leased {
            self.drop_all(out.now);
        }
        out.reply(token, Ok(Reply::Done));
    }

    pub(super) fn drop_all(&mut self, now: Time) {
        if self.cache.clear() > 0 {
            self.counters.drops += 1;
            self.happened.note(now, Happening::Drop);
        }
        self.fills.pass_all();
    }

    fn keep(&mut self, now: Time, filled: Filled) {
        let (name, version) = (filled.product.name.to_string(), filled.product.version);
        let kept = self.cache.keep(filled);
        if let Kept::Evicted(old) = &kept {
            self.counters.evictions += 1;
            let (name, by) = (old.to_string(), name.clone());
            self.happened.note(now, Happening::Evict { name, by });
        }
        match kept {
            Kept::Ignored => {}
            Kept::Added | Kept::Replaced | Kept::Evicted(_) => {
                self.happened.note(now, Happening::Fill { name, version });
            }
        }
    }

    fn note_catalog(&mut self, answer: &Answer) {
        match answer {
            Answer::Said(_) => self.lease.heard(),
            Answer::Refused | Answer::Unknown => {}
        }
    }

    pub(super) fn on_filled(
        &mut self,
        out: &mut Outbox<'_>,
        call: CallId,
        heard: Heard,
        answer: Answer,
    ) {
        self.note_catalog(&answer);
        let fill = self.fills.finish(call);
        if out.calls.catalog.has_replicas() && Resting::may_retry(out.now, fill.since, &answer) {
            let readers: Vec<Token> = fill.starters.into_iter().chain(fill.joined).collect();
            return match heard {
                Heard::Hint => self.fill_again(out, fill.since, fill.name, readers),
                Heard::Final | Heard::Elsewhere => {
                    self.fills.pause(readers.len());
                    let again = Again::Fill(fill.name, readers);
                    self.resting.rest(out.now, call, fill.since, again);
                }
            };
        }
        let cache = fill.cache_use();
        let Answer::Said(Ok(Reply::Filled { product, generation, from })) = answer else {
            let problem = catalog_problem(answer);
            for token in fill.starters.into_iter().chain(fill.joined) {
                out.reply(token, Err(problem.clone()));
            }
            return;
        };
        let covered = fill.covers(generation);
        let passed = fill.passed && !planted(Bug::StaleFill);
        let (cover, holder) = self.cover(out.now);
        let kept = covered || planted(Bug::UncoveredFillKept);
        if kept && !passed && fill.cover == cover {
            let body = body::product(&product);
            let generation = match cover {
                Cover::Lease(generation) => generation,
                Cover::Nothing | Cover::Age(_) => Generation::default(),
            };
            let (product, filled_at, applied) = (product.clone(), fill.left, from.applied);
            let filled = Filled { product, generation, filled_at, body, applied };
            self.keep(out.now, filled);
        }
        let mut reply = |token, from| {
            out.reply(token, Ok(Reply::Product { product: product.clone(), cache, from }));
        };
        fill.starters.into_iter().for_each(|token| reply(token, from));
        let mut anew = fill.joined;
        if covered || planted(Bug::UncoveredFillShared) {
            // Who joined may have come after a change of which nobody is told in time.
            let shared = ReadFrom { consistency: self.cache_promises(), ..from };
            anew.drain(..).for_each(|token| reply(token, shared));
        }
        if !anew.is_empty() && self.fills.begin(out, out.now, anew, fill.name, cover, holder) {
            self.counters.fills += 1;
        }
    }
}

/// Why the catalog's answer is none, as the reader is told. Reading changed nothing.
fn catalog_problem(answer: Answer) -> Problem {
    match answer {
        Answer::Said(Err(Problem::NotLeader { .. })) => {
            Problem::Unavailable("this catalog replica does not lead".to_string())
        }
        Answer::Said(Err(problem)) => problem,
        Answer::Said(Ok(_)) => Problem::Unavailable("the catalog answered another question".into()),
        Answer::Refused => Problem::Unavailable("the catalog cannot be reached".to_string()),
        Answer::Unknown => Problem::Unavailable("the catalog did not answer in time".to_string()),
    }
}

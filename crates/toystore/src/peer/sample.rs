//! A sample of the messages that pass this node, for whoever draws them.
//!
//! Taken only while somebody asks for it ([`Sample::told_after`]): else a message costs one load of
//! a flag. The sender of a message decides whether it is in the sample, and says so in a header,
//! [`ID_HEADER`]; the receiver writes the other half down under the same id. So every message of
//! the sample can be drawn from the moment it leaves to the moment it comes.
//!
//! ```text
//! sender     sent ───────────────────────────► told 200      "unknown": nobody answered in time
//! receiver         └─► came ─── answered ──┘
//! ```
//!
//! Of each kind of message on each link the first few of each quarter second come through, and then
//! one now and then. One purchase is seen whole; of thousands a second all nodes have the same
//! moments, and they cost no more than that.
//!
//! Called by [`super::Link`] and its outbox (what leaves) and by [`crate::http::site`] (what
//! comes).

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Display, Write as _};
use std::mem::{Discriminant, discriminant};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use replication::engine::Message;
use serde::Serialize;
use shop::message::{CacheUse, Request};
use shop::node::Address;

use crate::clock::unix_us as now;

/// Under which id the sender's half of a message is kept: `order-3/1764514380123`.
pub const ID_HEADER: &str = "toystore-message";

/// How long a sample is taken after somebody asked for it.
const LISTENS: Duration = Duration::from_secs(2);

/// Halves of messages that are kept for those who ask.
const KEPT_MAX: usize = 2048;

/// Of one kind on one link: the first so many of each window, which begins at the same moment for
/// all nodes of a machine, and then one in each of these times.
const WINDOW: Duration = Duration::from_millis(250);
const CALLS_AT_ONCE: u32 = 4;
/// A purchase makes several messages between replicas.
const LOGS_AT_ONCE: u32 = 8;
const ONE_MORE: Duration = Duration::from_millis(100);

/// Characters of a message that are shown.
const SHOWN_CHARS_MAX: usize = 160;

/// The longest id that is taken from a header.
const ID_BYTES_MAX: usize = 40;

/// What one half says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Half {
    /// It left this node.
    Sent {
        /// To which.
        to: String,
        /// The message.
        what: String,
    },
    /// It came to this node.
    Came {
        /// From which, or from `shoppers`.
        from: String,
        /// The message; absent if its sender has said it.
        #[serde(skip_serializing_if = "Option::is_none")]
        what: Option<String>,
    },
    /// The answer left this node.
    Answered {
        /// `200`, `409`; with what the cache was for it: `200 hit`.
        outcome: String,
        /// Messages that the answer carries.
        #[serde(skip_serializing_if = "Option::is_none")]
        what: Option<String>,
    },
    /// The answer is here: its status, or `refused`, `unknown`, `lost`.
    Told {
        /// Which.
        outcome: String,
    },
}

/// One half of a message, as it was seen here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// From 1 on, without gaps, since the process started.
    number: u64,
    /// Microseconds since 1970.
    at_us: u64,
    /// What both halves have in common.
    id: String,
    #[serde(flatten)]
    half: Half,
}

/// What is told of the sample.
#[derive(Debug, Serialize)]
pub struct Told {
    /// The number of the last half; whoever asks next asks for those after it.
    last: u64,
    /// Messages that have passed while somebody listened, in the sample or not: those that this
    /// node sent, and requests of clients.
    passed: u64,
    events: Vec<Seen>,
}

/// A request on its way through this node.
#[derive(Debug, Default)]
pub struct Passing {
    /// Its id, if it is in the sample.
    pub id: Option<String>,
    /// What the cache was for it.
    pub cache: Option<CacheUse>,
    /// Messages that its answer carries.
    pub what: Option<String>,
}

/// Messages that share a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Log,
    /// Answered past the node's inputs.
    Hit,
    Call(Discriminant<Request>),
}

/// The sample of one node.
#[derive(Debug)]
pub struct Sample {
    /// What this node is called.
    me: String,
    /// Whether somebody listens, as far as anybody has noticed.
    on: AtomicBool,
    passed: AtomicU64,
    /// Before this moment no hit is in the sample: there are too many of them to ask for the lock.
    next_hit: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// Until when somebody listens; microseconds since 1970, as all times here.
    until: u64,
    seen: VecDeque<Seen>,
    last: u64,
    /// The last id. Begins with the time of the start, so that a process that is started again uses
    /// none a second time.
    last_id: u64,
    budgets: HashMap<(Option<Address>, Kind), Budget>,
}

/// What is left of a window.
#[derive(Debug, Default)]
struct Budget {
    window: u64,
    taken: u32,
    last: u64,
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Told {
    /// `{"data":…}`, written at once: it is long, and asked for often.
    pub fn json(&self) -> String {
        let data = serde_json::to_string(self).expect("it has nothing that JSON cannot say");
        format!("{{\"data\":{data}}}")
    }
}

impl Sample {
    /// Nobody listens yet.
    pub fn new(me: String) -> Sample {
        let kept = Kept {
            until: 0,
            seen: VecDeque::new(),
            last: 0,
            last_id: now() / 1000,
            budgets: HashMap::new(),
        };
        let (on, passed, next_hit) = Default::default();
        Sample { me, on, passed, next_hit, kept: Mutex::new(kept) }
    }

    /// What came to be after the half with this number; from now on, a sample is taken for a while.
    pub fn told_after(&self, number: u64) -> Told {
        let mut kept = self.lock();
        kept.until = now() + micros(LISTENS);
        self.on.store(true, Ordering::Relaxed);
        // Whoever has a later number asked another process of this name.
        let number = if number > kept.last { 0 } else { number };
        let events = kept.seen.iter().filter(|seen| seen.number > number).cloned().collect();
        Told { last: kept.last, passed: self.passed.load(Ordering::Relaxed), events }
    }

    /// Whether anybody listens.
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// A call leaves: its id, if it is in the sample.
    pub fn calls(&self, to: (Address, &str), request: &Request) -> Option<String> {
        self.leaves(to, Kind::Call(discriminant(request)), || short(request))
    }

    /// Messages of a log leave.
    pub fn posts<'a>(
        &self,
        to: (Address, &str),
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> Option<String> {
        self.leaves(to, Kind::Log, || words(messages))
    }

    fn leaves(
        &self,
        (to, name): (Address, &str),
        kind: Kind,
        what: impl FnOnce() -> String,
    ) -> Option<String> {
        let mut kept = self.admit(Some(to), kind)?;
        let half = Half::Sent { to: name.to_string(), what: what() };
        Some(kept.begin(&self.me, half))
    }

    /// What a client asks of a node has come.
    pub fn client_asks(&self, request: &Request) -> Option<String> {
        let mut kept = self.admit(None, Kind::Call(discriminant(request)))?;
        let half = Half::Came { from: "shoppers".to_string(), what: Some(short(request)) };
        Some(kept.begin(&self.me, half))
    }

    /// A client was answered from the cache, at once.
    pub fn hit(&self, name: &str) {
        if !self.is_on() {
            return;
        }
        let now = now();
        if now < self.next_hit.load(Ordering::Relaxed) {
            self.passed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Some(mut kept) = self.admit(None, Kind::Hit) else {
            let window = now / micros(WINDOW) + 1;
            let next = (window * micros(WINDOW)).min(now + micros(ONE_MORE) / 2);
            return self.next_hit.store(next, Ordering::Relaxed);
        };
        let what = Some(short(format_args!("read {name}")));
        let id = kept.begin(&self.me, Half::Came { from: "shoppers".to_string(), what });
        kept.note(&id, Half::Answered { outcome: "200 hit".to_string(), what: None });
    }

    /// Something comes that another node put into the sample, under this id.
    pub fn comes(&self, id: &[u8]) -> Option<String> {
        let id = std::str::from_utf8(id).ok().filter(|id| id.len() <= ID_BYTES_MAX)?;
        let (from, _) = id.split_once('/').filter(|_| self.is_on())?;
        self.lock().note(id, Half::Came { from: from.to_string(), what: None });
        Some(id.to_string())
    }

    /// Its answer leaves, perhaps with messages.
    pub fn answers(&self, passing: Passing, status: u16) {
        let Passing { id: Some(id), cache, what } = passing else { return };
        let outcome = cache.map_or(status.to_string(), |cache| format!("{status} {cache}"));
        self.lock().note(&id, Half::Answered { outcome, what });
    }

    /// The answer is here, or there is none.
    pub fn ends(&self, id: &str, outcome: impl Display) {
        self.lock().note(id, Half::Told { outcome: outcome.to_string() });
    }

    /// Counts a message; `None` if it is not in the sample.
    fn admit(&self, to: Option<Address>, kind: Kind) -> Option<MutexGuard<'_, Kept>> {
        if !self.is_on() {
            return None;
        }
        self.passed.fetch_add(1, Ordering::Relaxed);
        let (mut kept, now) = (self.lock(), now());
        if now > kept.until {
            self.on.store(false, Ordering::Relaxed);
            return None;
        }
        let at_once = if kind == Kind::Log { LOGS_AT_ONCE } else { CALLS_AT_ONCE };
        let budget = kept.budgets.entry((to, kind)).or_default();
        budget.take(now, at_once).then_some(kept)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // It guards plain values that no panic leaves half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn begin(&mut self, me: &str, half: Half) -> String {
        self.last_id += 1;
        let id = format!("{me}/{}", self.last_id);
        self.note(&id, half);
        id
    }

    fn note(&mut self, id: &str, half: Half) {
        if self.seen.len() == KEPT_MAX {
            self.seen.pop_front();
        }
        self.last += 1;
        let seen = Seen { number: self.last, at_us: now(), id: id.to_string(), half };
        self.seen.push_back(seen);
    }
}

impl Budget {
    fn take(&mut self, now: u64, at_once: u32) -> bool {
        let window = now / micros(WINDOW);
        if self.window != window {
            *self = Budget { window, taken: 0, last: self.last };
        }
        let due = now.saturating_sub(self.last) >= micros(ONE_MORE);
        let some = self.taken < at_once || due;
        if some {
            self.taken += 1;
            self.last = now;
        }
        some
    }
}

/// Messages of a log, in the one notation.
pub fn words<'a>(messages: impl IntoIterator<Item = &'a Message>) -> String {
    let mut beginning = Beginning::default();
    let mut before = "";
    for message in messages {
        if write!(beginning, "{before}{message}").is_err() {
            break;
        }
        before = ", ";
    }
    beginning.text
}

/// The beginning of what it looks like.
pub fn short(what: impl Display) -> String {
    let mut beginning = Beginning::default();
    // It says itself that it is only that.
    let _ = write!(beginning, "{what}");
    beginning.text
}

/// Takes so many characters and no more: a batch of a hundred orders is not written to its end.
struct Beginning {
    text: String,
    left: usize,
}

impl Default for Beginning {
    fn default() -> Beginning {
        Beginning { text: String::new(), left: SHOWN_CHARS_MAX }
    }
}

impl fmt::Write for Beginning {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        match more.char_indices().nth(self.left) {
            None => {
                self.left -= more.chars().count();
                self.text.push_str(more);
                Ok(())
            }
            Some((end, _)) => {
                self.text.push_str(&more[..end]);
                self.text.push('…');
                Err(fmt::Error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use replication::NodeId;

    use super::*;

    const TO: (Address, &str) = (Address::Order(NodeId(2)), "order-2");

    fn halves(told: &Told) -> Vec<String> {
        let json = |seen: &Seen| serde_json::to_value(&seen.half).unwrap().to_string();
        told.events.iter().map(json).collect()
    }

    #[test]
    fn nothing_is_kept_until_somebody_listens() {
        let sample = Sample::new("order-1".to_string());
        assert_eq!(sample.calls(TO, &Request::ReadLeader), None);
        assert_eq!(sample.comes(b"order-2/1"), None);
        assert_eq!(sample.told_after(0).passed, 0);
        let id = sample.calls(TO, &Request::ReadLeader).unwrap();
        assert!(id.starts_with("order-1/"), "{id}");
        sample.ends(&id, 200);
        let told = sample.told_after(0);
        let sent = r#"{"event":"sent","to":"order-2","what":"leader?"}"#;
        assert_eq!(halves(&told), [sent, r#"{"event":"told","outcome":"200"}"#]);
        assert_eq!((told.last, told.passed), (2, 1));
        assert_eq!(halves(&sample.told_after(1)).len(), 1);
        // This number is of another process.
        assert_eq!(halves(&sample.told_after(99)).len(), 2);
    }

    #[test]
    fn both_halves_have_one_id() {
        let [one, two] = ["order-1", "order-2"].map(|me| Sample::new(me.to_string()));
        one.told_after(0);
        two.told_after(0);
        let id = one.calls(TO, &Request::ReadLeader);
        let passing = Passing { id: two.comes(id.unwrap().as_bytes()), ..Passing::default() };
        two.answers(Passing { cache: Some(CacheUse::Miss), ..passing }, 200);
        let told = two.told_after(0);
        assert_eq!(told.events[0].id, one.told_after(0).events[0].id);
        let came = r#"{"event":"came","from":"order-1"}"#;
        assert_eq!(halves(&told), [came, r#"{"event":"answered","outcome":"200 miss"}"#]);
    }

    #[test]
    fn many_of_one_kind_are_counted_and_a_few_are_kept() {
        let sample = Sample::new("frontend-1".to_string());
        sample.told_after(0);
        (0..1000).for_each(|_| sample.hit("tux"));
        let order = sample.calls(TO, &Request::ReadMembers);
        assert!(order.is_some(), "another kind has a budget of its own");
        let told = sample.told_after(0);
        assert_eq!(told.passed, 1001);
        let kept = told.events.len();
        assert!((9..100).contains(&kept), "{kept}");
    }

    #[test]
    fn what_is_long_is_cut_and_a_strange_id_is_none() {
        assert_eq!(short("ü".repeat(200)).chars().count(), SHOWN_CHARS_MAX + 1);
        let sample = Sample::new("order-1".to_string());
        sample.told_after(0);
        for id in [&b"no slash"[..], b"\xff/1", &[b'/'; 41]] {
            assert_eq!(sample.comes(id), None);
        }
        assert!(sample.told_after(0).events.is_empty());
    }
}

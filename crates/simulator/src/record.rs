//! What the clients of a simulated store asked and were told, and what went wrong meanwhile: a
//! history, as `docs/formats.md` describes it, judged by crate `checker` when the run is over.
//!
//! Filled by the world with every call of a client and every answer, every fault and every leader.
//! It is the file that real shoppers write too, so that there is one judge for both worlds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checker::history::{
    EventKind, FORMAT, Head, History, Line, LoggedLine, MAGIC, Reader, RestockRule, Shelf,
};
use checker::staleness::Staleness;
use checker::verdict::{Guarantee, Judgement, Verdict};
use replication::{Term, Time};
use shop::catalog::status::ToyStatus;
use shop::catalog::stock::{PutBack, Restocked};
use shop::message::{NewOrder, OrderNumber, Reply, Request, RequestId};
use shop::node::{Answer, CallId};
use shop::orders::ledger::Ledger;
use shop::toy::{ToyName, Version};

use crate::fault::Fault;
use crate::plan;
use crate::recording::{Attempt, Recorder, key_of};
use crate::setting::Setting;
use crate::who::{Seat, Who};
use crate::world::Broken;

/// Takes that the store may begin for one attempt: a frontend tries again under every next leader
/// until its deadline, and the network may deliver what it sends twice.
const TAKES: u32 = 8;

/// Steps of a search where the versions prove nothing: some seconds.
const STEPS: u64 = 5_000_000;

/// The promise that is named where the judge could not decide.
pub const UNDECIDED: &str = "decided";

/// A client's call: whose, in which life, which.
pub type CallOf = (Seat, u32, CallId);

/// A call that waits.
struct Open {
    client: Who,
    node: Who,
    attempt: Attempt,
}

/// What was told and what happened, so far.
#[derive(Default)]
pub struct Record {
    open: BTreeMap<CallOf, Open>,
    /// Operations and events, each a line.
    lines: Vec<String>,
    /// The versions that the catalog has told of: a start tells the last ones again.
    told: BTreeSet<(ToyName, Version)>,
    /// What buyers were told, each once.
    pub acknowledged: BTreeMap<(OrderNumber, RequestId), NewOrder>,
}

/// What crate `checker` says of a run.
pub struct Said {
    /// The first promise that does not hold, or is not decided.
    pub broken: Option<Broken>,
    /// Every promise that does not hold.
    pub convicted: Vec<&'static str>,
    /// How old stale reads were.
    pub staleness: Staleness,
    /// What a read shows that no order fits, where it was not promised to be fresh.
    pub forgiven: Option<String>,
}

impl Record {
    /// A client asks a node.
    pub fn begin(&mut self, call: CallOf, client: Who, node: Who, now: Time, request: &Request) {
        let mut key = String::new();
        if let Request::PlaceOrder(order) = request {
            key = key_of(order.request_id);
        }
        let attempt = Attempt { request: request.clone(), key, invoked: now };
        self.open.insert(call, Open { client, node, attempt });
    }

    /// A client is answered, or gives up.
    pub fn end(&mut self, call: CallOf, now: Time, answer: &Answer) {
        let Some(open) = self.open.remove(&call) else { return };
        if let (Request::PlaceOrder(order), Answer::Said(Ok(Reply::Ordered(ordered)))) =
            (&open.attempt.request, answer)
        {
            self.acknowledged.insert((ordered.number, order.request_id), order.clone());
        }
        self.write(&open, now, answer);
    }

    fn write(&mut self, open: &Open, now: Time, answer: &Answer) {
        let client = match open.client {
            Who::Shopper(id) => id.into(),
            Who::Asker | Who::Catalog(_) | Who::Order(_) | Who::Frontend(_) => 0,
        };
        let session = open.client.to_string();
        let recorder = Recorder { client, session, process: None };
        let node = match answer {
            Answer::Said(_) => Some(open.node.to_string()),
            Answer::Refused | Answer::Unknown => None,
        };
        self.lines.extend(recorder.lines(&open.attempt, now, node.as_deref(), answer));
    }

    /// Whoever still waits never hears anything.
    pub fn close(&mut self, now: Time) {
        for open in std::mem::take(&mut self.open).into_values() {
            self.write(&open, now, &Answer::Unknown);
        }
    }

    /// A fault hit somebody, and lasts.
    pub fn fault(&mut self, at: Time, length: Duration, fault: Fault, node: Option<Who>) {
        let (what, node) = (fault.to_string(), node.map(|node| node.to_string()));
        self.event(&Line {
            event: Some(EventKind::Fault),
            at: Some(at.0),
            until: Some((at + length).0),
            what: Some(what.as_str().into()),
            node: node.as_deref().map(Into::into),
            ..Line::default()
        });
    }

    /// A replica was granted the lead.
    pub fn leader(&mut self, at: Time, node: Who, term: Term) {
        let (node, term) = (node.to_string(), term.to_string());
        self.event(&Line {
            event: Some(EventKind::Leader),
            at: Some(at.0),
            node: Some(node.as_str().into()),
            term: Some(term.as_str().into()),
            ..Line::default()
        });
    }

    /// The final log of a replica.
    pub fn log(&mut self, node: Who, ledger: &Ledger) {
        let node = node.to_string();
        let all: Vec<_> = ledger.records().collect();
        let keys: Vec<String> = all.iter().map(|(_, request_id, _)| key_of(*request_id)).collect();
        let orders = all.iter().zip(&keys).map(|((order, _, version), key)| LoggedLine {
            number: order.number.0,
            toy: order.name.spelling().into(),
            quantity: order.quantity.get().into(),
            key: Some(key.as_str().into()),
            version: Some(version.0),
            index: Some(order.index),
        });
        self.event(&Line {
            event: Some(EventKind::Log),
            node: Some(node.as_str().into()),
            orders: Some(orders.collect()),
            ..Line::default()
        });
    }

    /// The final stock of a toy.
    pub fn stock(&mut self, toy: &ToyStatus) {
        self.event(&Line {
            event: Some(EventKind::Stock),
            toy: Some(toy.name.spelling().into()),
            quantity: i64::try_from(toy.in_stock).ok(),
            version: Some(toy.version.0),
            ..Line::default()
        });
    }

    /// Takes were put back.
    pub fn put_back(&mut self, all: impl IntoIterator<Item = PutBack>) {
        for PutBack { name, quantity, request_id, taken, version } in all {
            if self.told.insert((name.clone(), version)) {
                let key = key_of(request_id);
                self.event(&Line {
                    event: Some(EventKind::PutBack),
                    toy: Some(name.spelling().into()),
                    quantity: Some(quantity.get().into()),
                    key: Some(key.as_str().into()),
                    taken: Some(taken.0),
                    version: Some(version.0),
                    ..Line::default()
                });
            }
        }
    }

    /// Toys were restocked.
    pub fn restocked(&mut self, now: Time, all: impl IntoIterator<Item = Restocked>) {
        for Restocked { name, quantity, version } in all {
            if self.told.insert((name.clone(), version)) {
                self.event(&Line {
                    event: Some(EventKind::Restock),
                    at: Some(now.0),
                    toy: Some(name.spelling().into()),
                    quantity: i64::try_from(quantity).ok(),
                    ..Line::default()
                });
            }
        }
    }

    fn event(&mut self, line: &Line<'_>) {
        self.lines.push(line.json());
    }

    /// Every line but the first, which is [`head`].
    pub fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Judges everything so far.
    pub fn judge(&self, setting: &Setting) -> Said {
        let head = head(setting);
        let judged = checker::judge(&read(&head, &self.lines), STEPS);
        let mut judgements = judged.judgements;
        let mut forgiven = None;
        let wrong = |one: &Judgement| {
            one.guarantee != Guarantee::Staleness && one.verdict >= Verdict::NotDecided
        };
        if !setting.fresh() && judgements.iter().any(wrong) {
            let stock = judgements.iter().find(|one| one.guarantee == Guarantee::Stock);
            let found = stock.and_then(|stock| stock.found.first());
            forgiven = found.map(|found| found.sentence.clone());
            // Where reads may be stale, what was bought must fit one order all the same. Where none
            // was, it does so because the whole history does.
            let stale = |line: &&String| {
                line.starts_with(r#"{"op":"read""#) && !line.contains(r#""consistency":"#)
            };
            let history = read(&head, self.lines.iter().filter(|line| !stale(line)));
            judgements.retain(|one| one.guarantee == Guarantee::Staleness);
            let others = checker::judge(&history, STEPS).judgements.into_iter();
            judgements.extend(others.filter(|one| one.guarantee != Guarantee::Staleness));
        }
        let promised = judgements.iter().filter(|one| setting.promises(one.guarantee));
        let broke = promised.clone().filter(|one| one.verdict == Verdict::Broke);
        let convicted = broke.map(|one| one.guarantee.name()).collect();
        let wrong = promised.filter(|one| one.verdict >= Verdict::NotDecided);
        // What broke before what is not decided; of these, what needs the fewest words.
        let worst = wrong.min_by_key(|one| {
            let sentence = one.found.first().map_or(usize::MAX, |found| found.sentence.len());
            (std::cmp::Reverse(one.verdict), sentence)
        });
        let broken = worst.map(|one| match one.found.first() {
            Some(found) => Broken { promise: one.guarantee.name(), what: found.sentence.clone() },
            None => {
                let what = format!("{}: {}", one.guarantee, one.words);
                Broken { promise: UNDECIDED, what }
            }
        });
        Said { broken, convicted, staleness: judged.staleness, forgiven }
    }
}

/// The first line of a run's history.
pub fn head(setting: &Setting) -> Head {
    let quantity = i64::try_from(setting.stock).expect("a drawn stock is small");
    let toys = plan::toys(setting).into_iter();
    let shelf = |toy: ToyName| Shelf { toy: toy.to_string(), quantity, version: 1 };
    Head {
        history: MAGIC.to_string(),
        format: FORMAT,
        clock: "us".to_string(),
        catalogue: toys.map(shelf).collect(),
        restock: Some(RestockRule { to: quantity, events: true }),
        invalidation: match setting.cache_capacity {
            0 => "no cache".to_string(),
            _ => setting.invalidation.to_string(),
        },
        replication: setting.replication().to_string(),
        keys: true,
        takes: TAKES,
        orders: 0,
        repeat: None,
    }
}

/// A history of lines that this crate wrote.
fn read<'a>(head: &Head, lines: impl IntoIterator<Item = &'a String>) -> History {
    let mut reader = Reader::default();
    reader.line(head.json().as_bytes()).expect("a head as the reader wants it");
    for line in lines {
        reader.line(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    reader.finish().expect("a head was read")
}

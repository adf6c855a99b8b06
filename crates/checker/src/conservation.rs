//! Judges each toy's account: what was there and what came is in stock or sold, and nothing is sold
//! more often than it is there.
//!
//! Premises besides what clients saw: the final stock, the final logs, and the restocks, where the
//! head says that each of them stands in the history (`restock.events`); where it does not, they
//! are bounded by the toy's versions, each of which is one change. Called by [`crate::judge`].

use std::collections::BTreeMap;

use crate::history::{Asked, Event, History, Micros, Name, Outcome, Shelf};
use crate::model::{Object, State};
use crate::purchase::{Fate, Purchases};
use crate::stock::Proof;
use crate::verdict::{Counterexample, Findings, Guarantee, Judgement, Verdict, many};
use crate::words;

/// One toy's account.
#[derive(Clone, Debug, Default)]
struct Account {
    /// Sold, as somebody was told or a log says.
    sold: i64,
    /// How many sales that are.
    sales: u64,
    /// Bought with an outcome that nobody knows.
    open: i64,
    /// When somebody was told of each sale: the time, how many, the operation.
    told: Vec<(Micros, i64, usize)>,
    /// When each recorded restock was, and how many came.
    restocks: Vec<(Micros, i64)>,
    /// The final stock.
    stock: Option<State>,
    /// The highest version that anybody saw.
    newest: Option<u64>,
}

/// The accounts of all toys.
pub struct Accounts<'a> {
    history: &'a History,
    accounts: BTreeMap<Name, Account>,
}

impl<'a> Accounts<'a> {
    /// Adds everything up.
    pub fn of(history: &'a History, purchases: &Purchases) -> Accounts<'a> {
        let mut accounts: BTreeMap<Name, Account> = BTreeMap::new();
        let logs = history.logs();
        let mut numbers = BTreeMap::new();
        for purchase in &purchases.all {
            let account = accounts.entry(purchase.toy).or_default();
            match purchase.fate {
                Fate::Bought(bought) => {
                    account.sold = account.sold.saturating_add(purchase.quantity);
                    account.sales += 1;
                    account.newest = account.newest.max(bought.version);
                    let told = purchase.told.unwrap_or(purchase.operations[0]);
                    account.told.push((purchase.returned, purchase.quantity, told));
                    numbers.insert(bought.order, ());
                }
                Fate::Refused(refused) => account.newest = account.newest.max(refused.version),
                // The final logs have everything that was recorded.
                Fate::Open if logs.is_empty() => {
                    account.open = account.open.saturating_add(purchase.quantity.max(0));
                }
                Fate::Open | Fate::Never => {}
            }
        }
        let log = logs.into_values().max_by_key(Vec::len).unwrap_or_default();
        for order in log.into_iter().filter(|order| order.number >= history.head.orders) {
            if numbers.insert(order.number, ()).is_none() {
                let account = accounts.entry(order.toy).or_default();
                account.sold = account.sold.saturating_add(order.quantity);
                account.sales += 1;
            }
        }
        for operation in &history.operations {
            if let (Asked::Read { toy }, Outcome::Product { version, .. }) =
                (operation.asked, operation.outcome)
            {
                let account = accounts.entry(toy).or_default();
                account.newest = account.newest.max(version);
            }
        }
        for event in &history.events {
            match *event {
                Event::Restock { at, toy, quantity } => {
                    accounts.entry(toy).or_default().restocks.push((at, quantity));
                }
                Event::Stock { toy, quantity, version } => {
                    let state = State { quantity, version: version.unwrap_or(0) };
                    let account = accounts.entry(toy).or_default();
                    account.stock = Some(state);
                    account.newest = account.newest.max(version);
                }
                Event::Leader { .. }
                | Event::Fault { .. }
                | Event::Log { .. }
                | Event::PutBack { .. } => {}
            }
        }
        Accounts { history, accounts }
    }

    fn of_catalogue(&self) -> impl Iterator<Item = (&Shelf<Name>, &Account)> {
        let of = |shelf: &'a Shelf<Name>| self.accounts.get(&shelf.toy).map(|a| (shelf, a));
        self.history.catalogue.iter().filter_map(of)
    }

    /// How many restocks there can have been at most, by the versions; nothing without versions.
    fn restocks_max(shelf: &Shelf<Name>, account: &Account) -> Option<i64> {
        let changes = account.newest?.saturating_sub(shelf.version);
        i64::try_from(changes.saturating_sub(account.sales)).ok()
    }

    /// Judges conservation.
    pub fn conserved(&self) -> Judgement {
        let mut findings = Findings::default();
        let (mut toys, mut undecided) = (0_u64, 0_u64);
        let (mut initial, mut came, mut stock, mut sold) = (0_i128, 0_i128, 0_i128, 0_i128);
        for (shelf, account) in self.of_catalogue() {
            let Some(State { quantity, .. }) = account.stock else { continue };
            toys += 1;
            let there = i128::from(shelf.quantity);
            let gone = i128::from(quantity) + i128::from(account.sold);
            let restocked = match self.history.head.restock {
                None => 0,
                Some(rule) if rule.events => account.restocks.iter().map(|r| i128::from(r.1)).sum(),
                // As many restocks as make it even, if that many were possible.
                Some(rule) => {
                    let (level, came) = (i128::from(rule.to), gone - there);
                    let most = Accounts::restocks_max(shelf, account).map(i128::from);
                    let count = came.div_euclid(level).clamp(0, most.unwrap_or(came.max(0)).max(0));
                    count * level
                }
            };
            (initial, came) = (initial + there, came + restocked);
            (stock, sold) = (stock + i128::from(quantity), sold + i128::from(account.sold));
            let missing = there + restocked - gone;
            if missing == 0 {
                continue;
            }
            if missing > 0 && missing <= i128::from(account.open) {
                undecided += 1;
                continue;
            }
            findings.add(|| Counterexample {
                sentence: format!(
                    "{}: {there} at first + {restocked} restocked are not {quantity} in stock at \
                     the end + {} sold: {} {}",
                    self.history.name(shelf.toy),
                    account.sold,
                    missing.abs(),
                    match (missing, missing > 0) {
                        (1, _) => "is missing",
                        (-1, _) => "is too many",
                        (_, true) => "are missing",
                        (_, false) => "are too many",
                    },
                ),
                operations: vec![],
                toy: Some(shelf.toy),
            });
        }
        let all = many(toys, "toy");
        let (verdict, words) = match (toys, undecided) {
            (0, _) => (Verdict::NotJudged, "the final stock is not known".to_string()),
            (_, 0) => (
                Verdict::Held,
                format!(
                    "for {all}: {initial} at first + {came} restocked = {stock} in stock + {sold} \
                     sold"
                ),
            ),
            (_, open) => (
                Verdict::NotDecided,
                format!("of {all}, {open} are even only if unknown purchases happened"),
            ),
        };
        findings.judge(Guarantee::Conserved, verdict, words)
    }

    /// Judges that nothing was sold that was not there. Where the stock is linearizable and no
    /// restock is recorded, that is a proof: its model has no negative stock.
    pub fn oversold(&self, objects: &[Object], proofs: &[Proof]) -> Judgement {
        let mut findings = Findings::default();
        self.negative(&mut findings);
        let proven =
            objects.iter().zip(proofs).filter(|(_, proof)| proof.linearization().is_some());
        let proven: BTreeMap<Name, ()> = proven.map(|(object, _)| (object.toy, ())).collect();
        let (mut sales, mut undecided) = (0, 0_u64);
        for (shelf, account) in self.of_catalogue() {
            sales += account.sales;
            match self.history.head.restock {
                Some(rule) if !rule.events => {
                    let most = Accounts::restocks_max(shelf, account);
                    let most = most
                        .map(|count| shelf.quantity.saturating_add(count.saturating_mul(rule.to)));
                    match most {
                        Some(most) if account.sold > most => {
                            let shown = (account.told.last().map(|told| told.2), most);
                            findings.add(|| self.too_many(shelf, account.sold, shown));
                        }
                        _ if account.sold <= shelf.quantity => {}
                        _ if proven.contains_key(&shelf.toy) => {}
                        _ => undecided += 1,
                    }
                }
                Some(_) | None => self.at_every_time(shelf, account, &mut findings),
            }
        }
        let (verdict, words) = match (sales, undecided) {
            (0, _) => (Verdict::NotJudged, "nothing was sold".to_string()),
            (_, 0) => {
                let words = "no toy was sold more often than it was there";
                (Verdict::Held, format!("{}, {words}", many(sales, "sale")))
            }
            (_, toys) => (
                Verdict::NotDecided,
                format!(
                    "{} may have been restocked or sold too often: no restocks are recorded, and \
                     no order fits",
                    many(toys, "toy"),
                ),
            ),
        };
        findings.judge(Guarantee::Oversold, verdict, words)
    }

    /// Nobody sees less than nothing.
    fn negative(&self, findings: &mut Findings) {
        for (place, operation) in self.history.operations.iter().enumerate() {
            if let (Asked::Read { toy }, Outcome::Product { quantity: ..0, .. }) =
                (operation.asked, operation.outcome)
            {
                findings.add(|| Counterexample {
                    sentence: format!(
                        "{} {}: more was sold than there was",
                        words::began(self.history, place),
                        words::told(self.history, place),
                    ),
                    operations: vec![place],
                    toy: Some(toy),
                });
            }
        }
    }

    /// What had been sold by each acknowledgement was there before it.
    fn at_every_time(&self, shelf: &Shelf<Name>, account: &Account, findings: &mut Findings) {
        let mut told = account.told.clone();
        told.sort_unstable();
        let mut restocks = account.restocks.clone();
        restocks.sort_unstable();
        let mut restocks = restocks.into_iter().peekable();
        let (mut there, mut sold) = (shelf.quantity, 0_i64);
        for (time, quantity, operation) in told {
            while let Some((_, came)) = restocks.next_if(|(at, _)| *at <= time) {
                there = there.saturating_add(came);
            }
            sold = sold.saturating_add(quantity);
            if sold > there {
                findings.add(|| self.too_many(shelf, sold, (Some(operation), there)));
                return;
            }
        }
    }

    fn too_many(
        &self,
        shelf: &Shelf<Name>,
        sold: i64,
        (last, there): (Option<usize>, i64),
    ) -> Counterexample {
        let by = last.map_or_else(String::new, |last| {
            let returned = self.history.operations[last].returned;
            format!(
                " when {} ended at {}",
                words::who(self.history, last),
                words::seconds(returned)
            )
        });
        Counterexample {
            sentence: format!(
                "{sold} of {} were sold{by}, of {there} that there had been at most",
                self.history.name(shelf.toy)
            ),
            operations: last.into_iter().collect(),
            toy: Some(shelf.toy),
        }
    }
}

//! Purchases under way at the leader: queued → taking → proposed → decided.
//!
//! Each waits for its take at the catalog, then for its log entry to be committed. Takes that wait
//! go out together, at most [`TAKE_CALLS_MAX`] calls at a time, and one more with those that are
//! asked again. Called by [`super::Orders`].
//!
//! A number is over in one of two ways, and until then the floor stays below it: its order is
//! recorded, or the catalog has been told that it is given up. A purchase may end before that, but
//! not its number: the call may arrive a second time, late, and take for nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use replication::Term;
use replication::planted::{Bug, planted};

use crate::message::{NewOrder, Problem, Request, RequestId, Settled, TakeAnswer, TakeItem, Taken};

use super::command::Command;

/// Purchases under way at once; more are answered 503.
pub const PURCHASES_MAX: usize = 16_384;

/// Calls with new takes under way at once. With two, each carries half as much, and the catalog and
/// the followers sync twice as often.
pub const TAKE_CALLS_MAX: usize = 1;

/// Takes in one call; the catalog accepts 1024.
const TAKES_PER_CALL_MAX: usize = 512;

/// One purchase.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Purchase {
    /// What is bought.
    pub order: NewOrder,
    /// Which answers wait for it: (batch, position in it).
    pub waiters: Vec<(u64, usize)>,
    stage: Stage,
}

impl Purchase {
    /// Whether its take is answered.
    fn taken(&self) -> bool {
        matches!(self.stage, Stage::Proposed(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Queued,
    /// With the number of its take.
    Taking(u64),
    Proposed(u64),
}

/// All purchases of one leader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Purchases {
    all: BTreeMap<RequestId, Purchase>,
    /// Without a take yet, in order of arrival.
    queue: VecDeque<RequestId>,
    /// Takes whose order is not recorded yet. The lowest is the floor.
    numbers: BTreeMap<u64, RequestId>,
    /// Of these, the ones to ask (again).
    to_ask: BTreeSet<u64>,
    /// Of these, the ones that may be taken, since a call about them got no answer.
    in_doubt: BTreeSet<u64>,
    /// Numbers of purchases that ended without a take: to be given up at the catalog.
    given_up: BTreeSet<u64>,
    /// Whether the catalog is being told so.
    giving_up: bool,
    /// Why the catalog can do nothing, if that was its last word.
    not_now: Option<Problem>,
    /// The highest that was asked again last.
    asked_upto: u64,
    next_number: u64,
    /// The floor that the catalog was told last.
    told_floor: u64,
    /// Calls under way that ask for the first time, or for nothing.
    calls: usize,
    /// The lowest number of the call under way that asks again; at most one.
    repeated: Option<u64>,
}

impl Purchases {
    /// How many are under way.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The purchase of a request.
    pub fn get_mut(&mut self, request_id: RequestId) -> Option<&mut Purchase> {
        self.all.get_mut(&request_id)
    }

    /// Whether the request is under way.
    pub fn contains(&self, request_id: RequestId) -> bool {
        self.all.contains_key(&request_id)
    }

    /// Begins a purchase.
    pub fn begin(&mut self, order: NewOrder, waiter: (u64, usize)) {
        let request_id = order.request_id;
        let purchase = Purchase { order, waiters: vec![waiter], stage: Stage::Queued };
        self.all.insert(request_id, purchase);
        self.queue.push_back(request_id);
    }

    /// The next call to the catalog, if there is something to take and a call is free. Takes that
    /// were pending go by themselves: the catalog holds its answer for a moment in which they may
    /// become visible, and new ones should not be held with them.
    pub fn next_call(&mut self, term: Term) -> Option<(Request, Vec<u64>)> {
        let items = if self.repeated.is_none() && !self.to_ask.is_empty() {
            let numbers = self.next_to_ask();
            self.repeated = numbers.first().copied();
            let item = |number| {
                let purchase = self.all.get(self.numbers.get(&number)?)?;
                Some(TakeItem { number, order: purchase.order.clone() })
            };
            numbers.into_iter().filter_map(item).collect()
        } else if self.calls < TAKE_CALLS_MAX && self.given_up.is_empty() {
            let items = self.begin_takes();
            self.calls += usize::from(!items.is_empty());
            items
        } else {
            Vec::new()
        };
        if items.is_empty() {
            return None;
        }
        let numbers = items.iter().map(|item| item.number).collect();
        self.told_floor = self.floor();
        Some((Request::Take { term, floor: self.told_floor, items }, numbers))
    }

    /// Takes to ask again: those behind the ones that were asked last, so that many that wait for
    /// one silent frontend do not keep others from being asked.
    fn next_to_ask(&mut self) -> Vec<u64> {
        if self.to_ask.len() <= TAKES_PER_CALL_MAX {
            return std::mem::take(&mut self.to_ask).into_iter().collect();
        }
        let behind = self.to_ask.range(self.asked_upto + 1..).copied();
        let mut numbers: Vec<u64> = behind.take(TAKES_PER_CALL_MAX).collect();
        if numbers.is_empty() {
            numbers = self.to_ask.iter().copied().take(TAKES_PER_CALL_MAX).collect();
        }
        for number in &numbers {
            self.to_ask.remove(number);
        }
        self.asked_upto = numbers.last().copied().unwrap_or(0);
        numbers
    }

    /// Gives numbers to those that wait without one.
    fn begin_takes(&mut self) -> Vec<TakeItem> {
        let mut items = Vec::with_capacity(self.queue.len().min(TAKES_PER_CALL_MAX));
        while items.len() < TAKES_PER_CALL_MAX
            && let Some(request_id) = self.queue.pop_front()
        {
            // It may have been decided while it waited here, and begun anew behind that.
            let queued = self.all.get_mut(&request_id).filter(|p| p.stage == Stage::Queued);
            let Some(purchase) = queued else { continue };
            self.next_number += 1;
            let number = self.next_number;
            purchase.stage = Stage::Taking(number);
            self.numbers.insert(number, request_id);
            items.push(TakeItem { number, order: purchase.order.clone() });
        }
        items
    }

    /// A call is over.
    fn finish_call(&mut self, numbers: &[u64]) {
        if self.repeated.is_some() && self.repeated == numbers.first().copied() {
            self.repeated = None;
        } else {
            self.calls = self.calls.saturating_sub(1);
        }
    }

    /// A call that only says which takes are recorded, if the catalog does not know yet and nothing
    /// else is going to tell it.
    pub fn floor_call(&mut self, term: Term) -> Option<Request> {
        if !self.floor_is_due() {
            return None;
        }
        self.calls += 1;
        self.told_floor = self.floor();
        Some(Request::Take { term, floor: self.told_floor, items: Vec::new() })
    }

    /// Whether [`Purchases::floor_call`] has something to say.
    pub fn floor_is_due(&self) -> bool {
        self.calls == 0 && self.repeated.is_none() && self.floor() != self.told_floor
    }

    /// All takes of this term below this are recorded, or given up.
    fn floor(&self) -> u64 {
        let early = |id| planted(Bug::FloorEarly) && self.all.get(id).is_some_and(Purchase::taken);
        let unrecorded = self.numbers.iter().find(|(_, request_id)| !early(request_id));
        let unrecorded = unrecorded.map(|(number, _)| number);
        let lowest = unrecorded.into_iter().chain(self.given_up.first()).min();
        lowest.map_or(self.next_number + 1, |number| *number)
    }

    /// A call was answered: what to propose.
    pub fn answered(
        &mut self,
        term: Term,
        numbers: &[u64],
        answers: Vec<TakeAnswer>,
    ) -> Vec<Command> {
        self.finish_call(numbers);
        let mut commands = Vec::with_capacity(answers.len());
        for TakeAnswer { number, taken } in answers {
            let Some(request_id) = self.numbers.get(&number) else { continue };
            let Some(purchase) = self.all.get_mut(request_id) else { continue };
            if purchase.stage != Stage::Taking(number) {
                continue;
            }
            let NewOrder { request_id, quantity, .. } = purchase.order;
            let command = match taken {
                Taken::Taken { version, name } => {
                    let order = NewOrder { request_id, name, quantity };
                    Command::Record { term, order, version }
                }
                Taken::Refused { refusal, version } => {
                    let order = purchase.order.clone();
                    Command::Refuse { term, order, refusal, version }
                }
                // It is proposed there, and will be taken.
                Taken::Pending => {
                    self.in_doubt.insert(number);
                    self.to_ask.insert(number);
                    continue;
                }
            };
            purchase.stage = Stage::Proposed(number);
            commands.push(command);
        }
        commands
    }

    /// A call got no answer: its takes are asked again under the same numbers.
    pub fn unanswered(&mut self, numbers: Vec<u64>) {
        self.finish_call(&numbers);
        self.told_floor = 0;
        let asks = |number: &u64| self.numbers.contains_key(number) && !planted(Bug::TakeAskedOnce);
        for number in numbers.into_iter().filter(asks) {
            self.in_doubt.insert(number);
            self.to_ask.insert(number);
        }
    }

    /// The catalog says that it can do nothing now, and did nothing. Purchases of which no take is
    /// in doubt are over, unless `keep` wants them, and returned: whoever waits for one can be told
    /// the reason at once. The others are asked about again.
    pub fn not_now(
        &mut self,
        numbers: Vec<u64>,
        keep: impl Fn(RequestId) -> bool,
    ) -> Vec<Purchase> {
        self.finish_call(&numbers);
        self.told_floor = 0;
        let mut over = Vec::new();
        for number in numbers {
            let Some(request_id) = self.numbers.get(&number).copied() else { continue };
            if self.in_doubt.contains(&number) || keep(request_id) {
                self.to_ask.insert(number);
                continue;
            }
            over.extend(self.decided(request_id));
            if !planted(Bug::NoTombstone) {
                self.given_up.insert(number);
            }
        }
        over
    }

    /// Why no new purchase can begin, while the catalog can do nothing.
    pub fn refused(&self) -> Option<&Problem> {
        self.not_now.as_ref()
    }

    /// A call that gives up what ended without a take, and the numbers in it.
    pub fn give_up_call(&mut self, term: Term) -> Option<(Request, Vec<u64>)> {
        if self.giving_up || self.given_up.is_empty() {
            return None;
        }
        self.giving_up = true;
        let numbers: Vec<u64> = self.given_up.iter().copied().collect();
        let settled = |number: &u64| Settled { term, number: *number, recorded: false };
        Some((Request::Settle { term, takes: numbers.iter().map(settled).collect() }, numbers))
    }

    /// The catalog has given these up: none of them can take any more.
    pub fn gave_up(&mut self, numbers: &[u64]) {
        self.giving_up = false;
        self.not_now = None;
        for number in numbers {
            self.given_up.remove(number);
        }
    }

    /// The catalog did not say that it has given them up. If it says that it can do nothing still,
    /// then what waits without a take is over too, unless `keep` wants it, and returned.
    pub fn not_given_up(
        &mut self,
        problem: Option<Problem>,
        keep: impl Fn(RequestId) -> bool,
    ) -> Vec<Purchase> {
        self.giving_up = false;
        self.not_now = problem;
        if self.not_now.is_none() {
            return Vec::new();
        }
        let mut over = Vec::new();
        for request_id in std::mem::take(&mut self.queue) {
            if keep(request_id) {
                self.queue.push_back(request_id);
            } else if self.all.get(&request_id).is_some_and(|p| p.stage == Stage::Queued) {
                over.extend(self.decided(request_id));
            }
        }
        over
    }

    /// The ledger decided the request: its purchase is over.
    pub fn decided(&mut self, request_id: RequestId) -> Option<Purchase> {
        let purchase = self.all.remove(&request_id)?;
        match purchase.stage {
            Stage::Taking(number) | Stage::Proposed(number) => {
                self.numbers.remove(&number);
                self.to_ask.remove(&number);
                self.in_doubt.remove(&number);
            }
            Stage::Queued => {}
        }
        Some(purchase)
    }

    /// A new term begins, everything of the old one is settled: what is not recorded starts over.
    pub fn start_over(&mut self) {
        let mut again: Vec<(u64, RequestId)> = Vec::new();
        for (request_id, purchase) in &mut self.all {
            match purchase.stage {
                Stage::Taking(number) | Stage::Proposed(number) => {
                    again.push((number, *request_id));
                    purchase.stage = Stage::Queued;
                }
                Stage::Queued => {}
            }
        }
        again.sort_unstable();
        for (_, request_id) in again.into_iter().rev() {
            self.queue.push_front(request_id);
        }
        *self = Purchases {
            all: std::mem::take(&mut self.all),
            queue: std::mem::take(&mut self.queue),
            told_floor: 1,
            ..Purchases::default()
        };
    }

    /// This replica does not lead any more: everybody who waits is sent away.
    pub fn abandon(&mut self) -> Vec<Purchase> {
        let all = std::mem::take(self);
        all.all.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many takes wait for a silent frontend, for as long as its lease; one behind them does not.
    /// All are asked in turn, so that it is not asked last, or never.
    #[test]
    fn many_that_stay_pending_do_not_keep_others_from_being_asked() {
        let mut purchases = Purchases::default();
        let total = 3 * TAKES_PER_CALL_MAX as u64 / 2;
        purchases.to_ask = (1..=total).collect();
        let half = TAKES_PER_CALL_MAX as u64;
        for expected in [1..=half, half + 1..=total, 1..=half] {
            let asked = purchases.next_to_ask();
            assert_eq!(asked, expected.collect::<Vec<_>>());
            purchases.to_ask.extend(asked);
        }
    }
}

//! Tables for the ledger: numbers, digests, undoing, snapshots, and what it forgets.

use bytes::Bytes;
use replication::{Entry, Index, NodeId, Term};

use crate::message::{Fate, NewOrder, OrderNumber, Ordered, Problem, Refusal, RequestId};
use crate::orders::command::Command;
use crate::orders::ledger::{Applied, Ledger, REFUSALS_MAX};
use crate::toy::{Quantity, Version};

fn term(number: u64) -> Term {
    Term { generation: 0, number, node: NodeId(1) }
}

fn order(request: u128, name: &str) -> NewOrder {
    let quantity = Quantity::new(i64::try_from(request % 9 + 1).unwrap()).unwrap();
    NewOrder { request_id: RequestId(request), name: name.parse().unwrap(), quantity }
}

fn record(of: u64, request: u128, name: &str) -> Command {
    Command::Record { term: term(of), order: order(request, name), version: Version(7) }
}

fn refuse(of: u64, request: u128) -> Command {
    let (order, refusal) = (order(request, "Whale"), Refusal::Insufficient);
    Command::Refuse { term: term(of), order, refusal, version: Version(3) }
}

fn never(request: u128) -> Command {
    Command::Never { request_id: RequestId(request) }
}

/// What [`record`] does where its request has no fate yet.
fn recorded(request: u128, number: u64, index: u64) -> Applied {
    let ordered = Ordered { number: OrderNumber(number), version: Version(7), index };
    Applied::Decided(RequestId(request), Fate::Recorded(ordered))
}

/// A ledger and the log that made it.
struct Book {
    ledger: Ledger,
    log: Vec<Entry>,
}

impl Book {
    fn new(fencing: bool) -> Book {
        Book { ledger: Ledger::new(fencing), log: Vec::new() }
    }

    fn write(&mut self, of: u64, command: Bytes) -> Applied {
        let index = Index(self.log.len() as u64 + 1);
        self.log.push(Entry { index, term: term(of), command });
        self.ledger.apply(&self.log[self.log.len() - 1])
    }

    fn lead(&mut self, of: u64) {
        assert_eq!(self.write(of, Bytes::new()), Applied::Lead);
    }

    fn apply(&mut self, of: u64, command: &Command) -> Applied {
        self.write(of, command.encode())
    }

    /// Takes entries back until so many are left.
    fn undo_to(&mut self, left: usize) -> Vec<OrderNumber> {
        let undone = self.log.split_off(left);
        undone.iter().rev().filter_map(|entry| self.ledger.undo(entry)).map(|o| o.number).collect()
    }
}

/// 3000 orders of five toys, with a refusal, a "never" and a new leader between them now and then.
fn long_book() -> Book {
    let mut book = Book::new(true);
    for request in 0..3000 {
        if request % 500 == 0 {
            book.lead(1 + u64::try_from(request).unwrap() / 500);
        }
        let now = 1 + u64::try_from(request).unwrap() / 500;
        if request % 7 == 0 {
            book.apply(now, &refuse(now, 10_000 + request));
            book.apply(now, &never(20_000 + request));
        }
        let name = format!("Toy{}", request % 5);
        book.apply(now, &record(now, request, &name));
    }
    book
}

#[test]
fn numbers_are_gapless_whatever_lies_between() {
    let ledger = long_book().ledger;
    assert_eq!(ledger.len(), 3000);
    let mut last = 0;
    for number in 0..3000 {
        let order = ledger.order(OrderNumber(number)).unwrap();
        assert!(order.index > last, "numbers rise with the log");
        last = order.index;
        let Some(Fate::Recorded(ordered)) = ledger.fate(RequestId(u128::from(number))) else {
            panic!("request {number} made an order");
        };
        assert_eq!((ordered.number, ordered.index), (OrderNumber(number), order.index));
    }
    assert_eq!(ledger.order(OrderNumber(3000)), None);
    assert_eq!(ledger.order(OrderNumber(u64::MAX)), None);
}

#[test]
fn a_request_has_one_fate() {
    let mut book = Book::new(true);
    book.lead(1);
    book.apply(1, &record(1, 1, "Tux"));
    book.apply(1, &refuse(1, 2));
    book.apply(1, &never(3));
    let before = [1, 2, 3].map(|request| book.ledger.fate(RequestId(request)));
    for request in 1..=3 {
        for again in [record(1, request, "Tux"), refuse(1, request), never(request)] {
            let id = RequestId(request);
            let fate = before[usize::try_from(request).unwrap() - 1].clone().unwrap();
            assert_eq!(book.apply(1, &again), Applied::Decided(id, fate));
        }
    }
    assert_eq!(before, [1, 2, 3].map(|request| book.ledger.fate(RequestId(request))));
    assert_eq!(book.ledger.len(), 1);
}

#[test]
fn a_request_id_is_for_one_order() {
    let mut book = Book::new(true);
    book.lead(1);
    book.apply(1, &record(1, 1, "Tux"));
    book.apply(1, &refuse(1, 2));
    book.apply(1, &never(3));
    let of = |request, name| book.ledger.fate_of(&order(request, name));
    let fate = |request| book.ledger.fate(RequestId(request)).map(Ok);
    // Case does not count.
    assert_eq!(of(1, "tux"), fate(1));
    assert_eq!(of(2, "whale"), fate(2));
    assert_eq!(of(3, "Fox"), fate(3));
    assert_eq!(of(4, "Fox"), None);
    let other_quantity = NewOrder { quantity: Quantity::new(9).unwrap(), ..order(1, "Tux") };
    assert_eq!(book.ledger.fate_of(&other_quantity), Some(Err(Problem::KeyReused)));
    assert_eq!(of(1, "Fox"), Some(Err(Problem::KeyReused)));
    assert_eq!(of(2, "Tux"), Some(Err(Problem::KeyReused)));
}

#[test]
fn takes_of_older_terms_are_rejected() {
    let mut book = Book::new(true);
    book.lead(2);
    let rejected = Applied::Rejected(RequestId(1));
    assert_eq!(book.apply(2, &record(1, 1, "Tux")), rejected);
    assert_eq!(book.apply(2, &refuse(1, 1)), rejected);
    assert_eq!(book.ledger.fate(RequestId(1)), None);
    assert_eq!(book.apply(2, &record(2, 1, "Tux")), recorded(1, 0, 4));

    let mut naive = Book::new(false);
    naive.lead(2);
    assert_eq!(naive.apply(2, &record(1, 1, "Tux")), recorded(1, 0, 2));
}

#[test]
fn digests_are_those_of_shorter_ledgers() {
    let long = long_book();
    let mut short = Ledger::new(true);
    let mut digests = vec![short.digest_of(0)];
    for entry in &long.log {
        short.apply(entry);
        if short.len() == digests.len() as u64 {
            digests.push(short.digest_of(u64::MAX));
        }
    }
    for upto in [0, 1, 2, 1023, 1024, 1025, 2047, 2048, 2999, 3000] {
        assert_eq!(long.ledger.digest_of(upto as u64), digests[upto], "of the first {upto}");
    }
    let mut other = Book::new(true);
    other.lead(1);
    other.apply(1, &record(1, 0, "Toy1"));
    assert_ne!(other.ledger.digest_of(1), digests[1], "another toy is another digest");
}

#[test]
fn undoing_leaves_no_trace() {
    let mut book = Book::new(false);
    let mut past: Vec<Ledger> = vec![book.ledger.clone()];
    book.lead(1);
    past.push(book.ledger.clone());
    for request in 0..2100 {
        match request % 5 {
            0 => book.apply(1, &refuse(1, request)),
            1 => book.apply(1, &never(request)),
            // What is decided already, changes nothing, and so must its undoing.
            2 => book.apply(1, &never(request - 1)),
            _ => book.apply(1, &record(1, request, "Tux")),
        };
        past.push(book.ledger.clone());
    }
    for left in [2099, 2098, 2000, 1001, 1000, 500, 3, 2, 1, 0] {
        book.undo_to(left);
        assert_eq!(book.ledger.len(), past[left].len());
        assert_eq!(book.ledger.digest_of(u64::MAX), past[left].digest_of(u64::MAX));
        for request in 0..2100 {
            let id = RequestId(request);
            assert_eq!(book.ledger.fate(id), past[left].fate(id), "request {request} at {left}");
        }
    }
}

#[test]
fn undoing_names_orders_and_gives_their_numbers_again() {
    let mut book = Book::new(true);
    book.lead(1);
    book.apply(1, &record(1, 1, "Tux"));
    book.lead(3);
    book.apply(3, &record(3, 2, "Tux"));
    book.apply(3, &refuse(3, 4));
    assert_eq!(book.undo_to(2), [OrderNumber(1)]);
    // The other history knows neither the request nor the term.
    book.lead(2);
    assert_eq!(book.apply(2, &record(2, 4, "Fox")), recorded(4, 1, 4));
    assert_eq!(book.ledger.order(OrderNumber(1)).unwrap().name.spelling(), "Fox");
}

#[test]
fn a_snapshot_is_the_whole_ledger() {
    let mut book = long_book();
    let mut restored = Ledger::restore(&book.ledger.snapshot(), true).unwrap();
    assert_eq!(restored, book.ledger);
    assert_eq!(restored.snapshot(), book.ledger.snapshot());
    for request in [1, 3001, 10_007, 20_007] {
        let id = RequestId(request);
        assert_eq!(restored.fate(id), book.ledger.fate(id));
    }
    // Both go on in the same way: names, numbers, digests, the fence.
    book.apply(6, &record(6, 3001, "Toy3"));
    book.apply(6, &record(6, 3002, "New"));
    book.apply(6, &record(5, 3003, "New"));
    for entry in &book.log[book.log.len() - 3..] {
        restored.apply(entry);
    }
    assert_eq!(restored, book.ledger);
    assert_eq!(restored.len(), 3002);
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let restore = |bytes: &[u8]| Ledger::restore(&bytes.to_vec().into(), true);
    let whole = long_book().ledger.snapshot().whole();
    let newer = [&[whole[0] + 1], &whole[1..]].concat();
    assert!(restore(&newer).unwrap_err().contains("a snapshot of format"));
    for short in (1..whole.len()).step_by(991) {
        assert!(restore(&whole[..short]).is_err(), "the first {short} bytes");
    }
    assert!(restore(&[&whole[..], &[0]].concat()).is_err(), "one byte too many");
    assert_eq!(restore(&[]).unwrap(), Ledger::new(true));
}

/// What an older toystore wrote: every field in its order, the orders' requests among the others.
#[test]
fn a_snapshot_of_the_first_format_is_read() {
    let mut book = Book::new(true);
    book.lead(1);
    book.apply(1, &record(1, 5, "Tux"));
    book.apply(1, &refuse(1, 4));
    book.apply(1, &never(3));
    book.apply(1, &record(1, 2, "Fox"));
    let digest = book.ledger.digest_of(2);
    let row = |of: u128, index: u64, name: u32| {
        (RequestId(of), index, Version(7), name, order(of, "Tux").quantity)
    };
    // What became of a request: its order, or why there is none and since which entry.
    let (is_order, is_refused, is_never) = (0u8, 1u8, 2u8);
    let head = (vec![(Index(1), term(1))], true, Index(5), term(1));
    let orders = (vec![row(5, 2, 0), row(2, 5, 1)], vec!["Tux", "Fox"]);
    let requests = (
        4u8,
        (RequestId(2), is_order, 1u64),
        (RequestId(3), is_never, 4u64),
        (RequestId(4), is_refused, order(4, "Whale"), Refusal::Insufficient, Version(3), 3u64),
        (RequestId(5), is_order, 0u64),
    );
    let rest = (vec![RequestId(4), RequestId(3)], Vec::<[u8; 32]>::new(), digest);
    let old = postcard::to_extend(&(head, orders, requests, rest), vec![1u8]).unwrap();
    assert_eq!(Ledger::restore(&old.into(), true), Ok(book.ledger));
}

/// It may come from another replica: what is restored can be asked about everything that it lists.
#[test]
fn a_snapshot_that_contradicts_itself_is_refused() {
    let mut book = Book::new(true);
    book.lead(1);
    for request in 1..4 {
        book.apply(1, &record(1, request, "Tux"));
        book.apply(1, &refuse(1, 10 + request));
    }
    let whole = book.ledger.snapshot().whole().to_vec();
    let mut refused = 0;
    for bit in 8..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match Ledger::restore(&bytes.into(), true) {
            Ok(ledger) => assert!(ledger.records().all(|(_, id, _)| ledger.fate(id).is_some())),
            Err(why) => refused += usize::from(why.contains("contradicts itself")),
        }
    }
    assert!(refused > 10, "{refused} were refused for what they say");
}

#[test]
fn the_oldest_refusals_are_forgotten_and_no_order_is() {
    let mut book = Book::new(true);
    book.lead(1);
    book.apply(1, &record(1, 0, "Tux"));
    let entry = |index: u64, command: Bytes| Entry { index: Index(index), term: term(1), command };
    for request in 1..=REFUSALS_MAX as u128 + 2 {
        let command = if request % 2 == 0 { refuse(1, request) } else { never(request) };
        book.ledger.apply(&entry(book.ledger.applied().0.0 + 1, command.encode()));
    }
    assert!(matches!(book.ledger.fate(RequestId(0)), Some(Fate::Recorded(_))));
    assert_eq!(book.ledger.fate(RequestId(1)), None, "the oldest is forgotten");
    assert_eq!(book.ledger.fate(RequestId(2)), None);
    assert_eq!(book.ledger.fate(RequestId(3)), Some(Fate::Never));
    assert!(matches!(book.ledger.fate(RequestId(4)), Some(Fate::Refused { .. })));
    // What is forgotten is a new request, also after a snapshot, of which it may be a part.
    for request in 0..300 {
        if request % 75 == 0 {
            let restored = Ledger::restore(&book.ledger.snapshot(), true);
            assert!(restored == Ok(book.ledger.clone()), "after {request} more");
        }
        let index = book.ledger.applied().0.0 + 1;
        book.ledger.apply(&entry(index, never(10_000_000 + request).encode()));
    }
    let again = entry(book.ledger.applied().0.0 + 1, record(1, 1, "Tux").encode());
    assert_eq!(book.ledger.apply(&again), recorded(1, 1, again.index.0));
    assert_eq!(book.ledger.len(), 2);
}

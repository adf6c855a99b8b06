//! Bytes between our own nodes, and what nodes put into their logs: postcard, which says nothing
//! of its types.
//!
//! The first byte of an input says what the rest claims to be. Called by the target of this name
//! and by `tests/corpus.rs`; calls the decoders of `wal`, `replication` and `shop`.

use std::fmt::Display;

use replication::log::{Checkpoint, Record, Snapshot};
use replication::{Entry, NodeId, Term, View, engine};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shop::catalog::command as catalog;
use shop::catalog::stock::Stock;
use shop::message::{NewOrder, Request, Response, Settled, TakeItem};
use shop::orders::command as orders;
use shop::orders::ledger::Ledger;
use shop::toy::ToyName;

/// Everything that is read again says the same; everything that is shown can be.
///
/// # Panics
/// If that is not so.
pub fn check(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind % 14 {
        0 => shown::<engine::Message>(bytes),
        1 => plain::<Response>(bytes),
        2 => shown::<Request>(bytes),
        3 => plain::<Vec<NewOrder>>(bytes),
        4 => plain::<(Term, u64, Vec<TakeItem>)>(bytes),
        5 => plain::<(Term, Vec<Settled>)>(bytes),
        6 => plain::<(View, Term, bool)>(bytes),
        7 => plain::<(NodeId, Vec<engine::Message>)>(bytes),
        8 => plain::<Vec<ToyName>>(bytes),
        9 => framed::<Record>(bytes),
        10 => framed::<Checkpoint>(bytes),
        11 => commands(bytes),
        12 => stock(bytes),
        13 => ledger(bytes),
        _ => unreachable!("a remainder of 14"),
    }
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("what was read can be written")
}

/// What is read, is read again from its own bytes, and those are the same for ever after. They are
/// no longer than the input: nothing in it was made up.
fn stable<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let value: T = postcard::from_bytes(bytes).ok()?;
    let first = encoded(&value);
    assert!(first.len() <= bytes.len(), "{} bytes from {}", first.len(), bytes.len());
    let again: T = postcard::from_bytes(&first).expect("what was written can be read");
    assert_eq!(encoded(&again), first, "read and written again, it is another");
    Some(value)
}

fn plain<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    stable::<T>(bytes);
}

fn shown<T: Serialize + DeserializeOwned + Display>(bytes: &[u8]) {
    if let Some(value) = stable::<T>(bytes) {
        assert!(!value.to_string().is_empty(), "a message without words");
    }
}

/// A record or checkpoint of the write-ahead log.
fn framed<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    match wal::encoding::decode::<T>(bytes) {
        Ok(value) => {
            let first = wal::encoding::encode(&value);
            let again: T = wal::encoding::decode(&first).expect("what was written can be read");
            assert_eq!(wal::encoding::encode(&again), first, "it is another");
        }
        Err(why) => assert!(!why.is_empty(), "a refusal without words"),
    }
}

/// Commands of both logs, and an entry that holds one.
fn commands(bytes: &[u8]) {
    if let Ok(command) = catalog::Command::decode(bytes) {
        let first = command.encode();
        assert_eq!(catalog::Command::decode(&first).map(|again| again.encode()), Ok(first));
    }
    if let Ok(command) = orders::Command::decode(bytes) {
        let first = command.encode();
        assert_eq!(orders::Command::decode(&first).map(|again| again.encode()), Ok(first));
    }
    plain::<Entry>(bytes);
    plain::<Snapshot>(bytes);
}

/// A snapshot of the catalog: what is restored can be asked everything.
fn stock(bytes: &[u8]) {
    let Ok(stock) = Stock::restore(&bytes.to_vec().into()) else { return };
    for toy in stock.shelves().ids() {
        let shelf = stock.shelf(toy);
        assert_eq!(stock.find(stock.name(toy)), Some(toy), "{} is found", stock.name(toy));
        assert!(shelf.sold() <= shelf.initial + shelf.restocked, "{shelf:?}");
    }
    let (view, _) = stock.view_answer();
    assert_eq!(&view, stock.view(), "the view in force");
    let again = stock.snapshot();
    assert_eq!(Stock::restore(&again).as_ref(), Ok(&stock), "it is another");
}

/// A snapshot of the order log: what is restored can be asked everything.
fn ledger(bytes: &[u8]) {
    let Ok(ledger) = Ledger::restore(&bytes.to_vec().into(), true) else { return };
    let mut count = 0;
    for (order, request_id, _) in ledger.records() {
        assert_eq!(order.number.0, count, "orders without gaps");
        assert!(ledger.fate(request_id).is_some(), "an order whose request has no fate");
        let (name, quantity) = (order.name, order.quantity);
        let asked = ledger.fate_of(&NewOrder { request_id, name, quantity });
        assert!(matches!(asked, Some(Ok(_))), "its own request is not known: {asked:?}");
        count += 1;
    }
    assert_eq!(count, ledger.len(), "every order is listed");
    for upto in 0..=count + 1 {
        ledger.digest_of(upto);
    }
    let again = ledger.snapshot();
    assert_eq!(Ledger::restore(&again, true).as_ref(), Ok(&ledger), "it is another");
    goes_on(ledger);
}

/// The restored ledger takes the next entries, and takes them back.
fn goes_on(mut ledger: Ledger) {
    let (last, term) = ledger.applied();
    if last.0 == u64::MAX {
        return;
    }
    let request_id = shop::message::RequestId(1);
    let command = orders::Command::Never { request_id }.encode();
    let entry = Entry { index: last.next(), term, command };
    ledger.apply(&entry);
    assert!(ledger.fate(request_id).is_some(), "decided, and without a fate");
    ledger.undo(&entry);
    assert_eq!(ledger.applied().0, last, "taken back");
}

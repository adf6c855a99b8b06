//! Writes the inputs that fuzzing of binary formats begins with: real encodings, one of each.
//! `cargo run -p fuzz --example seeds`, after a format has changed.
//!
//! Those of texts are written by hand, or are files that are there anyway.

// An example may write files.
#![allow(clippy::disallowed_methods)]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use replication::log::{Checkpoint, Record, Snapshot};
use replication::primary_backup::message::Message as Primary;
use replication::{Entry, Index, NodeId, Term, View, engine};
use serde::Serialize;
use shop::catalog::catalogue::Toy;
// What counts branches, where those of the workspace are counted.
#[cfg(feature = "libfuzzer")]
use libfuzzer_sys as _;
use shop::catalog::command::{self as catalog, Item, ToyId};
use shop::catalog::stock::Stock;
use shop::catalog::view::ProposedView;
use shop::message::{NewOrder, Problem, Refusal, Request, RequestId, Response, TakeItem};
use shop::orders::command as orders;
use shop::orders::ledger::Ledger;
use shop::toy::{Cents, Quantity, Version};
use wal::memory::MemoryDisk;
use wal::{Options, Wal};

const TERM: Term = Term { generation: 0, number: 1, node: NodeId(3) };

fn write(target: &str, name: &str, first: u8, rest: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    std::fs::write(folder.join(name), [&[first], rest].concat()).expect("a file can be written");
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("our types have nothing unknown to postcard")
}

fn main() {
    log();
    messages();
    write("messages", "stock", 12, &stock().snapshot().whole());
    write("messages", "ledger", 13, &ledger().snapshot().whole());
}

/// A folder as `fuzz::log` reads one: kind, id, length and bytes of each file, without its zeros.
fn log() {
    let disk = MemoryDisk::default();
    let options = Options { segment_bytes: 160 };
    let (mut wal, _) = Wal::open(Arc::new(disk.clone()), options).expect("a new log");
    for record in [&b"one"[..], b"two", b"three"] {
        wal.append(record).expect("it is short");
        wal.commit().expect("there is room");
    }
    let folder = |disk: &MemoryDisk| {
        let mut folder = Vec::new();
        for name in disk.names("") {
            let mut bytes = disk.read(&name);
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            let length = u16::try_from(bytes.len()).expect("they are short").to_le_bytes();
            let id = name.split('.').next().and_then(|id| id.parse().ok()).expect("low numbers");
            folder.extend([u8::from(!name.ends_with("checkpoint")), id, length[0], length[1]]);
            folder.extend(bytes);
        }
        folder
    };
    write("log", "segments", 0, &folder(&disk));
    write("log", "segments-mended", 1, &folder(&disk));
    let job = wal.begin_prepare().expect("it works").expect("none is there");
    wal.finish(job.run()).expect("it works");
    let state = Bytes::from_static(b"one, two, three");
    let job = wal.begin_checkpoint(vec![state]).expect("it works").expect("none is under way");
    wal.finish(job.run()).expect("it works");
    wal.append(b"four").and_then(|()| wal.commit()).expect("there is room");
    write("log", "checkpoint", 0, &folder(&disk));
    write("log", "checkpoint-mended", 1, &folder(&disk));
    // Append, commit, prepare, append, checkpoint, append, commit; a flipped bit.
    let script = [0, 1, 0, 0, 9, 0, 3, 0, 0, 3, 7, 7, 7, 4, 6, 0, 5, 7, 0, 9, 4];
    write("log", "script", 2, &script);
    let cut = [9, 0, 0, 3, 7, 7, 7, 4, 6, 0, 5, 7, 0, 9, 4, 0, 200, 4, 6, 0, 200, 4];
    write("log", "script-power-cut", 2, &cut);
}

fn order(request: u128, name: &str) -> NewOrder {
    let (name, quantity) = (name.parse().expect("a name"), Quantity::new(2).expect("a number"));
    NewOrder { request_id: RequestId(request), name, quantity }
}

fn record(request: u128) -> Bytes {
    orders::Command::Record { term: TERM, order: order(request, "Tux"), version: Version(2) }
        .encode()
}

fn entry(index: u64, command: Bytes) -> Entry {
    Entry { index: Index(index), term: TERM, command }
}

fn messages() {
    let append = Primary::Append {
        term: TERM,
        previous: Index(1),
        previous_term: TERM,
        entries: vec![entry(2, record(7))],
        committed: Index(1),
        barrier: 4,
    };
    let (index, total, bytes) = (Index(2), 9, Bytes::from_static(b"piece"));
    let piece = Primary::Piece { term: TERM, index, index_term: TERM, offset: 0, total, bytes };
    let all = [append, piece].map(engine::Message::PrimaryBackup);
    write("messages", "append", 0, &encoded(&all[0]));
    write("messages", "batch", 7, &encoded(&(NodeId(3), &all[..])));
    let view = View { term: TERM, in_sync: [NodeId(1), NodeId(3)].into() };
    let response: Response = Err(Problem::Fenced(view.clone()));
    write("messages", "response", 1, &encoded(&response));
    let request = Request::PlaceOrders(vec![order(7, "Tux"), order(8, "Rubik's Cube")]);
    write("messages", "request", 2, &encoded(&request));
    write("messages", "orders", 3, &encoded(&vec![order(7, "Tux")]));
    let takes = vec![TakeItem { number: 5, order: order(7, "Tux") }];
    write("messages", "takes", 4, &encoded(&(TERM, 5_u64, takes)));
    write("messages", "view", 6, &encoded(&(view, Term::ZERO, false)));
    write("messages", "record", 9, &wal::encoding::encode(&Record::Append(entry(2, record(7)))));
    let snapshot = Snapshot { index: Index(2), term: TERM, state: ledger().snapshot() };
    let tail = vec![entry(3, Bytes::new())];
    let checkpoint =
        Checkpoint { promised: TERM, snapshot, tail, accepted: Term::ZERO, members: None };
    write("messages", "checkpoint", 10, &wal::encoding::encode(&checkpoint));
    write("messages", "record-command", 11, &record(7));
}

fn stock() -> Stock {
    let toy = |name: &str, quantity| Toy {
        name: name.parse().expect("a name"),
        price: Cents(999),
        quantity,
    };
    let view = View { term: TERM, in_sync: [NodeId(3)].into() };
    let item = |number, quantity| Item {
        number,
        request_id: RequestId(u128::from(number)),
        toy: Some(ToyId(1)),
        quantity: Quantity::new(quantity).expect("a number"),
    };
    let url = "http://127.0.0.1:8080".to_string();
    let mut stock = Stock::default();
    let commands = [
        catalog::Command::Catalogue(vec![toy("Tux", 5), toy("Fox", 7)]),
        catalog::Command::Begin { fencing: true },
        catalog::Command::Register { frontend: 1, url, incarnation: 4 },
        catalog::Command::View(ProposedView { view, previous: Term::ZERO, unclean: false }),
        catalog::Command::Take { term: TERM, floor: 0, items: vec![item(1, 3), item(2, 9)] },
    ];
    write("messages", "catalog-command", 11, &commands[4].encode());
    for command in commands {
        stock.apply(command);
    }
    stock
}

fn ledger() -> Ledger {
    let (refusal, version) = (Refusal::Insufficient, Version(3));
    let refuse = orders::Command::Refuse { term: TERM, order: order(8, "Fox"), refusal, version };
    let never = orders::Command::Never { request_id: RequestId(9) };
    let mut ledger = Ledger::new(true);
    let commands = [Bytes::new(), record(7), refuse.encode(), never.encode()];
    for (index, command) in (1..).zip(commands) {
        ledger.apply(&entry(index, command));
    }
    ledger
}

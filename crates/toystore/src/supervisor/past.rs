//! The data folder of a store that was never started, with a past that is made up: as many orders
//! as if shoppers had placed them.
//!
//! ```text
//! DATA/generating     there until everything else is: no store starts on half a past
//! DATA/order-1/ …     each replica: a checkpoint where it would have made its last one, and the
//!                     orders behind it as records of its log
//! DATA/catalog/ …     each catalog: a checkpoint, as after a clean stop
//! DATA/members.json, DATA/store.json   as a store has them that was ready once
//! ```
//!
//! What happened is [`shop::past`]'s to say; how it is written is the log's own code
//! ([`crate::disk::FreshLog`]). In memory are the ledger's rows, 40 bytes for each order, and
//! nothing else that grows. Called by `toystore generate`; whoever starts nodes asks
//! [`refuse_unfinished`].

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use replication::log::{Checkpoint, Entry, Index, Record};
use replication::{NodeId, Protocol, Term, View, migration};
use shop::orders::checkpoint::last_checkpoint;
use shop::orders::ledger::Ledger;
use shop::past::{Past, Spec};
use wal::encoding;

use super::folder::{Folder, Made, length};
use super::layout::catalog_name;
use super::members::Members;
use super::written::Written;
use crate::disk::{FreshLog, sync_folder, write_fresh, write_whole};

/// The note that the past is not complete.
const UNFINISHED_FILE: &str = "generating";

/// Fates in memory before they are forgotten.
const FATES_MAX: u64 = 100_000;

/// What one order has on the disk of a replica: in a checkpoint, 40 bytes and its share of the
/// digests; in a log, a record of some 70 bytes, in segments that are not filled to the end. And
/// beside the orders: segments, the reserve, the toys.
const ORDER_BYTES: u64 = 41;
const RECORD_BYTES: u64 = 96;
const TOY_BYTES: u64 = 80;
const NODE_BYTES: u64 = 16 * 1024 * 1024;

/// What is to be made up.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where: a folder that is not there yet, or empty.
    pub data: PathBuf,
    /// What the store is made with.
    pub made: Made,
    /// How many toys it sells.
    pub toys: usize,
    /// How many orders it has.
    pub orders: u64,
    /// The same seed makes the same store.
    pub seed: u64,
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Orders in the checkpoint of each replica.
    pub in_checkpoint: u64,
    /// Orders behind it, in its log.
    pub in_log: u64,
    /// Pieces that were sold.
    pub pieces: u64,
    /// Length of all files, in bytes.
    pub bytes: u64,
}

/// For whoever is about to start nodes on a folder.
///
/// # Errors
/// If a past was being written into it, and that was broken off.
pub fn refuse_unfinished(data: &Path) -> Result<()> {
    if data.join(UNFINISHED_FILE).exists() {
        let data = data.display();
        bail!(
            "the store in {data} was being made by `toystore generate`, and that was broken off\n\
             hint: remove {data}, and make it again"
        );
    }
    Ok(())
}

/// Makes it; all of it is on disk when this returns. `told` hears how many orders there are so far.
///
/// # Errors
/// If the folder holds something, no store can have so many toys or orders, or there is no room.
pub fn generate(wanted: &Wanted, told: &mut dyn FnMut(u64)) -> Result<Generated> {
    let Wanted { made, toys, orders, seed, .. } = *wanted;
    let leader = NodeId(made.orders);
    let term = Term { generation: 0, number: 1, node: leader };
    let view = View { term, in_sync: (1..=made.orders).map(NodeId).collect() };
    let fencing = made.replication.is_safe();
    let past = Past::new(Spec { toys, orders, seed, view, fencing }).map_err(|why| anyhow!(why))?;
    check_empty(&wanted.data)?;
    let folder = Folder::take(&wanted.data)?;
    let data = folder.path();
    check_room(data, made, toys, orders)?;
    write_whole(&data.join(UNFINISHED_FILE), b"")
        .with_context(|| format!("cannot write to {}", data.display()))?;
    let replicas = Replicas::new(data, made, term, last_checkpoint(made.replication, orders));
    let (past, in_checkpoint) = replicas.write(past, told)?;
    let pieces = write_catalogs(data, made, past)?;
    Members::first(made.orders).remember(data)?;
    folder.token_file()?;
    folder.remember(made)?;
    let unfinished = data.join(UNFINISHED_FILE);
    fs::remove_file(&unfinished)
        .and_then(|()| sync_folder(data))
        .with_context(|| format!("cannot remove {}", unfinished.display()))?;
    let bytes = length(data).with_context(|| format!("cannot look into {}", data.display()))?;
    Ok(Generated { in_checkpoint, in_log: orders - in_checkpoint, pieces, bytes })
}

/// The logs of all replicas of the order service, which are equal.
struct Replicas<'a> {
    data: &'a Path,
    made: Made,
    term: Term,
    /// Up to which index the checkpoint reaches: at least the leader's first entry.
    checkpoint_at: u64,
    ledger: Ledger,
    logs: Vec<FreshLog>,
}

impl<'a> Replicas<'a> {
    fn new(data: &'a Path, made: Made, term: Term, checkpoint_at: u64) -> Replicas<'a> {
        let ledger = Ledger::new(made.replication.is_safe());
        let checkpoint_at = checkpoint_at.max(1);
        Replicas { data, made, term, checkpoint_at, ledger, logs: Vec::new() }
    }

    /// Writes a whole past. Returns it at its end, and how many orders are in the checkpoints.
    fn write(mut self, mut past: Past, told: &mut dyn FnMut(u64)) -> Result<(Past, u64)> {
        let (mut placed, mut in_checkpoint, mut forgotten) = (0, 0, 0);
        self.entry(1, Bytes::new())?;
        loop {
            let batch = past.next_batch();
            if batch.is_empty() {
                break;
            }
            for command in batch {
                placed += 1;
                self.entry(placed + 1, command.encode())?;
                if placed < self.checkpoint_at {
                    in_checkpoint = placed;
                }
            }
            if placed - forgotten >= FATES_MAX {
                self.ledger.forget_orders_fates();
                forgotten = placed;
                told(placed);
            }
        }
        self.logs.into_iter().try_for_each(FreshLog::end)?;
        Ok((past, in_checkpoint))
    }

    /// The next entry: into the ledger of the checkpoint, or behind that.
    fn entry(&mut self, index: u64, command: Bytes) -> Result<()> {
        let entry = Entry { index: Index(index), term: self.term, command };
        if index > self.checkpoint_at {
            let record = encoding::encode(&Record::Append(entry));
            return self.logs.iter_mut().try_for_each(|log| log.append(&record));
        }
        self.ledger.apply(&entry);
        if index == self.checkpoint_at {
            self.begin_logs()?;
        }
        Ok(())
    }

    fn begin_logs(&mut self) -> Result<()> {
        let (index, _) = self.ledger.applied();
        let checkpoint = migration::checkpoint(self.term, index, self.ledger.snapshot());
        for number in 1..=self.made.orders {
            let name = format!("order-{number}");
            let by = Written::by(&name, self.made.replication);
            self.logs.push(begin_log(&self.data.join(name), &checkpoint, &by)?);
        }
        // The checkpoint's bytes are on the disks, and nobody asks the ledger any more.
        self.ledger = Ledger::default();
        Ok(())
    }
}

fn begin_log(folder: &Path, checkpoint: &Checkpoint, by: &Written) -> Result<FreshLog> {
    let log = FreshLog::begin(folder, checkpoint)?;
    by.note(folder)?;
    Ok(log)
}

/// Writes what every catalog has at the end. Returns how many pieces were sold.
fn write_catalogs(data: &Path, made: Made, past: Past) -> Result<u64> {
    let (stock, entries) = past.end();
    let several = made.catalogs > 1;
    let term = Term { generation: 0, number: 1, node: NodeId(made.catalogs) };
    // A leader of several begins with an entry that says nothing.
    let index = Index(entries + u64::from(several));
    let checkpoint = migration::checkpoint(term, index, stock.snapshot());
    let agree = match made.replication {
        quorum @ (Protocol::Raft | Protocol::Paxos) => quorum,
        Protocol::Naive | Protocol::PrimaryBackup => Protocol::Raft,
    };
    for number in 1..=made.catalogs {
        let name = catalog_name(number, made.catalogs.into());
        let folder = data.join(&name);
        write_fresh(&folder, &checkpoint)?;
        if several {
            Written::by(&name, agree).note(&folder)?;
        }
    }
    Ok(stock.shelves().totals().sold)
}

fn check_empty(data: &Path) -> Result<()> {
    let mut entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context(format!("cannot look into {}", data.display())),
    };
    if entries.next().is_some() {
        let data = data.display();
        bail!("{data} is not empty\nhint: name a new folder with --data");
    }
    Ok(())
}

/// Told before anything is written, since a full disk shows after minutes.
fn check_room(data: &Path, made: Made, toys: usize, orders: u64) -> Result<()> {
    let system = rustix::fs::statvfs(data)
        .with_context(|| format!("cannot ask how much room {} has", data.display()))?;
    let room = system.f_bavail.saturating_mul(system.f_frsize);
    let in_log = orders - last_checkpoint(made.replication, orders).saturating_sub(1);
    let replica = (orders - in_log) * ORDER_BYTES + in_log * RECORD_BYTES + NODE_BYTES;
    let catalog = toys as u64 * TOY_BYTES + NODE_BYTES;
    let needed = u64::from(made.orders) * replica + u64::from(made.catalogs) * catalog;
    if room < needed {
        let (data, mib) = (data.display(), |bytes: u64| bytes.div_ceil(1024 * 1024));
        let (needed, room) = (mib(needed), mib(room));
        bail!(
            "{data} has room for {room} MiB, and the store needs some {needed}\n\
             hint: fewer --orders or --replicas, or another disk with --data"
        );
    }
    Ok(())
}

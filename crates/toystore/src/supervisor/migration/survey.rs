//! What is on the disks of a store that is stopped, and what it comes to: the state that every
//! replica is to begin with.
//!
//! Called by `toystore migrate`; which replica counts is [`replication::migration`]'s to say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use replication::log::{Checkpoint, Index, Log, Recovered, Snapshot};
use replication::migration::{self, Standing};
use replication::{NodeId, Protocol, View};
use shop::catalog;
use shop::message::Order;
use shop::orders::ledger::Ledger;
use shop::orders::recovered;

use super::catalogs::{Catalogs, CatalogsBegin};
use super::replica;
use crate::driver::disk::DiskQueue;
use crate::supervisor::folder::Made;
use crate::supervisor::layout::catalog_name;
use crate::supervisor::members::Members;
use crate::supervisor::written::{Written, has_log};

/// A replica that could be read.
pub struct Read {
    /// What counts when one is chosen.
    pub standing: Standing,
    pub(super) snapshot: Snapshot,
    /// Held so that nobody starts on this folder meanwhile.
    _disk: DiskQueue,
}

/// All replicas.
pub struct Survey {
    made: Made,
    /// Which replicas there are.
    pub members: Members,
    view: View,
    /// The replicas of the catalog, if there are several.
    pub catalogs: Option<Catalogs>,
    /// Those that could be read.
    pub read: BTreeMap<NodeId, Read>,
    /// Why the others could not.
    pub unread: BTreeMap<NodeId, String>,
}

/// What all replicas are to begin with.
pub struct Beginning {
    /// Whose state it is.
    pub chosen: NodeId,
    /// Up to which index of its log.
    pub index: Index,
    /// How many orders are in it.
    pub orders: u64,
    /// What every new folder holds.
    pub checkpoint: Checkpoint,
    /// What the others have and this one has not. Nobody was told of it, unless under `naive`.
    pub left_out: Vec<(NodeId, Order)>,
    /// The same for the catalogs, if one of them has lost its disk.
    pub catalogs: Option<CatalogsBegin>,
}

/// Reads every replica, and the view if the old way has one.
///
/// # Errors
/// If one of them is in use, or the view cannot be read.
pub fn look(data: &Path, made: Made) -> Result<Survey> {
    let members = Members::of_store(data, made)?;
    let catalogs = Catalogs::look(data, made)?;
    let mut view = View::default();
    if made.replication.has_arbiter() {
        let words = "the catalog keeps the view, which says who has every acknowledged order";
        view = read_view(data, catalogs.as_ref()).context(words)?;
    }
    let folder = |number| data.join(replica(number));
    let (read, unread) = read_all(members.orders.iter().copied(), folder, made.replication)?;
    Ok(Survey { made, members, view, catalogs, read, unread })
}

/// The replicas of a group that can be read, and why the others cannot.
///
/// # Errors
/// If one is in use.
pub(super) fn read_all(
    numbers: impl ExactSizeIterator<Item = u8>,
    folder: impl Fn(u8) -> PathBuf,
    protocol: Protocol,
) -> Result<(BTreeMap<NodeId, Read>, BTreeMap<NodeId, String>)> {
    let (all, mut found, mut unread) = (numbers.len(), BTreeMap::new(), BTreeMap::new());
    for number in numbers {
        match read(&folder(number), protocol, all) {
            Ok(one) => _ = found.insert(NodeId(number), one),
            Err(error) if is_in_use(&error) => return Err(error),
            Err(error) => _ = unread.insert(NodeId(number), format!("{error:#}")),
        }
    }
    Ok((found, unread))
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(wal::WalError::InUse { .. }))
}

/// Opens a log that is there: an empty folder would be taken for a new one, and a disk that lost
/// everything for one that never had anything.
fn open(folder: &Path) -> Result<(DiskQueue, Recovered)> {
    if !folder.is_dir() {
        bail!("{} is missing", folder.display());
    }
    if !has_log(folder)? {
        bail!("there is no log in {}", folder.display());
    }
    DiskQueue::open(folder, wal::Options::default(), false)
}

/// The view that the catalog keeps.
fn read_view(data: &Path, catalogs: Option<&Catalogs>) -> Result<View> {
    if let Some(catalogs) = catalogs {
        return catalogs.view();
    }
    let (_, recovered) = open(&data.join(catalog_name(1, 1)))?;
    let (log, _) = Log::recover(&recovered);
    let stock = catalog::recovered::stock(&recovered.checkpoint.snapshot.state, &log);
    Ok(stock.map_err(|why| anyhow!(why))?.view().clone())
}

/// One replica of a group of `all` that agrees by `protocol`.
fn read(folder: &Path, protocol: Protocol, all: usize) -> Result<Read> {
    if let Some(written) = Written::of(folder)? {
        let (name, by) = (folder.file_name().unwrap_or_default(), written.protocol);
        if by != protocol {
            bail!("the log in {} was written under --replication {by}", folder.display());
        }
        written.check_replica(folder, &name.to_string_lossy())?;
    }
    let (disk, recovered) = open(folder)?;
    let standing = Standing::of(protocol, all, &recovered);
    Ok(Read { standing, snapshot: recovered.checkpoint.snapshot, _disk: disk })
}

impl Survey {
    /// The state that holds everything that was ever acknowledged, under a new generation.
    ///
    /// # Errors
    /// If too few replicas could be read to know it, with the reason of each.
    pub fn choose(&self) -> Result<Beginning> {
        let standings = self.read.iter().map(|(id, read)| (*id, read.standing.clone())).collect();
        let (from, all) = (self.made.replication, self.members.orders.len());
        let chosen = migration::choose(from, all, &standings, &self.view);
        let chosen = chosen.map_err(|why| self.refused(from, &why))?;
        let mut ledger = self.ledger(chosen)?;
        let left_out = self.left_out(chosen, &ledger);
        let (index, _) = ledger.applied();
        let term = migration::first_term(chosen, standings.values(), &self.view);
        let term = term.context("there is no generation after the last one")?;
        let first = migration::first_entry(term, index);
        ledger.apply(&first);
        let checkpoint = migration::checkpoint(term, first.index, ledger.snapshot());
        let catalogs = self.catalogs.as_ref().map(Catalogs::begin).transpose()?.flatten();
        let orders = ledger.len();
        Ok(Beginning { chosen, index, orders, checkpoint, left_out, catalogs })
    }

    /// Whether every folder could be read.
    pub fn is_whole(&self) -> bool {
        let catalogs = self.catalogs.as_ref().is_none_or(|catalogs| catalogs.unread.is_empty());
        self.unread.is_empty() && catalogs
    }

    fn refused(&self, from: Protocol, why: &migration::TooFew) -> anyhow::Error {
        let mut words = format!("this cannot be done without risk under {from}: {why}");
        for (id, reason) in &self.unread {
            _ = write!(words, "\n  order-{id}: {reason}");
        }
        words.push_str("\nhint: bring their folders back, and try again");
        anyhow!(words)
    }

    fn ledger(&self, id: NodeId) -> Result<Ledger> {
        let Read { standing, snapshot, .. } = &self.read[&id];
        let ledger = recovered::ledger(self.made.replication, snapshot, &standing.log);
        ledger.map_err(|why| anyhow!("the log of order-{id} cannot be applied: {why}"))
    }

    fn left_out(&self, chosen: NodeId, kept: &Ledger) -> Vec<(NodeId, Order)> {
        let mut left_out = Vec::new();
        for id in self.read.keys().filter(|id| **id != chosen) {
            // One that cannot be applied has nothing that could be named.
            let Ok(other) = self.ledger(*id) else { continue };
            let missing = other.records().filter(|(_, request_id, _)| {
                !matches!(kept.fate(*request_id), Some(shop::message::Fate::Recorded(_)))
            });
            left_out.extend(missing.map(|(order, ..)| (*id, order)));
        }
        left_out
    }
}

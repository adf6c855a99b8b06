//! The replicas of the catalog, in a store that is stopped: what they have, and what all of them
//! begin with if one has lost its disk.
//!
//! How they agree stays as it is; but a replica that voted and forgot must not come back as the one
//! that it was. In a new generation of terms nobody has voted. Called by [`super::survey`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use replication::log::Checkpoint;
use replication::migration;
use replication::{NodeId, Protocol, View};
use shop::catalog::recovered;
use shop::catalog::stock::Stock;

use super::survey::{Read, read_all};
use crate::supervisor::folder::Made;
use crate::supervisor::layout::catalog_name;
use crate::supervisor::written::Written;

/// All of them; there are several.
pub struct Catalogs {
    /// How they agree.
    pub agree: Protocol,
    all: u8,
    read: BTreeMap<NodeId, Read>,
    /// Why the others could not be read.
    pub unread: BTreeMap<NodeId, String>,
}

/// What all of them are to begin with.
pub struct CatalogsBegin {
    /// How they agree.
    pub agree: Protocol,
    /// Whose state it is.
    pub chosen: String,
    /// What every new folder holds.
    pub checkpoint: Checkpoint,
}

impl Catalogs {
    /// Reads every one; nothing if the catalog is alone.
    ///
    /// # Errors
    /// If one is in use, or none can be read.
    pub fn look(data: &Path, made: Made) -> Result<Option<Catalogs>> {
        if made.catalogs == 1 {
            return Ok(None);
        }
        let folder = |number: u8| data.join(catalog_name(number, made.catalogs.into()));
        let written = (1..=made.catalogs).find_map(|number| Written::of(&folder(number)).ok()?);
        let agree = written.context("no replica of the catalog can be read")?.protocol;
        let all = made.catalogs;
        let (read, unread) = read_all(1..=all, folder, agree)?;
        Ok(Some(Catalogs { agree, all, read, unread }))
    }

    /// The one that would be elected, which has everything that was decided.
    fn choose(&self) -> Result<NodeId> {
        let standings = self.read.iter().map(|(id, read)| (*id, read.standing.clone())).collect();
        migration::choose(self.agree, self.all.into(), &standings, &View::default()).map_err(
            |why| {
                let mut words = format!("of the catalogs, {why}");
                for (id, reason) in &self.unread {
                    _ = write!(words, "\n  {}: {reason}", self.name(*id));
                }
                words.push_str("\nhint: bring their folders back, and try again");
                anyhow!(words)
            },
        )
    }

    fn stock(&self, id: NodeId) -> Result<Stock> {
        let Read { standing, snapshot, .. } = &self.read[&id];
        let stock = recovered::stock(&snapshot.state, &standing.log);
        stock.map_err(|why| anyhow!("the log of {} cannot be applied: {why}", self.name(id)))
    }

    /// What a replica is called.
    pub fn name(&self, id: NodeId) -> String {
        catalog_name(id.0, self.all.into())
    }

    /// The view that they keep.
    ///
    /// # Errors
    /// If too few could be read to know it.
    pub fn view(&self) -> Result<View> {
        Ok(self.stock(self.choose()?)?.view().clone())
    }

    /// What all of them begin with; nothing if none has lost anything: they go on.
    ///
    /// # Errors
    /// If too few could be read to know everything that they decided.
    pub fn begin(&self) -> Result<Option<CatalogsBegin>> {
        if self.unread.is_empty() {
            return Ok(None);
        }
        let chosen = self.choose()?;
        let standings = self.read.values().map(|read| &read.standing);
        let term = migration::first_term(chosen, standings, &View::default());
        let term = term.context("there is no generation after the last one")?;
        let first = migration::first_entry(term, self.read[&chosen].standing.log.last());
        let state = self.stock(chosen)?.snapshot();
        let checkpoint = migration::checkpoint(term, first.index, state);
        let (agree, chosen) = (self.agree, self.name(chosen));
        Ok(Some(CatalogsBegin { agree, chosen, checkpoint }))
    }
}

//! Another way of replication for a store that is stopped: every replica gets a new folder with the
//! state of the one that has everything, and the old folders stay.
//!
//! ```text
//! DATA/migrate/order-1/ …           new folders, made beside the old ones and synced
//! DATA/migrate/plan.json            they are complete: from here on there is only forward
//! DATA/order-1.before-migrate-1/ …  the old folders; 1 is the new generation
//! DATA/order-1/ …                   the new ones, in their place
//! DATA/members.json                 the same replicas; none of them comes to the others any more
//! DATA/store.json                   says the new way, last of all
//! ```
//!
//! Killed before there is a plan, nothing has changed, and the next run begins anew. Killed after
//! it, the next run goes on where this one ended; until then no node starts on the folder, since a
//! replica whose folder is not in its place would begin as one that has promised nothing. Nothing
//! is removed: at each moment every order is at least where it was.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`survey`] | what the replicas have, and whose state counts ([`replication::migration`]) |
//! | `catalogs` | the same of the replicas of the catalog, if one has lost its disk |
//! | [`conversion`] | making the folders, putting them in their place |
//!
//! Called by `toystore migrate`; whoever starts nodes asks [`refuse_unfinished`].

mod catalogs;
pub mod conversion;
pub mod survey;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use replication::Protocol;
use serde::{Deserialize, Serialize};

use super::folder::Made;
use super::members::Members;

/// What is to be finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The old way.
    pub from: Protocol,
    /// What the store is made with afterwards.
    pub made: Made,
    /// Which order replicas it has, before and afterwards.
    pub members: Members,
    /// How its catalogs agree, if all of them begin anew: one had lost its disk.
    pub catalogs: Option<Protocol>,
    /// The new generation of terms.
    pub generation: u32,
}

fn staging(data: &Path) -> PathBuf {
    data.join("migrate")
}

fn plan_file(data: &Path) -> PathBuf {
    staging(data).join("plan.json")
}

/// The name of a replica's folder.
fn replica(number: u8) -> String {
    format!("order-{number}")
}

/// Where a replica's old folder stays.
pub fn before(name: &str, generation: u32) -> String {
    format!("{name}.before-migrate-{generation}")
}

/// A migration of the store in a folder that was broken off.
///
/// # Errors
/// If its plan cannot be read.
pub fn unfinished(data: &Path) -> Result<Option<Plan>> {
    let path = plan_file(data);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
    };
    let plan = serde_json::from_str(&text)
        .with_context(|| format!("{} is not as this program writes it", path.display()))?;
    Ok(Some(plan))
}

/// For whoever is about to start nodes on a folder.
///
/// # Errors
/// If a migration of it is not finished; says how to finish it.
pub fn refuse_unfinished(data: &Path) -> Result<()> {
    if let Some(plan) = unfinished(data)? {
        let (data, to) = (data.display(), plan.made.replication);
        bail!(
            "the store in {data} is on its way to --replication {to}, and that was broken off\n\
             hint: toystore migrate --data {data} --replication {to} finishes it"
        );
    }
    Ok(())
}

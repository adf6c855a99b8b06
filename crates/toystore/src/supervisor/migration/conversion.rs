//! Making the new folders, and putting them in the place of the old ones: each step is whole on the
//! disk before the next one begins, so that a death between two of them leaves what [`super`]
//! describes.
//!
//! Called by `toystore migrate`. Whoever calls is told each step when it is done, and may break it
//! off there.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};
use replication::log::Checkpoint;

use super::survey::Beginning;
use super::{Plan, before, plan_file, replica, staging};
use crate::disk::{sync_folder, write_fresh, write_whole};
use crate::supervisor::folder::Folder;
use crate::supervisor::layout::catalog_name;
use crate::supervisor::written::Written;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A replica's new folder is complete, beside the others.
    Made(String),
    /// All are: from here on there is only forward.
    Planned,
    /// A replica's old folder has its new name.
    SetAside(String),
    /// A replica's new folder is in its place.
    Placed(String),
    /// store.json says the new way.
    Recorded,
    /// Nothing of it is left to be done.
    Finished,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Made(name) => write!(f, "{name}: its new folder is complete"),
            Step::Planned => write!(f, "all new folders are complete"),
            Step::SetAside(to) => write!(f, "the old folder is {to} now"),
            Step::Placed(name) => write!(f, "{name}: its new folder is in its place"),
            Step::Recorded => write!(f, "store.json says so"),
            Step::Finished => write!(f, "done"),
        }
    }
}

/// Told each step; an error breaks it off.
pub type Told<'a> = &'a mut dyn FnMut(&Step) -> Result<()>;

/// Makes every replica's new folder, and writes the plan.
///
/// # Errors
/// If there is no room, or an old folder's new name is taken. Nothing has changed then.
pub fn prepare(folder: &Folder, plan: &Plan, begin: &Beginning, told: Told) -> Result<()> {
    let data = folder.path();
    for name in names(plan) {
        let aside = data.join(before(&name, plan.generation));
        if aside.exists() {
            let aside = aside.display();
            bail!("{aside} is in the way\nhint: give it another name, or remove it");
        }
    }
    let staging = staging(data);
    match fs::remove_dir_all(&staging) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).context(format!("cannot remove {}", staging.display()));
        }
        Ok(()) | Err(_) => {}
    }
    for name in orders(plan) {
        let by = Written::by(&name, plan.made.replication);
        make(&staging.join(&name), &begin.checkpoint, &by)?;
        told(&Step::Made(name))?;
    }
    if let Some(catalogs) = &begin.catalogs {
        for name in self::catalogs(plan) {
            let by = Written::by(&name, catalogs.agree);
            make(&staging.join(&name), &catalogs.checkpoint, &by)?;
            told(&Step::Made(name))?;
        }
    }
    let text = serde_json::to_vec_pretty(plan).context("cannot write the plan")?;
    let path = plan_file(data);
    write_whole(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    told(&Step::Planned)
}

/// Does what is left of a plan.
///
/// # Errors
/// If a folder cannot be renamed; it can be tried again.
pub fn finish(folder: &Folder, plan: &Plan, told: Told) -> Result<()> {
    let (data, staging) = (folder.path(), staging(folder.path()));
    for name in names(plan) {
        let (new, place) = (staging.join(&name), data.join(&name));
        if !new.exists() {
            continue;
        }
        if place.exists() {
            let aside = before(&name, plan.generation);
            let to = data.join(&aside);
            if to.exists() {
                let (place, to) = (place.display(), to.display());
                bail!("{place} and {to} are both there\nhint: the new folder of {name} must go");
            }
            rename(&place, &to)?;
            sync(data)?;
            told(&Step::SetAside(aside))?;
        }
        rename(&new, &place)?;
        sync(data)?;
        sync(&staging)?;
        told(&Step::Placed(name))?;
    }
    plan.members.remember(data)?;
    folder.remember(plan.made)?;
    told(&Step::Recorded)?;
    let path = plan_file(data);
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    sync(&staging)?;
    sweep(data);
    sync(data)?;
    told(&Step::Finished)
}

/// Removes the place of new folders once it is empty: the last step, which may have been broken off
/// too. Whatever else somebody put there is theirs.
pub fn sweep(data: &Path) {
    let _ = fs::remove_dir(staging(data));
}

/// Every replica that gets a new folder.
fn names(plan: &Plan) -> impl Iterator<Item = String> {
    orders(plan).chain(catalogs(plan))
}

fn orders(plan: &Plan) -> impl Iterator<Item = String> {
    plan.members.orders.iter().copied().map(replica)
}

fn catalogs(plan: &Plan) -> impl Iterator<Item = String> {
    let all = if plan.catalogs.is_some() { plan.made.catalogs } else { 0 };
    (1..=all).map(move |number| catalog_name(number, all.into()))
}

fn make(new: &Path, checkpoint: &Checkpoint, by: &Written) -> Result<()> {
    write_fresh(new, checkpoint)?;
    by.note(new)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    let words = || format!("cannot rename {} to {}", from.display(), to.display());
    fs::rename(from, to).with_context(words)
}

fn sync(folder: &Path) -> Result<()> {
    sync_folder(folder).with_context(|| format!("cannot sync {}", folder.display()))
}

//! `toystore migrate`: another way of replication for a store that is stopped.
//!
//! Says what it finds and does; [`crate::supervisor::migration`] does it.

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::println;
use anyhow::{Result, bail};
use clap::Args;
use replication::Protocol;

use super::paint;
use crate::supervisor::folder::Folder;
use crate::supervisor::migration::conversion::{Step, finish, prepare, sweep};
use crate::supervisor::migration::survey::{self, Beginning, Survey};
use crate::supervisor::migration::{Plan, unfinished};
use crate::supervisor::options::replication;

/// Change how order replicas agree, of a store that is stopped: no order is lost by it
///
/// Reads the folder of each order replica, finds the state that holds everything that was ever
/// acknowledged, and gives every replica a new folder with that. The old folders stay, as
/// order-1.before-migrate-1, until you remove them. Broken off at any moment, the same command
/// finishes it.
///
/// It is also how a replica comes back whose disk was lost, where `toystore node replace` cannot
/// help (paxos, or a catalog): migrate to the way that the store has already.
#[derive(Debug, Args)]
pub struct Migrate {
    /// The data folder of the store, as given to `toystore up`
    #[arg(long, env = "TOYSTORE_DATA", value_name = "DIR", default_value = super::DATA_DEFAULT)]
    data: PathBuf,
    /// How its replicas shall agree
    #[arg(long, value_parser = replication())]
    replication: Protocol,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Migrate {
    /// Converts.
    ///
    /// # Errors
    /// If the store runs, or too little of it can be read.
    pub fn run(self) -> Result<ExitCode> {
        let data = self.data.display();
        if !self.data.join("store.json").exists() {
            bail!(
                "there is no store in {data}\nhint: toystore up --replication {} begins one",
                self.replication
            );
        }
        let folder = Folder::take(&self.data)?;
        let mut told = |step: &Step| {
            paint::say(step);
            Ok(())
        };
        if let Some(plan) = unfinished(folder.path())? {
            let to = plan.made.replication;
            if to != self.replication {
                bail!(
                    "a migration to {to} was broken off, and must be finished first\n\
                     hint: toystore migrate --data {data} --replication {to}"
                );
            }
            if self.dry_run {
                println!("a migration to {to} was broken off, and would go on (--dry-run)");
                return Ok(ExitCode::SUCCESS);
            }
            paint::say(format_args!("a migration to {to} was broken off: it goes on"));
            finish(&folder, &plan, &mut told)?;
            self.tell_end(&plan);
            return Ok(ExitCode::SUCCESS);
        }
        let Some(made) = folder.made()? else { bail!("there is no store in {data}") };
        let from = made.replication;
        // Holds every replica's folder until the end.
        let survey = survey::look(folder.path(), made)?;
        if from == self.replication && survey.is_whole() {
            sweep(folder.path());
            println!("the store in {data} has --replication {from} already: nothing to do");
            return Ok(ExitCode::SUCCESS);
        }
        self.tell_survey(&survey);
        let beginning = survey.choose()?;
        let generation = beginning.checkpoint.promised.generation;
        self.tell_choice(from, &beginning);
        if self.dry_run {
            println!("nothing was changed (--dry-run)");
            return Ok(ExitCode::SUCCESS);
        }
        let (made, members) = (made.under(self.replication), survey.members.clone().together());
        let catalogs = beginning.catalogs.as_ref().map(|catalogs| catalogs.agree);
        let plan = Plan { from, made, members, catalogs, generation };
        prepare(&folder, &plan, &beginning, &mut told)?;
        finish(&folder, &plan, &mut told)?;
        self.tell_end(&plan);
        Ok(ExitCode::SUCCESS)
    }

    fn tell_survey(&self, survey: &Survey) {
        for (id, read) in &survey.read {
            println!("order-{id}: {}", read.standing);
        }
        for (id, reason) in &survey.unread {
            println!("order-{id} cannot be read: {reason}");
        }
        if let Some(catalogs) = &survey.catalogs {
            for (id, reason) in &catalogs.unread {
                println!("{} cannot be read: {reason}", catalogs.name(*id));
            }
        }
    }

    fn tell_choice(&self, from: Protocol, beginning: &Beginning) {
        let Beginning { chosen, index, orders, checkpoint, left_out, catalogs } = beginning;
        println!("chosen: order-{chosen}, with {orders} orders, up to index {index}");
        // Under a way that loses nothing, nobody was told that these are recorded.
        for (id, order) in left_out.iter().filter(|_| !from.is_safe()) {
            let (number, name, quantity) = (order.number, &order.name, order.quantity);
            println!("order-{id} has an order that is not kept: {number}, {quantity} of {name}");
        }
        let generation = checkpoint.promised.generation;
        println!("every replica: {}, generation {generation}", self.replication);
        if let Some(catalogs) = catalogs {
            println!("every catalog: {}, from the state of {}", catalogs.agree, catalogs.chosen);
        }
    }

    fn tell_end(&self, plan: &Plan) {
        let (data, generation) = (self.data.display(), plan.generation);
        println!(
            "the store in {data} has --replication {} now\n\
             the old folders are {data}/*.before-migrate-{generation}; when the store works \
             as it should, remove them",
            self.replication
        );
    }
}

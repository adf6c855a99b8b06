//! `toystore generate`: a store with a long past, in a minute.
//!
//! Says what was made; [`crate::supervisor::past`] makes it.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anstream::println;
use anyhow::Result;
use clap::Args;
use replication::Protocol;
use shop::catalog::catalogue::TOYS_MAX;
use shop::past::ORDERS_MAX;

use super::paint;
use crate::supervisor::folder::Made;
use crate::supervisor::options::replication;
use crate::supervisor::past::{Wanted, generate};

/// Orders between two lines that say how far it is, on a terminal: some seconds.
const TOLD_EVERY: u64 = 1_000_000;

/// Make a data folder with many orders that nobody placed, for `toystore up`
///
/// What is in it could have been: all replicas have the same orders, without gaps, and what they
/// sold is what the catalog's shelves lack. Order number N was placed under the Idempotency-Key
/// generated-SEED-N, so that whoever posts it again is given N. Nothing runs meanwhile, and the
/// folder must be new.
#[derive(Debug, Args)]
pub struct Generate {
    /// The data folder: not there yet, or empty
    #[arg(long, env = "TOYSTORE_DATA", value_name = "DIR", default_value = super::DATA_DEFAULT)]
    data: PathBuf,
    /// How many toys it sells: toy-0001, toy-0002 …; 100 of each, as after each restock
    #[arg(long, value_name = "N", default_value_t = 31,
          value_parser = clap::value_parser!(u64).range(1..=TOYS_MAX as u64))]
    toys: u64,
    /// How many orders were placed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=ORDERS_MAX))]
    orders: u64,
    /// How many order replicas hold them, 1 to 9
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: u8,
    /// How many catalogs, 1 to 9
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=9))]
    catalog_replicas: u8,
    /// How order replicas agree
    #[arg(long, env = "TOYSTORE_REPLICATION", value_parser = replication(),
          default_value_t = Protocol::default())]
    replication: Protocol,
    /// The same seed makes the same store
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl Generate {
    /// Makes it.
    ///
    /// # Errors
    /// If the folder holds something, or the disk has no room.
    pub fn run(self) -> Result<ExitCode> {
        let Generate { data, orders, replicas, replication, seed, .. } = self;
        let wanted = Wanted {
            made: Made::new(replication, replicas, self.catalog_replicas),
            toys: usize::try_from(self.toys)?,
            data,
            orders,
            seed,
        };
        let (began, terminal) = (Instant::now(), std::io::stderr().is_terminal());
        let mut said = 0;
        let mut told = |placed: u64| {
            if terminal && placed - said >= TOLD_EVERY {
                said = placed;
                paint::say(format_args!("{placed} of {orders} orders"));
            }
        };
        let made = generate(&wanted, &mut told)?;
        let seconds = began.elapsed().as_secs_f64();
        let (data, toys, mib) = (wanted.data.display(), self.toys, made.bytes >> 20);
        let (in_checkpoint, in_log, pieces) = (made.in_checkpoint, made.in_log, made.pieces);
        println!(
            "{data}: {orders} orders of {pieces} pieces of {toys} toys, seed {seed}\n\
             each of {replicas} replicas ({replication}): {in_checkpoint} orders in a checkpoint, \
             {in_log} in the log behind it\n\
             {mib} MiB, in {seconds:.1} s"
        );
        paint::say(format_args!("toystore up --data {data} goes on with it"));
        Ok(ExitCode::SUCCESS)
    }
}

//! What kind of world a seed is run in: how many replicas, which rules, which faults.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use replication::primary_backup::{ENTRIES_KEPT, Rules};
use shop::invalidation::Invalidation;

/// Which faults the nemesis may choose.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Processes die and start again; now and then all of them at once.
    pub crash: bool,
    /// Processes stand still and go on; shoppers too.
    pub pause: bool,
    /// Links break, in one direction or both.
    pub cut: bool,
    /// Disks are full for a while.
    pub full: bool,
    /// Processes are asked to stop, and start again.
    pub stop: bool,
    /// Of a thousand messages so many are lost, doubled, or late.
    pub loss: u32,
}

impl Faults {
    pub const NONE: Faults =
        Faults { crash: false, pause: false, cut: false, full: false, stop: false, loss: 0 };
    pub const ALL: Faults =
        Faults { crash: true, pause: true, cut: true, full: true, stop: true, loss: 20 };
}

/// One world.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub seed: u64,
    pub replicas: u8,
    pub rules: Rules,
    pub invalidation: Invalidation,
    /// Entries that a leader keeps behind a snapshot, and between two checkpoints.
    pub entries_kept: u64,
    pub checkpoint_entries: u64,
    pub catalog_checkpoint_entries: u64,
    /// Whether clocks run at different speeds.
    pub drift: bool,
    pub faults: Faults,
}

impl Setting {
    /// Three replicas, everything as in production.
    pub fn plain(seed: u64, faults: Faults) -> Setting {
        Setting {
            seed,
            replicas: 3,
            rules: Rules::View,
            invalidation: Invalidation::Lease,
            entries_kept: ENTRIES_KEPT,
            checkpoint_entries: 50_000,
            catalog_checkpoint_entries: 10_000,
            drift: false,
            faults,
        }
    }

    /// Another world for each seed: mostly small logs, so that snapshots are needed.
    pub fn drawn(seed: u64, random: &mut Pcg64Mcg) -> Setting {
        let mut setting = Setting::plain(seed, Faults::ALL);
        setting.replicas = [2, 3, 3, 3, 5][random.random_range(0..5)];
        setting.entries_kept = [0, 5, 50, 500][random.random_range(0..4)];
        setting.checkpoint_entries = [7, 30, 200, 50_000][random.random_range(0..4)];
        setting.catalog_checkpoint_entries = [5, 50, 500, 10_000][random.random_range(0..4)];
        setting.drift = random.random_range(0..2) == 0;
        setting.faults.loss = [0, 5, 30, 100][random.random_range(0..4)];
        setting
    }
}

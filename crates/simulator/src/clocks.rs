//! Whether the clocks of a suite keep to the bound that leases trust.
//!
//! Wished by whoever runs it ([`crate::setting::Wishes`]); read where a world is drawn and where
//! faults are planned.

use std::fmt;
use std::str::FromStr;

use crate::switch;

/// How the clocks of a suite run. Leases hold while they run within 1 % of each other's speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clocks {
    /// Beyond that bound in some seeds, now and then.
    #[default]
    Drawn,
    /// Within it in every seed.
    WithinBound,
    /// Beyond it in every seed, and at moments at which a lease is needed: what caches serve is old
    /// then, and must be found to be. What waits for a barrier, and what was bought, may not
    /// suffer.
    BeyondBound,
}

impl Clocks {
    pub(crate) const ALL: [(Clocks, &'static str); 3] = [
        (Clocks::Drawn, "drawn"),
        (Clocks::WithinBound, "within-bound"),
        (Clocks::BeyondBound, "beyond-bound"),
    ];
}

impl fmt::Display for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(switch::name(&Clocks::ALL, self))
    }
}

impl FromStr for Clocks {
    type Err = String;

    fn from_str(text: &str) -> Result<Clocks, String> {
        switch::parse(&Clocks::ALL, text)
    }
}

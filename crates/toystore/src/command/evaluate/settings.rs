//! What is evaluated and how much of it: made of flags, read by every experiment.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use replication::Protocol;

use crate::http::connection::Url;

/// An experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// How long each kind of request takes, with the cache and without
    Latency,
    /// What is in the cache when, and how often that helps
    Cache,
    /// What keeps caches right, what that costs, and how old answers are without it
    Invalidation,
    /// What clients notice when nodes die, and whether replicas end equal
    Crashes,
    /// The ways of replication side by side
    Protocols,
    /// More clients, frontends, replicas, toys and orders
    Scale,
}

impl What {
    /// All, in the order of the report.
    pub const ALL: [What; 6] = [
        What::Latency,
        What::Cache,
        What::Invalidation,
        What::Crashes,
        What::Protocols,
        What::Scale,
    ];

    /// As flags name it.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_string())
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As little as there is something to see of everything: some seconds, for tests.
    Smallest,
    /// Three minutes.
    Quick,
    /// An hour.
    Full,
}

impl Size {
    /// One of three.
    pub fn of<T>(self, smallest: T, quick: T, full: T) -> T {
        match self {
            Size::Smallest => smallest,
            Size::Quick => quick,
            Size::Full => full,
        }
    }

    /// One of three lengths, in milliseconds.
    pub fn millis(self, smallest: u64, quick: u64, full: u64) -> Duration {
        Duration::from_millis(self.of(smallest, quick, full))
    }
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which experiments, in the order of the report.
    pub only: Vec<What>,
    /// How much of each.
    pub size: Size,
    /// Where the report goes.
    pub out: PathBuf,
    /// A store that runs already; empty for stores of its own.
    pub urls: Vec<Url>,
    /// How order replicas of its own stores agree.
    pub replication: Protocol,
    /// Fixes what is drawn.
    pub seed: u64,
}

impl Settings {
    /// The command that does the same, with these experiments.
    pub fn repeat(&self, only: &[What]) -> String {
        let mut words = "toystore evaluate".to_string();
        match self.size {
            Size::Smallest => words.push_str(" --smallest"),
            Size::Quick => words.push_str(" --quick"),
            Size::Full => {}
        }
        if only != What::ALL {
            let names: Vec<String> = only.iter().map(|what| what.name()).collect();
            words.push_str(&format!(" --only {}", names.join(",")));
        }
        match &self.urls[..] {
            [] if self.replication == Protocol::default() => {}
            [] => words.push_str(&format!(" --replication {}", self.replication)),
            urls => {
                let urls: Vec<String> = urls.iter().map(Url::to_string).collect();
                words.push_str(&format!(" --url {}", urls.join(",")));
            }
        }
        format!("{words} --seed {}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_repeats_it_says_what_differs() {
        let mut settings = Settings {
            only: What::ALL.to_vec(),
            size: Size::Quick,
            out: PathBuf::from("report"),
            urls: vec![],
            replication: Protocol::Raft,
            seed: 7,
        };
        assert_eq!(settings.repeat(&What::ALL), "toystore evaluate --quick --seed 7");
        settings.replication = Protocol::Paxos;
        settings.size = Size::Full;
        assert_eq!(
            settings.repeat(&[What::Latency, What::Scale]),
            "toystore evaluate --only latency,scale --replication paxos --seed 7"
        );
        settings.urls = vec!["http://127.0.0.1:8080".parse().unwrap()];
        let repeat = settings.repeat(&What::ALL);
        assert_eq!(repeat, "toystore evaluate --url http://127.0.0.1:8080 --seed 7");
    }
}

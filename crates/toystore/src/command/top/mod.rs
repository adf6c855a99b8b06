//! `toystore top`: the running store in a terminal, twice a second, and faults by key.
//!
//! Shows what every node says of itself, as `toystore status` does, and what follows from two
//! answers: orders each second, the hit rate of the last minute; and what the store's page says of
//! its round: the verdict, the load. Nothing else is drawn.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `history` | the answers of the last minutes, as far as rates are made of them |
//! | `draw` | the picture: from facts to cells |
//! | `keys` | what a key asks for |
//! | `verdict` | what the page says of its round |

mod draw;
mod history;
mod keys;
mod verdict;

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc;

use super::status::{Seen, look};
use super::{Running, paint};
use crate::supervisor::cluster::Cluster;
use crate::supervisor::control;
use draw::Shown;
use history::History;
use keys::{Keys, Wish};
use verdict::Page;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Watch a running store in the terminal: who leads, logs, caches, stock; and break it by key
///
/// Every value is what a node says of itself (GET /status), or the difference of two such answers;
/// verdict and load are those of the store's page.
#[derive(Debug, Args)]
pub struct Top {
    #[command(flatten)]
    running: Running,
}

impl Top {
    /// Draws until `q`, Ctrl-C, or the end of the store.
    ///
    /// # Errors
    /// If no store runs there, or there is no terminal to draw on.
    pub fn run(self) -> Result<ExitCode> {
        let cluster = Cluster::find(&self.running.data)?;
        if !stdout().is_terminal() {
            bail!(
                "toystore top draws on a terminal, and stdout is none\n\
                 hint: toystore status prints the same once, with --json for programs"
            );
        }
        let terminal = ratatui::try_init().context("cannot draw on this terminal")?;
        let ended = super::block_on(watch(terminal, cluster));
        ratatui::restore();
        if let Some(words) = ended?? {
            paint::say(words);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Until somebody has seen enough; what is to be said then.
async fn watch(mut terminal: DefaultTerminal, mut cluster: Cluster) -> Result<Option<String>> {
    let data = cluster.data.clone();
    let mut typed = listen()?;
    let (began, mut history, mut keys) = (Instant::now(), History::default(), Keys::default());
    let mut looks = tokio::time::interval(INTERVAL);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut seen: Vec<Seen> = Vec::new();
    let (mut page, mut rounds) = (Page::default(), None);
    loop {
        tokio::select! {
            _ = looks.tick() => {
                cluster = match Cluster::find(&data) {
                    Ok(cluster) => cluster,
                    Err(_) => return Ok(Some("the store has ended".to_string())),
                };
                (seen, rounds) =
                    tokio::join!(look(&cluster), page.ask(cluster.dashboard.as_deref()));
                history.note(began.elapsed(), &seen);
            }
            event = typed.recv() => {
                let event = event.context("the terminal is gone")?.context("cannot read keys")?;
                match keys.on(&event, &cluster) {
                    Wish::Nothing => {}
                    Wish::End => return Ok(None),
                    Wish::Do(action, node) => {
                        let done = control::ask(&data, action, &node).await;
                        keys.say(done.unwrap_or_else(|error| format!("{error:#}")));
                    }
                }
            }
        }
        let rounds = rounds.as_ref();
        let shown =
            Shown { cluster: &cluster, seen: &seen, rounds, history: &history, keys: &keys };
        terminal.draw(|frame| draw::draw(frame, &shown)).context("cannot draw")?;
    }
}

/// Keys as they are typed. Reading them blocks, so a thread of its own does it; it ends with the
/// process.
fn listen() -> Result<mpsc::Receiver<std::io::Result<Event>>> {
    let (sender, receiver) = mpsc::channel(16);
    let read = move || {
        loop {
            let event = event::read();
            let failed = event.is_err();
            if sender.blocking_send(event).is_err() || failed {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("keys".into()).spawn(read);
    thread.context("cannot start a thread for the keys")?;
    Ok(receiver)
}

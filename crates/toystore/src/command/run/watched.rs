//! What the nodes of a story said of themselves meanwhile, for its bundle: they are asked as the
//! page asks them, by a task of its own that nobody waits for.
//!
//! Called by [`super::real`].

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::stage::Stage;
use crate::bundle::frames::{Collected, frame};
use crate::client::runner::Clock;
use crate::clock::unix_ms;
use crate::command::dashboard::ear::Ear;
use crate::command::status::{Eyes, to_json};

/// Between two looks: as on a page that somebody watches.
const INTERVAL: Duration = Duration::from_millis(250);

/// Frames that are being collected; its clones are of the same.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Shared with the task; held only to add a frame.
    frames: Arc<Mutex<Collected>>,
}

/// As long as it lives, nodes are looked at.
#[derive(Debug)]
pub struct Looking(AbortHandle);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watched {
    /// Looks from now on; the clock is the history's.
    pub fn begin(&self, stage: Stage, clock: Clock) -> Looking {
        let watched = self.clone();
        let task = tokio::spawn(async move {
            let (mut eyes, mut ear) = (Eyes::default(), Ear::new(stage.cluster().token().ok()));
            for number in 1.. {
                let cluster = stage.cluster();
                let (seen, heard) = tokio::join!(eyes.look(&cluster), ear.listen(&cluster));
                let mut seen = to_json(&cluster, &seen);
                Ear::tell(&mut seen, heard);
                let clock_ms = clock.now().0 / 1000;
                watched.add(frame(number, unix_ms(), clock_ms, seen));
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Looking(task.abort_handle())
    }

    fn add(&self, frame: String) {
        self.frames.lock().expect("nobody panics while holding it").add(frame);
    }

    /// The frames so far; none are left.
    pub fn take(&self) -> Vec<String> {
        let mut frames = self.frames.lock().expect("nobody panics while holding it");
        std::mem::take(&mut *frames).lines()
    }
}

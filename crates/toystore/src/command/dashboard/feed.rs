//! The frames of the last minutes, and who waits for the next.
//!
//! A frame is what all nodes said at one moment. The newest minute is kept whole, of the time
//! before it a frame each second, so that the page can scrub back over things that happened before
//! anybody opened it. Filled by `mod`, read by `web` and, when a round ends, by `rounds`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, broadcast};

use crate::clock::unix_ms;

/// How far back frames are kept.
const KEPT: Duration = Duration::from_secs(5 * 60);

/// How far back all of them are.
const KEPT_WHOLE: Duration = Duration::from_secs(60);

/// Of those before, at most one in this time.
const COARSE: Duration = Duration::from_secs(1);

/// The most bytes that are kept: many toys or many nodes make frames long.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Frames that a slow watcher may lag behind before it misses some.
const LAG_MAX: usize = 64;

/// One moment.
#[derive(Debug)]
pub struct Frame {
    /// From 1 on, without gaps.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// One line of JSON.
    pub json: String,
}

/// All that is kept.
#[derive(Debug)]
pub struct Feed {
    /// Milliseconds since 1970: another start counts its frames anew.
    pub started_ms: u64,
    kept: Mutex<Kept>,
    news: broadcast::Sender<Arc<Frame>>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    frames: VecDeque<Arc<Frame>>,
    last: u64,
}

impl Default for Feed {
    fn default() -> Feed {
        let (news, _) = broadcast::channel(LAG_MAX);
        Feed { started_ms: unix_ms(), kept: Mutex::default(), news, came: Notify::new() }
    }
}

impl Feed {
    /// Whether anybody waits for the next frame.
    pub fn is_watched(&self) -> bool {
        self.watchers() > 0
    }

    /// How many do.
    pub fn watchers(&self) -> usize {
        self.news.receiver_count()
    }

    /// Returns when somebody begins to.
    pub async fn first_watcher(&self) {
        self.came.notified().await;
    }

    /// Adds what was seen now, and gives it to all that wait.
    pub fn add(&self, seen: Value) {
        self.add_at(unix_ms(), seen);
    }

    fn add_at(&self, at_ms: u64, mut seen: Value) {
        let mut kept = self.lock();
        kept.last += 1;
        let number = kept.last;
        seen["number"] = number.into();
        seen["at_ms"] = at_ms.into();
        let frame = Arc::new(Frame { number, at_ms, json: seen.to_string() });
        kept.frames.push_back(frame.clone());
        kept.thin(at_ms);
        // Nobody may be there.
        let _ = self.news.send(frame);
    }

    /// What is kept after frame `number`, and the frames that follow.
    pub fn after(&self, number: u64) -> (Vec<Arc<Frame>>, broadcast::Receiver<Arc<Frame>>) {
        let kept = self.lock();
        let old = kept.frames.iter().filter(|frame| frame.number > number).cloned().collect();
        let news = self.news.subscribe();
        self.came.notify_one();
        (old, news)
    }

    /// What is kept since a moment.
    pub fn since(&self, at_ms: u64) -> Vec<Arc<Frame>> {
        self.lock().frames.iter().filter(|frame| frame.at_ms >= at_ms).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nobody panics while holding it: it guards plain values")
    }
}

impl Kept {
    /// Forgets what is too old, and most of what is old.
    fn thin(&mut self, now_ms: u64) {
        let before =
            |age: Duration| now_ms.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(0));
        let (oldest, whole) = (before(KEPT), before(KEPT_WHOLE));
        while self.frames.front().is_some_and(|frame| frame.at_ms < oldest) {
            self.frames.pop_front();
        }
        let second = |frame: &Frame| u128::from(frame.at_ms) / COARSE.as_millis();
        let mut last = None;
        self.frames.retain(|frame| {
            let is_first = last.replace(second(frame)) != Some(second(frame));
            frame.at_ms >= whole || is_first
        });
        let mut bytes: usize = self.frames.iter().map(|frame| frame.json.len()).sum();
        // The newest stays in any case.
        while bytes > BYTES_MAX
            && self.frames.len() > 1
            && let Some(oldest) = self.frames.pop_front()
        {
            bytes -= oldest.json.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(frames: &[Arc<Frame>]) -> Vec<u64> {
        frames.iter().map(|frame| frame.number).collect()
    }

    #[test]
    fn a_watcher_gets_what_is_kept_and_then_everything() {
        let feed = Feed::default();
        assert!(!feed.is_watched());
        for at in [100, 200, 300] {
            feed.add_at(at, serde_json::json!({"nodes": []}));
        }
        let (old, mut news) = feed.after(1);
        assert_eq!(numbers(&old), [2, 3]);
        assert_eq!(numbers(&feed.since(300)), [3]);
        assert!(feed.is_watched());
        feed.add_at(400, serde_json::json!({}));
        let frame = news.try_recv().unwrap();
        assert_eq!(frame.json, r#"{"at_ms":400,"number":4}"#);
        drop(news);
        assert!(!feed.is_watched());
    }

    #[test]
    fn long_frames_are_fewer() {
        let feed = Feed::default();
        let long = "x".repeat(BYTES_MAX / 4);
        for at in 1..=8 {
            feed.add_at(at, serde_json::json!({"long": long}));
        }
        assert_eq!(numbers(&feed.after(0).0), [6, 7, 8]);
    }

    #[test]
    fn old_frames_are_thinned_and_forgotten() {
        let feed = Feed::default();
        // Ten minutes, four frames a second.
        for frame in 0..2400u64 {
            feed.add_at(frame * 250, serde_json::json!({}));
        }
        let (kept, _) = feed.after(0);
        let ages: Vec<u64> = kept.iter().map(|frame| 2399 * 250 - frame.at_ms).collect();
        assert_eq!(ages.iter().filter(|age| **age <= 60_000).count(), 241);
        assert_eq!(ages.iter().filter(|age| **age > 60_000).count(), 240);
        assert!(ages.iter().all(|age| *age <= 300_000), "{ages:?}");
    }
}

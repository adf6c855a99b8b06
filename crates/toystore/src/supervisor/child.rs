//! One node's process: started, signalled, awaited, and never left behind.
//!
//! A task of its own owns the process, and every signal goes through it: between the moment the
//! kernel hands the exit status over and the moment we know, no signal can hit a stranger that got
//! the same pid. Called by [`super::Store`].
//!
//! A child cannot outlive its parent, however that ends:
//! - its stdin is a pipe that the parent holds; nodes end when it closes;
//! - it has a process group of its own, so Ctrl-C reaches the parent only (which stops nodes in
//!   order), and the kernel wakes and ends it if it is paused (SIGSTOP) when the parent dies;
//! - a dropped [`Child`], or a dropped runtime, kills it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::sync::{mpsc, watch};

/// Signals that may wait for the owning task; it takes them at once.
const SIGNALS_WAITING_MAX: usize = 16;

/// What a node must not take from the parent's environment: the parent gives every flag itself.
const ENVIRONMENT_PREFIX: &str = "TOYSTORE_";

/// What passes all the same: how much is logged, and where traces go.
const ENVIRONMENT_KEPT: [&str; 2] = ["TOYSTORE_LOG", "TOYSTORE_OTLP"];

/// A running process, or one that has ended.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    /// To the task that owns the process; closing it kills the process.
    signals: mpsc::Sender<Signal>,
    /// From that task: how the process ended.
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Child {
    /// Starts a process whose stderr is the parent's, or a file.
    ///
    /// # Errors
    /// If the system cannot start it.
    pub fn spawn(program: &Path, arguments: &[OsString], log: Option<File>) -> io::Result<Child> {
        let mut command = Command::new(program);
        // Its stdin closes when this process is gone, however that came about.
        command.args(arguments).arg("--exit-with-stdin").stdin(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        // Data goes to the stdout of the parent; a node has none.
        match log {
            Some(file) => command.stdout(file.try_clone()?).stderr(file),
            None => command.stdout(Stdio::null()).stderr(Stdio::inherit()),
        };
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with(ENVIRONMENT_PREFIX) && !ENVIRONMENT_KEPT.contains(&&*name) {
                command.env_remove(&*name);
            }
        }
        let mut process = command.spawn()?;
        let pid = process.id().ok_or_else(|| io::Error::other("the process ended at once"))?;
        let (signals, mut wanted) = mpsc::channel(SIGNALS_WAITING_MAX);
        let (report, ended) = watch::channel(None);
        tokio::spawn(async move {
            // wait() would close it.
            let stdin = process.stdin.take();
            let status = loop {
                tokio::select! {
                    biased;
                    status = process.wait() => break status,
                    signal = wanted.recv() => send(pid, signal.unwrap_or(Signal::KILL)),
                }
                if wanted.is_closed() {
                    send(pid, Signal::KILL);
                    break process.wait().await;
                }
            };
            drop(stdin);
            // The status of a process that we own can always be had; should it fail all the same,
            // the process counts as killed.
            report.send_replace(Some(status.unwrap_or_else(|_| ExitStatus::from_raw(9))));
        });
        Ok(Child { pid, signals, ended })
    }

    /// Its id; may belong to another process once this one has ended.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(&self, signal: Signal) {
        // Closed: the owning task, and so the process, has ended. Full: so many signals wait
        // already that one more changes nothing.
        let _ = self.signals.try_send(signal);
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// A handle that waits for its end without keeping it alive.
    pub fn watch(&self) -> Watch {
        Watch(self.ended.clone())
    }

    /// Whether it is stopped by SIGSTOP, where the system tells.
    pub fn is_paused(&self) -> bool {
        process_state(self.pid) == Some('T')
    }
}

/// Waits for the end of a [`Child`].
#[derive(Clone, Debug)]
pub struct Watch(watch::Receiver<Option<ExitStatus>>);

impl Watch {
    /// How it ended, once it has.
    pub async fn ended(&mut self) -> ExitStatus {
        match self.0.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_else(|| ExitStatus::from_raw(9)),
            // The owning task is gone without a report: the runtime ends, and kills the process.
            Err(_) => ExitStatus::from_raw(9),
        }
    }

    /// Whether it has.
    pub fn has_ended(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// The same, in words.
    pub async fn how_it_ended(&mut self) -> String {
        how(self.ended().await)
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // The only error possible is that it has just ended.
        let _ = kill_process(pid, signal);
    }
}

/// The letter that /proc shows for a process: `R`, `S`, `T`, `Z` …
fn process_state(pid: u32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in brackets and may hold anything.
    text.rsplit_once(") ")?.1.chars().next()
}

/// How a process ended, in words.
pub fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(9), _) => "killed by SIGKILL".to_string(),
        (Some(15), _) => "ended by SIGTERM".to_string(),
        (Some(signal), _) => format!("ended by signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "ended".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell, to which the flag of a node is a name; to most programs it is a mistake.
    fn shell(script: &str) -> Child {
        Child::spawn(Path::new("sh"), &["-c".into(), script.into()], None).unwrap()
    }

    fn sleeper() -> Child {
        shell("exec sleep 1000")
    }

    #[tokio::test]
    async fn a_killed_child_is_told_from_one_that_ended_by_itself() {
        let child = sleeper();
        assert_eq!(child.ended(), None);
        child.signal(Signal::KILL);
        assert_eq!(how(child.watch().ended().await), "killed by SIGKILL");

        let child = shell("exit 1");
        assert_eq!(how(child.watch().ended().await), "exit code 1");
    }

    #[tokio::test]
    async fn a_paused_child_is_seen_as_paused_and_can_be_killed() {
        let child = sleeper();
        child.signal(Signal::STOP);
        while !child.is_paused() {
            tokio::task::yield_now().await;
        }
        child.signal(Signal::CONT);
        while child.is_paused() {
            tokio::task::yield_now().await;
        }
        child.signal(Signal::STOP);
        child.signal(Signal::KILL);
        assert_eq!(how(child.watch().ended().await), "killed by SIGKILL");
    }

    #[tokio::test]
    async fn a_dropped_child_does_not_live_on() {
        let child = sleeper();
        let mut watch = child.watch();
        drop(child);
        assert_eq!(how(watch.ended().await), "killed by SIGKILL");
    }

    #[tokio::test]
    async fn stdin_stays_open_as_long_as_the_child_is_wanted() {
        let child = shell("exec cat");
        child.signal(Signal::CONT);
        assert_eq!(child.ended(), None);
        let mut watch = child.watch();
        drop(child);
        assert_eq!(how(watch.ended().await), "killed by SIGKILL");
    }
}

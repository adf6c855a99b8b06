//! The socket on which `up` hears `kill`, `pause`, `resume`, `start` and `node`.
//!
//! One line of JSON each way, then the connection closes:
//! `{"action":"kill","node":"order-3"}` → `{"done":"order-3 (pid 4711) is killed"}` or
//! `{"refused":"…"}`. Only the owner of the data folder can reach it. The answer comes when the
//! thing has happened.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::Store;
use super::leader;

/// The longest line either way, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long what concerns one process may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// How long a change of the members may take.
const MEMBERS_DEADLINE: Duration = Duration::from_secs(200);
/// The longest path of a socket that every system takes, in bytes.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// What can be done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
    /// A new process for a dead node.
    Start,
    /// One more order replica; the node's name is not looked at.
    Add,
    /// One order replica less.
    Remove,
    /// A new order replica in the place of one.
    Replace,
}

impl Action {
    /// How long a command waits for its answer: longer than the slowest thing that is waited for.
    fn deadline(self) -> Duration {
        match self {
            Action::Kill | Action::Pause | Action::Resume | Action::Start => ANSWER_DEADLINE,
            Action::Add | Action::Remove | Action::Replace => MEMBERS_DEADLINE,
        }
    }
}

/// The line that asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    action: Action,
    node: String,
}

/// The line that answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Done(String),
    Refused(String),
}

/// Does it. `leader` names the order replica that leads now; `catalog-leader`, and `catalog` where
/// there are several to be broken, the catalog that does.
///
/// # Errors
/// If there is no such node, or its state forbids it.
pub async fn perform(store: &Arc<Store>, action: Action, node: &str) -> Result<String> {
    let name = match node {
        "leader" => leader::find(&store.cluster()).await?.name,
        "catalog-leader" => leader::find_catalog(&store.cluster()).await?.name,
        // Who leads can be broken; one that is broken does not lead.
        "catalog" if matches!(action, Action::Kill | Action::Pause) => {
            leader::find_catalog(&store.cluster()).await?.name
        }
        name => name.to_string(),
    };
    match action {
        Action::Kill => store.kill(&name).await,
        Action::Pause => store.pause(&name).await,
        Action::Resume => store.resume(&name).await,
        Action::Start => store.start_again(&name).await,
        Action::Add => store.add_order().await,
        Action::Remove => store.remove_order(&name).await,
        Action::Replace => store.replace_order(&name).await,
    }
}

/// Opens the socket; the caller owns the folder, so a socket found there is a dead one's.
///
/// # Errors
/// If it cannot be made.
pub fn listen(data: &Path) -> Result<UnixListener> {
    let _ = std::fs::remove_file(data.join("control.sock"));
    let (path, _folder) = socket_path(data)?;
    UnixListener::bind(&path)
        .with_context(|| format!("cannot open the control socket in {}", data.display()))
}

/// Serves commands until it is dropped.
pub async fn serve(store: Arc<Store>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            // A task each: `start` waits for its node, and a `kill` meanwhile need not.
            Ok((stream, _)) => {
                let store = store.clone();
                tokio::spawn(async move {
                    // Whoever hung up does not want the answer.
                    let _ = answer(&store, stream).await;
                });
            }
            // Too many open files, say: it passes.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer(store: &Arc<Store>, mut stream: UnixStream) -> Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    BufReader::new(reader.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    let outcome = match serde_json::from_str::<Order>(&line) {
        Ok(order) => match perform(store, order.action, &order.node).await {
            Ok(done) => Outcome::Done(done),
            Err(error) => Outcome::Refused(format!("{error:#}")),
        },
        Err(error) => Outcome::Refused(format!(
            "{error}; expected \
             {{\"action\":\"kill|pause|resume|start|add|remove|replace\",\"node\":\"NAME\"}}"
        )),
    };
    let mut text = serde_json::to_vec(&outcome)?;
    text.push(b'\n');
    writer.write_all(&text).await?;
    Ok(())
}

/// Asks the `up` that owns a folder.
///
/// # Errors
/// If there is none (says so), or it refuses.
pub async fn ask(data: &Path, action: Action, node: &str) -> Result<String> {
    let (path, _folder) = socket_path(data)?;
    let Ok(mut stream) = UnixStream::connect(&path).await else {
        bail!(
            "the `toystore up` of {} is gone, and its nodes with it\n\
             hint: toystore up --data {} starts the store again",
            data.display(),
            data.display()
        );
    };
    let mut text = serde_json::to_vec(&Order { action, node: node.to_string() })?;
    text.push(b'\n');
    stream.write_all(&text).await.context("the store hung up")?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream.take(LINE_BYTES_MAX));
    let deadline = action.deadline();
    tokio::time::timeout(deadline, reader.read_line(&mut line))
        .await
        .map_err(|_| anyhow::anyhow!("the store did not answer within {deadline:?}"))?
        .context("the store hung up")?;
    match serde_json::from_str(&line).context("the store hung up")? {
        Outcome::Done(done) => Ok(done),
        Outcome::Refused(why) => bail!(why),
    }
}

/// Whether the `up` that owns a folder still runs.
pub fn is_served(data: &Path) -> bool {
    match socket_path(data) {
        Ok((path, _folder)) => std::os::unix::net::UnixStream::connect(&path).is_ok(),
        Err(_) => false,
    }
}

/// A socket's path may have only some 100 bytes; through a handle of its folder it always has.
fn socket_path(data: &Path) -> Result<(PathBuf, Option<File>)> {
    let path = data.join("control.sock");
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return Ok((path, None));
    }
    let folder = File::open(data).with_context(|| format!("cannot open {}", data.display()))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", folder.as_raw_fd()));
    Ok((path, Some(folder)))
}

//! A whole store of real processes for one test: `toystore up` on a folder of its own and on free
//! ports, its nodes, what is done to them, and what it said.
//!
//! One store runs at a time, since each takes a whole small machine. However a test ends, every
//! process that it started ends with it. Used by `services`, `faults` and `zoo`, and by the tests
//! of traces; shoppers are in `load`, the final check in `sound`.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::exchange::{Said, get, get_internal};
use crate::waiting::{wait_at_most, wait_for};

/// The binary under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_toystore");

/// One store at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs something in a mount namespace of its own: what it mounts ends with it.
pub fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.arg("--mount");
    command
}

/// Waits for the turn of a test that runs a store.
pub fn turn() -> MutexGuard<'static, ()> {
    // A test that failed has ended its store all the same.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the stores of tests sell: some toys that never run out, and some that often do.
const CATALOGUE: &str = "name,price,quantity
Rocket,49.99,1000000
Robot,19.99,1000000
Kite,4.99,1000000
Tux,25.99,100
Whale,19.99,100
Fox,9.99,100
Lego,29.99,100
Rubik's Cube,9.99,100
Play-Doh,3.99,100
Candy Land,12.99,100
";

/// A command line of the binary, without the environment of whoever runs the tests.
pub fn toystore(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear();
    command
}

/// Sends a signal to a process.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // The only error possible is that it has ended.
    let _ = kill_process(pid, signal);
}

/// Whether a process runs the binary under test: its id may have gone to a stranger.
pub fn is_ours(pid: u32) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.starts_with(PROGRAM.as_bytes())
}

/// For what only an arbiter's view makes possible.
pub const PRIMARY_BACKUP: [&str; 2] = ["--replication", "primary-backup"];

/// A running store.
pub struct Store {
    /// `toystore up`, unless it has ended.
    up: Option<Child>,
    /// The data folder.
    pub data: PathBuf,
    options: Vec<String>,
    /// What `up` finds in its environment, beside a path.
    pub environment: Vec<(&'static str, String)>,
    /// Sizes in bytes of a file system of its own for a node.
    disks: Vec<(String, u64)>,
    /// Every process that was ever seen of it.
    seen: Vec<u32>,
    _folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Store {
    /// A new store that is ready.
    pub fn start(options: &[&str]) -> Store {
        let mut store = Store::prepare(options);
        store.up();
        store
    }

    /// A new store that sells what a store sells if nobody says otherwise.
    pub fn start_with_built_in_toys(options: &[&str]) -> Store {
        let mut store = Store::prepare(options);
        store.options.drain(..2);
        store.up();
        store
    }

    /// A new store in which some nodes have a small file system of their own.
    pub fn start_with_disks(options: &[&str], disks: &[(&str, u64)]) -> Store {
        let mut store = Store::prepare(options);
        store.give_disks(disks);
        store.up();
        store
    }

    /// Gives nodes a small file system of their own, from the next `up` on.
    pub fn give_disks(&mut self, disks: &[(&str, u64)]) {
        self.disks = disks.iter().map(|(node, size)| ((*node).to_string(), *size)).collect();
    }

    /// Waits until `up` has ended by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut up = self.up.take().unwrap();
        wait_for("up ends", || up.try_wait().unwrap())
    }

    /// A folder for a store that is not started yet.
    pub fn prepare(options: &[&str]) -> Store {
        let turn = turn();
        let folder = tempfile::tempdir().unwrap();
        let catalogue = folder.path().join("toys.csv");
        fs::write(&catalogue, CATALOGUE).unwrap();
        let mut all = vec!["--catalogue", catalogue.to_str().unwrap()];
        if !options.contains(&"--restock-interval") {
            all.extend(["--restock-interval", "1s"]);
        }
        all.extend(options);
        Store {
            up: None,
            data: folder.path().join("data"),
            options: all.into_iter().map(str::to_string).collect(),
            environment: vec![],
            disks: vec![],
            seen: vec![],
            _folder: folder,
            _turn: turn,
        }
    }

    /// A new store with the built-in toys, as it is on a quiet machine when it is ready: somebody
    /// leads, and the frontend may cache.
    pub fn start_settled(options: &[&str]) -> Store {
        let store = Store::start_with_built_in_toys(options);
        store.settle();
        store
    }

    /// A replica that does not lead.
    pub fn follower(&self) -> String {
        let leader = self.leader();
        self.names("order").into_iter().find(|name| *name != leader).unwrap()
    }

    /// Waits until somebody leads and has settled, and the frontend may cache.
    pub fn settle(&self) {
        let leader = self.leader();
        wait_for("the leader is open and the frontend has its lease", || {
            let open = self.status(&leader).ok()?["state"] == "open";
            let leased = !self.status("frontend-1").ok()?["lease"].is_null();
            (open && leased).then_some(())
        });
    }

    /// Runs `toystore up` on the folder, and waits until it is ready.
    pub fn up(&mut self) {
        self.spawn_up();
        let ready = |store: &mut Store| {
            let ended = store.up.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "up did not start: {ended:?}\n{}", store.said());
            store.said_since_up().contains("ready after").then_some(())
        };
        wait_at_most(Duration::from_secs(40), "the store is ready", || ready(self));
        self.look();
    }

    /// Runs `toystore up` on the folder.
    pub fn spawn_up(&mut self) {
        assert!(self.up.is_none(), "it runs");
        fs::create_dir_all(&self.data).unwrap();
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        fs::write(self.mark_file(), log.metadata().unwrap().len().to_string()).unwrap();
        let data = self.data.to_str().unwrap();
        let mut words = vec![PROGRAM, "up", "--data", data, "--ports", "auto"];
        words.extend(self.options.iter().map(String::as_str));
        let mut command = match self.mounts() {
            None => Command::new(PROGRAM),
            // A mount namespace of its own: what is mounted is seen by this store only, and is
            // gone when its last process has ended, however the test ends.
            Some(script) => {
                let mut command = unshare();
                command.args(["sh", "-ec", &script, PROGRAM]);
                command
            }
        };
        command.args(&words[1..]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(std::process::Stdio::null()).process_group(0);
        command.stdout(File::create(self.folder().join("up.out")).unwrap()).stderr(log);
        self.up = Some(command.spawn().unwrap());
    }

    fn mounts(&self) -> Option<String> {
        if self.disks.is_empty() {
            return None;
        }
        let mut script = String::new();
        for (node, size) in &self.disks {
            let folder = self.data.join(node);
            fs::create_dir_all(&folder).unwrap();
            script += &format!("mount -t tmpfs -o size={size} toystore '{}'\n", folder.display());
        }
        Some(script + "exec \"$0\" \"$@\"")
    }

    /// A node's folder, also if it is on a file system that only the store sees.
    pub fn folder_of(&self, node: &str) -> PathBuf {
        let folder = self.data.join(node);
        match (&self.up, self.disks.iter().any(|(name, _)| name == node)) {
            (Some(up), true) => {
                let root = PathBuf::from(format!("/proc/{}/root", up.id()));
                root.join(folder.strip_prefix("/").unwrap())
            }
            _ => folder,
        }
    }

    /// Where files go that are not the store's.
    pub fn folder(&self) -> &Path {
        self.data.parent().unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("up.log")
    }

    fn mark_file(&self) -> PathBuf {
        self.folder().join("up.mark")
    }

    /// Everything that `up` and the nodes have written to stderr.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The same since the last `up`.
    pub fn said_since_up(&self) -> String {
        let mark: usize = fs::read_to_string(self.mark_file()).unwrap().parse().unwrap();
        self.said().split_off(mark)
    }

    /// cluster.json.
    pub fn cluster(&self) -> Value {
        let text = fs::read_to_string(self.data.join("cluster.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Notes the processes that there are, so that none is forgotten at the end.
    fn look(&mut self) {
        let pids = self.pids();
        self.seen.extend(pids);
        self.seen.sort_unstable();
        self.seen.dedup();
    }

    /// The processes of all nodes that run.
    pub fn pids(&self) -> Vec<u32> {
        let cluster = self.cluster();
        let nodes = cluster["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().filter_map(|node| u32::try_from(node["pid"].as_u64()?).ok()).collect()
    }

    /// The process of `toystore up`.
    pub fn up_pid(&self) -> u32 {
        self.up.as_ref().unwrap().id()
    }

    fn node(&self, name: &str) -> Value {
        let cluster = self.cluster();
        let nodes = cluster["nodes"].as_array().cloned().unwrap_or_default();
        let node = nodes.iter().find(|node| node["name"] == name).cloned();
        node.unwrap_or_else(|| panic!("no {name} in {cluster}"))
    }

    /// A node's process.
    pub fn pid(&self, name: &str) -> u32 {
        let pid = self.node(name)["pid"].as_u64();
        u32::try_from(pid.unwrap_or_else(|| panic!("{name} does not run"))).unwrap()
    }

    /// Where a node is reached.
    pub fn url(&self, name: &str) -> String {
        self.node(name)["url"].as_str().unwrap().to_string()
    }

    /// The nodes of a role, in the order of their numbers.
    pub fn names(&self, role: &str) -> Vec<String> {
        let cluster = self.cluster();
        let nodes = cluster["nodes"].as_array().unwrap().iter();
        let named = nodes.filter(|node| node["role"] == role).map(|node| &node["name"]);
        named.map(|name| name.as_str().unwrap().to_string()).collect()
    }

    /// Where the frontends are.
    pub fn frontends(&self) -> Vec<String> {
        self.names("frontend").iter().map(|name| self.url(name)).collect()
    }

    /// The first frontend.
    pub fn frontend(&self) -> String {
        self.url("frontend-1")
    }

    /// The secret of the internal endpoints.
    pub fn token(&self) -> String {
        fs::read_to_string(self.data.join("cluster-token")).unwrap().trim().to_string()
    }

    /// `GET` of what only nodes may ask.
    pub fn internal(&self, name: &str, path: &str) -> Result<Said, String> {
        get_internal(&self.url(name), path, &self.token())
    }

    /// What a node says of itself: `/status`, without the envelope.
    pub fn status(&self, name: &str) -> Result<Value, String> {
        let said = get(&self.url(name), "/status")?;
        match said.status {
            200 => Ok(said.json()["status"].clone()),
            _ => Err(format!("{said:?}")),
        }
    }

    /// Runs a command of the binary that finds the store by its folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let data = self.data.to_str().unwrap();
        toystore(arguments).args(["--data", data]).output().unwrap()
    }

    fn control(&mut self, action: &str, node: &str) -> String {
        let output = self.run(&[action, node]);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{action} {node}: {words}\n{}", self.said());
        self.look();
        String::from_utf8(output.stdout).unwrap()
    }

    /// `toystore kill`: SIGKILL.
    pub fn kill(&mut self, node: &str) {
        self.control("kill", node);
    }

    /// `toystore pause`: SIGSTOP.
    pub fn pause(&mut self, node: &str) {
        self.control("pause", node);
    }

    /// `toystore resume`: SIGCONT.
    pub fn resume(&mut self, node: &str) {
        self.control("resume", node);
    }

    /// `toystore start`: a new process for a dead node.
    pub fn start_node(&mut self, node: &str) {
        self.control("start", node);
    }

    /// The replica that says that it leads, under the highest term.
    pub fn leader(&self) -> String {
        wait_for("a replica leads", || self.leader_now())
    }

    /// The same, if there is one now. A paused replica is not asked.
    pub fn leader_now(&self) -> Option<String> {
        let running = |name: &String| self.node(name)["state"] == "running";
        let replicas = self.names("order").into_iter().filter(running);
        let leads = |status: &Value| status["engine"]["role"] == "leader";
        let leading = replicas.filter_map(|name| {
            let status = self.status(&name).ok().filter(leads)?;
            Some((term(&status["engine"]["term"]), name))
        });
        leading.max().map(|(_, name)| name)
    }

    /// Waits until another replica leads, and has settled.
    pub fn next_leader(&self, old: &str) -> String {
        wait_for("another replica leads", || {
            let name = self.leader_now().filter(|name| name != old)?;
            (self.status(&name).ok()?["state"] == "open").then_some(name)
        })
    }

    /// The catalog: where it has replicas, the one that says that it leads.
    pub fn catalog(&self) -> String {
        wait_for("a catalog leads", || self.catalog_now())
    }

    /// The same, if there is one now. A paused one is not asked.
    pub fn catalog_now(&self) -> Option<String> {
        let names = self.names("catalog");
        if let [only] = names.as_slice() {
            return Some(only.clone());
        }
        let running = |name: &String| self.node(name)["state"] == "running";
        let leads = |status: &Value| status["engine"]["role"] == "leader";
        let leading = names.into_iter().filter(running).filter_map(|name| {
            let status = self.status(&name).ok().filter(leads)?;
            Some((term(&status["engine"]["term"]), name))
        });
        leading.max().map(|(_, name)| name)
    }

    /// The replicas in the view that the catalog keeps, by number.
    pub fn in_sync(&self) -> Vec<u64> {
        let view = self.status(&self.catalog()).map(|status| status["view"]["in_sync"].clone());
        let members = view.unwrap_or_default().as_array().cloned().unwrap_or_default();
        members.iter().filter_map(Value::as_u64).collect()
    }

    /// Waits until these replicas are in the view.
    pub fn wait_for_view(&self, members: &[u64]) {
        wait_for(&format!("the view is {members:?}"), || (self.in_sync() == members).then_some(()));
    }

    /// SIGKILL to every process of the store, `up` first: nobody can say goodbye.
    pub fn kill_everything(&mut self) {
        let pids = self.pids();
        let mut up = self.up.take().unwrap();
        up.kill().unwrap();
        pids.iter().for_each(|pid| signal(*pid, Signal::KILL));
        up.wait().unwrap();
        wait_until_gone(&pids);
    }

    /// SIGKILL to `up` alone.
    pub fn kill_up(&mut self) -> Vec<u32> {
        let pids = self.pids();
        let mut up = self.up.take().unwrap();
        up.kill().unwrap();
        up.wait().unwrap();
        pids
    }

    /// Ctrl-C; returns how `up` ended and how long that took.
    pub fn interrupt(&mut self) -> (ExitStatus, Duration) {
        let mut up = self.up.take().unwrap();
        let began = Instant::now();
        signal(up.id(), Signal::INT);
        let status = wait_for("up ends", || up.try_wait().unwrap());
        (status, began.elapsed())
    }
}

/// Waits until none of these processes is left.
pub fn wait_until_gone(pids: &[u32]) {
    wait_for("every process has ended", || pids.iter().all(|pid| !is_ours(*pid)).then_some(()));
}

/// A term as it is written, `0.12@3`, so that it can be compared.
pub fn term(text: &Value) -> (u64, u64, u64) {
    let numbers = text.as_str().unwrap().split(['.', '@']).map(|part| part.parse().unwrap());
    let numbers: Vec<u64> = numbers.collect();
    (numbers[0], numbers[1], numbers[2])
}

impl Drop for Store {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the store said:\n{}", self.said());
        }
        self.look();
        if let Some(mut up) = self.up.take() {
            let _ = up.kill();
            let _ = up.wait();
        }
        // They end by themselves when `up` is gone; a bug there must not leave them behind.
        for pid in &self.seen {
            if is_ours(*pid) {
                signal(*pid, Signal::KILL);
            }
        }
    }
}

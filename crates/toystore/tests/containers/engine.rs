//! Docker and Compose for tests, and a store of `compose.yaml` under a name of its own. However a
//! test ends, its containers, networks and volumes end with it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use std::{env, fs};

use tempfile::TempDir;

use crate::waiting::wait_at_most;

/// The image under test.
pub const IMAGE: &str = "toystore:latest";
/// The program that is built beside it: shoppers and checker outside.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_toystore");
/// Every node of `compose.yaml`; the page is none.
pub const NODES: [&str; 5] = ["catalog", "order-1", "order-2", "order-3", "frontend"];

/// How long anything may take that should take some seconds, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// Runs a command that must succeed; returns what it prints.
pub fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    stdout.trim().to_string()
}

/// `docker …`, which must succeed.
pub fn docker(arguments: &[&str]) -> String {
    run(Command::new("docker").args(arguments))
}

/// Waits until something is there; says what it waited for if it never is.
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_at_most(DEADLINE, what, look)
}

/// One container that a test began, gone at its end.
pub struct Container(pub String);

impl Container {
    /// `docker run --detach …`.
    pub fn run(arguments: &[&str]) -> Container {
        Container(docker(&[&["run", "--detach"], arguments].concat()))
    }

    /// A field of `docker inspect`.
    pub fn inspect(&self, field: &str) -> String {
        docker(&["inspect", "--format", field, &self.0])
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output();
    }
}

/// Which Compose there are to be tried: those named in COMPOSES, or the one that is installed.
pub fn composes() -> Vec<String> {
    let all = env::var("COMPOSES").unwrap_or_else(|_| "docker-compose".to_string());
    all.split(':').map(str::to_string).collect()
}

/// A store of `compose.yaml`.
pub struct Store {
    compose: String,
    name: String,
    port: u16,
    files: Vec<PathBuf>,
    /// Its token and what a test wants to keep.
    pub folder: TempDir,
}

impl Store {
    /// Not started yet.
    pub fn new(compose: &str) -> Store {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        fs::write(&token, "a-secret-of-this-test").unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o444)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let name = format!("toystore-test-{port}");
        let files = vec![root().join("compose.yaml")];
        Store { compose: compose.to_string(), name, port, files, folder }
    }

    /// Another file of Compose, over the first.
    pub fn add_file(&mut self, text: &str) {
        let path = self.folder.path().join(format!("more-{}.yaml", self.files.len()));
        fs::write(&path, text).unwrap();
        self.files.push(path);
    }

    /// Up, and its frontend healthy.
    pub fn up(&self) {
        self.compose(&["up", "-d"]);
        self.wait_until_healthy(&NODES);
    }

    /// Compose, as a person would call it; must succeed.
    pub fn compose(&self, arguments: &[&str]) -> String {
        run(self.command().args(arguments))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.compose);
        command.current_dir(root()).args(["--project-name", &self.name]);
        for file in &self.files {
            command.arg("--file").arg(file);
        }
        command.env("TOYSTORE_SECRET", self.folder.path().join("token"));
        command.env("TOYSTORE_PORT", self.port.to_string()).env("TOYSTORE_SEED_PORT", "0");
        command.env("TOYSTORE_DASHBOARD_PORT", "0").env("TOYSTORE_CHAOS", "true");
        command
    }

    /// Waits until nodes are healthy, as Docker sees them.
    pub fn wait_until_healthy(&self, nodes: &[&str]) {
        for node in nodes {
            wait_for(&format!("{node} is healthy"), || {
                let health = self.inspect(node, "{{.State.Health.Status}}");
                (health == "healthy").then_some(())
            });
        }
    }

    /// The id of a node's container.
    pub fn container(&self, node: &str) -> String {
        self.compose(&["ps", "--all", "--quiet", node])
    }

    /// A field of `docker inspect` of a node's container.
    pub fn inspect(&self, node: &str, field: &str) -> String {
        docker(&["inspect", "--format", field, &self.container(node)])
    }

    /// What Compose calls it.
    pub fn project(&self) -> &str {
        &self.name
    }

    /// Where its page is reached on this machine.
    pub fn page(&self) -> String {
        format!("http://{}", self.compose(&["port", "dashboard", "8070"]))
    }

    /// Where its frontend is reached on this machine.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Shoppers outside, who try again for a minute, write down everything, and go on until they
    /// are told to finish.
    pub fn shop(&self) -> Shoppers {
        let history = self.folder.path().join("history.jsonl");
        let mut command = Command::new(PROGRAM);
        command.args(["client", "--url", &self.url(), "--json", "--orders-csv"]);
        command.arg(self.folder.path().join("orders.csv")).arg("--history").arg(&history);
        command.args(["--requests", "1000000", "--pause", "20ms"]);
        command.args(["--retries", "30"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        Shoppers { child: command.spawn().unwrap(), history }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.command().args(["logs", "--no-color", "--tail", "30"]).output();
            eprintln!("{}", String::from_utf8_lossy(&logs.unwrap().stdout));
        }
        let _ = self.command().args(["down", "--volumes", "--timeout", "5"]).output();
    }
}

/// Shoppers on their way.
pub struct Shoppers {
    child: Child,
    history: PathBuf,
}

impl Shoppers {
    /// No more rounds: their result, once every one has read back its orders and everything
    /// matched, and the checker says that everything held.
    pub fn finish(mut self) -> serde_json::Value {
        assert!(self.child.try_wait().unwrap().is_none(), "they shop until they are told to end");
        run(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
        let Output { status, stdout, stderr } = self.child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&stdout);
        assert!(status.success(), "{status}\n{said}{}", String::from_utf8_lossy(&stderr));
        let verdict = run(Command::new(PROGRAM).arg("check").arg(&self.history));
        assert!(verdict.contains("\nheld: "), "{verdict}");
        serde_json::from_str(&said).unwrap()
    }
}

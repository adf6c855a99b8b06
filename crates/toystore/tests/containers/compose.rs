//! `docker compose up -d && docker compose run --rm client`, with every Compose that there is.

use std::collections::BTreeSet;
use std::os::unix::fs::chown;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::engine::{NODES, PROGRAM, Store, composes, docker, wait_for};
use super::exchange::get;

/// What the image runs as.
const NOBODY: u32 = 65532;

#[test]
fn a_store_serves_shoppers_and_keeps_their_orders_when_its_containers_are_gone() {
    for compose in composes() {
        let store = Store::new(&compose);
        let began = Instant::now();
        store.up();
        println!("{compose}: every node healthy after {:.1} s", began.elapsed().as_secs_f64());
        let said = store.compose(&["run", "--rm", "client"]);
        assert!(said.contains("are in the store as they were acknowledged"), "{said}");
        for node in NODES {
            let container = store.container(node);
            let used = docker(&["stats", "--no-stream", "--format", "{{.MemUsage}}", &container]);
            println!("{compose}: {node}: {used}");
        }
        only_the_frontend_is_reached_from_outside(&store);
        let before = first_order(&store);
        store.compose(&["down"]);
        store.up();
        assert_eq!(first_order(&store), before);
    }
}

fn first_order(store: &Store) -> String {
    wait_for("the first order is read", || {
        let said = get(&store.url(), "/orders/0").ok()?;
        (said.status == 200).then_some(said.body)
    })
}

fn only_the_frontend_is_reached_from_outside(store: &Store) {
    for node in NODES {
        let ports = store.inspect(node, "{{json .HostConfig.PortBindings}}");
        let published = ports.contains("HostPort");
        assert_eq!(published, node == "frontend", "{node}: {ports}");
        assert!(!ports.contains("0.0.0.0"), "{node}: {ports}");
        let environment = store.inspect(node, "{{json .Config.Env}}");
        assert!(!environment.contains("a-secret-of-this-test"), "{node}: {environment}");
        assert_eq!(store.inspect(node, "{{.HostConfig.ReadonlyRootfs}}"), "true", "{node}");
        assert_eq!(store.inspect(node, "{{.HostConfig.CapDrop}}"), "[ALL]", "{node}");
    }
    let names = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}";
    let network = store.inspect("catalog", names);
    assert_eq!(docker(&["network", "inspect", "--format", "{{.Internal}}", &network]), "true");
}

/// Folders of this machine in the place of volumes: the same store goes on without containers.
#[test]
fn files_that_containers_wrote_are_a_store_for_toystore_up() -> io::Result<()> {
    let mut store = Store::new(&composes()[0]);
    let data = store.folder.path().join("data");
    let mut more = String::from("services:\n");
    for node in NODES.iter().filter(|node| **node != "frontend") {
        let folder = data.join(node);
        fs::create_dir_all(&folder)?;
        chown(&folder, Some(NOBODY), Some(NOBODY))?;
        more += &format!("  {node}: {{volumes: [\"{}:/data\"]}}\n", folder.display());
    }
    store.add_file(&more);
    store.up();
    let shoppers = store.shop();
    std::thread::sleep(Duration::from_secs(1));
    shoppers.finish();
    let orders = fs::read_to_string(store.folder.path().join("orders.csv"))?;
    store.compose(&["down"]);

    let mut up = Command::new(PROGRAM);
    up.arg("up").arg("--data").arg(&data).args(["--ports", "auto"]).stderr(Stdio::null());
    let up = Up(up.stdout(Stdio::null()).spawn()?);
    let mut export = Command::new(PROGRAM);
    export.args(["export", "orders", "--data"]).arg(&data);
    let exported = wait_for("the store is up outside", || {
        let said = export.output().unwrap();
        said.status.success().then(|| String::from_utf8(said.stdout).unwrap())
    });
    drop(up);
    assert_eq!(number_name_quantity(&exported), number_name_quantity(&orders));
    Ok(())
}

/// The columns that a shopper's own file and the store's have in common.
fn number_name_quantity(csv: &str) -> BTreeSet<Vec<&str>> {
    csv.lines().map(|line| line.split(',').take(3).collect()).collect()
}

/// `toystore up`, which ends its nodes when it is told to end.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

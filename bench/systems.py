"""The systems that are measured, each started from nothing in a folder of its own."""

import json
import pathlib
import shutil
import threading
import time
from subprocess import DEVNULL, PIPE

from measure import ask, children, end, free_ports, start, until

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOYSTORE = ROOT / "target/release/toystore"
TOYS = 1000


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Toystore:
    """`toystore up`: six processes."""

    name = "toystore"

    def __init__(self, folder, replication, timers="default"):
        folder = fresh(folder)
        catalogue = folder / "toys.csv"
        lines = [f"toy-{toy:04},9.99,1000000000" for toy in range(TOYS)]
        catalogue.write_text("\n".join(["name,price,quantity", *lines, ""]))
        command = [TOYSTORE, "up", "--ports", "auto", "--data", folder / "data"]
        command += ["--catalogue", catalogue, "--cache-capacity", TOYS, "--timers", timers, "--replication", replication]
        began = time.monotonic()
        self.log = (folder / "log").open("w")
        self.up = start(command, stdout=DEVNULL, stderr=PIPE, text=True)
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(began,), daemon=True)
        self.reader.start()
        if not self.ready.wait(30):
            raise SystemExit(f"the store is not ready: see {folder / 'log'}")
        nodes = json.loads((folder / "data/cluster.json").read_text())["nodes"]
        self.nodes = {node["name"]: node for node in nodes}
        address = lambda node: node["url"].removeprefix("http://")
        self.addresses = {name: address(node) for name, node in self.nodes.items()}

    def _read(self, began):
        """Drains the log, and notes when the store says that it is ready."""
        for line in self.up.stderr:
            self.log.write(line)
            self.log.flush()
            if "ready after" in line:
                self.ready_ms = (time.monotonic() - began) * 1e3
                self.ready.set()

    @property
    def pids(self):
        return [self.up.pid, *children(self.up.pid)]

    def pid(self, node):
        return self.nodes[node]["pid"]

    def status(self, node):
        return ask(self.nodes[node]["url"] + "/status")["status"]

    def leader(self):
        orders = [name for name in self.nodes if name.startswith("order")]
        return until("a leader", lambda: next(
            (name for name in orders if self.status(name)["state"] == "open"), None))

    def write(self):
        order = {"name": "toy-0000", "quantity": 1}
        return ask(self.nodes["frontend-1"]["url"] + "/orders", order) is not None

    def fill_cache(self):
        for toy in range(TOYS):
            ask(f"{self.nodes['frontend-1']['url']}/products/toy-{toy:04}")

    def stop(self):
        end(self.up)
        self.reader.join()
        self.log.close()


class Etcd:
    """Three members, their logs on the same file system as the store's."""

    name = "etcd"

    def __init__(self, folder, intervals=(100, 1000)):
        folder = fresh(folder)
        ports = free_ports(6)
        self.clients = [f"127.0.0.1:{port}" for port in ports[:3]]
        peers = [f"http://127.0.0.1:{port}" for port in ports[3:]]
        cluster = ",".join(f"m{number}={peer}" for number, peer in enumerate(peers))
        began = time.monotonic()
        self.members = []
        for number, (client, peer) in enumerate(zip(self.clients, peers)):
            with (folder / f"log{number}").open("w") as log:
                self.members.append(start([
                    "etcd", "--name", f"m{number}", "--data-dir", folder / f"m{number}",
                    "--listen-client-urls", f"http://{client}",
                    "--advertise-client-urls", f"http://{client}",
                    "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                    "--initial-cluster", cluster, "--initial-cluster-state", "new",
                    "--initial-cluster-token", folder.name, "--log-level", "error",
                    "--quota-backend-bytes", 8 * 2**30,
                    "--heartbeat-interval", intervals[0], "--election-timeout", intervals[1],
                ], stdout=log, stderr=log))
        until("etcd's first put", self.write, 60)
        self.ready_ms = (time.monotonic() - began) * 1e3

    @property
    def pids(self):
        return [member.pid for member in self.members]

    def leader(self):
        """The number of the member that leads."""
        def find():
            for number, client in enumerate(self.clients):
                status = ask(f"http://{client}/v3/maintenance/status", {})
                if status and status.get("leader") == status["header"]["member_id"]:
                    return number, True
        return until("etcd's leader", find)[0]

    def write(self):
        return ask(f"http://{self.clients[0]}/v3/kv/put", {"key": "YQ==", "value": "YQ=="}) is not None

    def stop(self):
        for member in self.members:
            end(member)


class Nginx:
    """One worker before the store's frontend: the same bodies and headers, from its own cache."""

    name = "nginx"

    def __init__(self, folder, cache, store, core):
        folder = fresh(folder)
        self.cache = fresh(cache)
        self.tuned, self.plain, self.constant = free_ports(3)
        text = (ROOT / "bench/nginx.conf").read_text()
        for word, value in {"FOLDER": folder, "CACHE": cache, "STORE": store, "TUNED": self.tuned,
                            "PLAIN": self.plain, "CONSTANT": self.constant}.items():
            text = text.replace(word, str(value))
        (folder / "nginx.conf").write_text(text)
        command = ["nginx", "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
        self.master = start(["taskset", "-c", core, *command])
        for port in (self.tuned, self.plain):
            for toy in range(TOYS):
                until("nginx", lambda: ask(f"http://127.0.0.1:{port}/products/toy-{toy:04}"))
        # Beside it there are a cache manager, and for a minute a cache loader.
        title = lambda pid: pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        self.pids = [pid for pid in children(self.master.pid) if "worker" in title(pid)]

    def stop(self):
        end(self.master)
        shutil.rmtree(self.cache)

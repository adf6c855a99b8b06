"""The systems that are measured, each started from nothing in a folder of its own."""

import json
import math
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from subprocess import DEVNULL, PIPE

from measure import ask, children, end, free_ports, get, spread_of_sorted, start, until

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOYSTORE = ROOT / "target/release/toystore"
LOAD = ROOT / "target/bench/release/load"
TOYS = 1000
# What is not counted at the start of a closed loop, as in load/, in seconds.
WARM_UP = 0.5


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run_to_end(command, **options):
    """What it printed."""
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def first_answer(command, url, log):
    """Starts one server; milliseconds until it gives its first good answer. Then ends it."""
    began = time.monotonic()
    server = start(command, stdout=log, stderr=log)
    until("its first answer", lambda: get(url, timeout=1))
    took = (time.monotonic() - began) * 1e3
    end(server)
    return took


class Toystore:
    """`toystore up`: six processes."""

    name = "toystore"

    def __init__(self, folder, replication="raft", timers="default", cache=TOYS, stock=10**9, past=0):
        """`stock` of each toy, restocked to 100 every second when it is sold out; with a `past` the
        store has so many orders already, and the toys that `generate` gives it."""
        folder = fresh(folder)
        self.data = folder / "data"
        command = [TOYSTORE, "up", "--ports", "auto", "--data", self.data, "--restock-interval", "1s"]
        command += ["--cache-capacity", cache, "--timers", timers, "--replication", replication]
        if past:
            run_to_end([TOYSTORE, "generate", "--data", self.data, "--toys", TOYS, "--orders", past])
        else:
            catalogue = folder / "toys.csv"
            lines = [f"toy-{toy:04},9.99,{stock}" for toy in range(TOYS)]
            catalogue.write_text("\n".join(["name,price,quantity", *lines, ""]))
            command += ["--catalogue", catalogue]
        began = time.monotonic()
        self.log = (folder / "log").open("w")
        self.up = start(command, stdout=DEVNULL, stderr=PIPE, text=True)
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(began,), daemon=True)
        self.reader.start()
        if not self.ready.wait(30):
            raise SystemExit(f"the store is not ready: see {folder / 'log'}")
        nodes = json.loads((self.data / "cluster.json").read_text())["nodes"]
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

    def command(self, *words):
        """A command on the running store, such as `kill order-1`."""
        run_to_end([TOYSTORE, *words, "--data", self.data])

    def checkpoints(self):
        """The files of all order replicas."""
        return set(self.data.glob("order-*/*.checkpoint"))

    def metric(self, node, name):
        """One number of a node's `/metrics`."""
        page = get(self.nodes[node]["url"] + "/metrics").decode()
        return float(next(line for line in page.splitlines() if line.startswith(f"{name} ")).split()[1])

    def another_frontend(self):
        """A second frontend of the running store: milliseconds from exec to its first product."""
        port, = free_ports(1)
        address = f"127.0.0.1:{port}"
        url = lambda name: self.nodes[name]["url"]
        orders = [name for name in self.nodes if name.startswith("order")]
        replicas = ",".join(f"{name.removeprefix('order-')}={url(name)}" for name in orders)
        return first_answer([TOYSTORE, "frontend", "--id", 9, "--listen", address,
                             "--url", f"http://{address}", "--catalog", url("catalog"),
                             "--orders", replicas, "--cluster-token-file", self.data / "cluster-token"],
                            f"http://{address}/products/toy-0000", self.log)

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
    """One worker before the store's frontend: the same bodies and headers, from its own cache; and
    before its catalog, as a proxy without a cache."""

    name = "nginx"

    def __init__(self, folder, cache, store, catalog, core):
        folder = self.folder = fresh(folder)
        self.cache = fresh(cache)
        self.tuned, self.plain, self.constant, self.forward = free_ports(4)
        text = (ROOT / "bench/nginx.conf").read_text()
        for word, value in {"FOLDER": folder, "CACHE": cache, "STORE": store, "TUNED": self.tuned,
                            "PLAIN": self.plain, "CONSTANT": self.constant, "CATALOG": catalog,
                            "FORWARD": self.forward}.items():
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

    @property
    def family(self):
        return [self.master.pid, *children(self.master.pid)]

    def another(self):
        """A second nginx of the same configuration, its ports aside: milliseconds from exec to its
        first answer."""
        folder, port = fresh(self.folder / "another"), free_ports(1)[0]
        text = (self.folder / "nginx.conf").read_text().replace(str(self.folder), str(folder))
        text = text.replace(str(self.cache), f"{self.cache}/another")
        for old, new in zip((self.tuned, self.plain, self.forward, self.constant), (*free_ports(3), port)):
            text = text.replace(f":{old}", f":{new}")
        (self.cache / "another").mkdir(exist_ok=True)
        (folder / "nginx.conf").write_text(text)
        with (folder / "log").open("w") as log:
            return first_answer(["nginx", "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"],
                                f"http://127.0.0.1:{port}/", log)

    def stop(self):
        end(self.master)
        shutil.rmtree(self.cache)


class Constant:
    """The limit: a loop of our own that answers everybody the same bytes, those of a hit."""

    def __init__(self, store, core):
        port, = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self.server = start(["taskset", "-c", core, LOAD, "constant", self.address], stdin=PIPE)
        self.server.stdin.write(whole_answer(store, "/products/toy-0007"))
        self.server.stdin.close()
        until("the constant loop", lambda: get(f"http://{self.address}/"))
        self.pids = [self.server.pid]

    def stop(self):
        end(self.server)


def whole_answer(address, path):
    """The bytes of an answer, head and all."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        answer = connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    assert len(body) == int(length.split(b":")[1]), answer
    return answer


class Postgres:
    """A primary and one synchronous standby, Debian's defaults otherwise: a commit waits until both
    have it on disk."""

    name = "PostgreSQL"
    # pgbench's scripts. An insert alone, and what an order is: from the stock, if there is enough.
    SCRIPTS = {
        "insert": "INSERT INTO orders (request, name, quantity) VALUES (gen_random_uuid(), 'toy-' || :toy, 1);",
        "order": "WITH taken AS (UPDATE toys SET quantity = quantity - 1 WHERE name = 'toy-' || :toy"
                 " AND quantity >= 1 RETURNING name) INSERT INTO orders (request, name, quantity)"
                 " SELECT gen_random_uuid(), name, 1 FROM taken;",
    }

    def __init__(self, folder):
        self.folder = fresh(folder)
        # PostgreSQL refuses to run as root.
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        self.bin = pg_folder()
        self.port, standby_port = free_ports(2)
        primary, standby = self.folder / "primary", self.folder / "standby"
        self._tool("initdb", "-D", primary, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.primary = self._server(primary, self.port, "-c", "synchronous_standby_names=standby")
        self._tool("pg_basebackup", "-D", standby, "-R", "-X", "stream", "-d",
                   f"host=127.0.0.1 port={self.port} user=postgres application_name=standby")
        self.standby = self._server(standby, standby_port)
        self._sql("CREATE TABLE toys (name text PRIMARY KEY, quantity bigint NOT NULL);"
                  "CREATE TABLE orders (number bigserial PRIMARY KEY, request uuid UNIQUE NOT NULL,"
                  " name text NOT NULL, quantity int NOT NULL);"
                  f"INSERT INTO toys SELECT 'toy-' || n, 1000000000 FROM generate_series(0, {TOYS - 1}) AS n;")
        state = self._sql("SELECT sync_state FROM pg_stat_replication")
        assert state == "sync", f"the standby is {state!r}, not synchronous"

    def _tool(self, name, *arguments):
        return run_to_end([*self.user, self.bin / name, *arguments], cwd=self.folder)

    def _server(self, data, port, *more):
        with (self.folder / f"{data.name}.log").open("w") as log:
            server = start([*self.user, self.bin / "postgres", "-D", data, "-p", port, "-k", self.folder,
                            "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", *more],
                           stdout=log, stderr=log, cwd=self.folder)
        until(data.name, lambda: subprocess.run(
            [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0)
        return server

    def _sql(self, text):
        return self._tool("psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", self.port,
                          "-U", "postgres", "-c", text).strip()

    @property
    def pids(self):
        return [self.primary.pid, self.standby.pid]

    def load(self, script, clients, seconds):
        """A closed loop of pgbench's: the figures that load/ prints."""
        file, log = self.folder / f"{script}.sql", self.folder / "latencies"
        file.write_text(f"\\set toy random(0, {TOYS - 1})\n{self.SCRIPTS[script]}\n")

        def run():
            self._tool("pgbench", "-n", "-M", "prepared", "-c", clients, "-j", 1, "-T", math.ceil(WARM_UP + seconds),
                       "-l", f"--log-prefix={log}", "-f", file, "-h", "127.0.0.1", "-p", self.port,
                       "-U", "postgres", "postgres")
            # Client, transaction, latency in µs, script, and when it ended: seconds, µs.
            lines = []
            for each in self.folder.glob("latencies.*"):
                lines += [line.split() for line in each.read_text().splitlines()]
                each.unlink()
            ended = [(int(second) + int(micros) / 1e6, int(took)) for _, _, took, _, second, micros in lines]
            if not ended:
                raise SystemExit(f"pgbench, {script}: not one transaction within {seconds} s")
            # Connecting is no part of it: pgbench begins when all clients are connected.
            began = min(at for at, _ in ended) + WARM_UP
            took = sorted(took for at, took in ended if began <= at < began + seconds)
            return {"per_second": len(took) / seconds, **spread_of_sorted(took), "all": len(lines), "failed": 0}

        return run

    def stop(self):
        for server in (self.standby, self.primary):
            end(server, signal.SIGINT)


def pg_folder():
    """Where the newest PostgreSQL's programs are."""
    folders = pathlib.Path("/usr/lib/postgresql").glob("*/bin")
    return max(folders, key=lambda folder: int(folder.parent.name))

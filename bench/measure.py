"""Processes and what they cost: every process that the measurement starts is started here, ended
by its own id, and its CPU time, memory and the noise of the machine are read from /proc."""

import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

TICK = 1 / os.sysconf("SC_CLK_TCK")
# A sample begins when others use less than this share of a core, or after so many seconds.
QUIET_CORES = 0.3
QUIET_WAIT = 20
started = []


def start(command, **options):
    """Starts a process; `end` or the end of the script ends it."""
    process = subprocess.Popen([str(part) for part in command], **options)
    started.append(process)
    return process


def end(process, how=signal.SIGTERM):
    """Ends one process that `start` started, by force if it does not end by itself."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    started.remove(process)


def end_all():
    for process in list(reversed(started)):
        end(process)


def run(command, deadline):
    """Runs a generator to its end; what it printed last, as JSON."""
    process = start(command, stdout=subprocess.PIPE, text=True)
    try:
        out, _ = process.communicate(timeout=deadline)
    finally:
        end(process, signal.SIGKILL)
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed with {process.returncode}: {out}")
    return json.loads(out.strip().splitlines()[-1])


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def cpu_us(pids):
    """CPU time of all threads that live, in microseconds: the scheduler's own count."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
    return total / 1000


def families_cpu_us(pids):
    """The same of processes with children that come and go, one for each connection: the living, and
    those that their parents have seen end, which are counted in ticks."""
    total = cpu_us([each for pid in pids for each in (pid, *children(pid))])
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        total += (int(fields[13]) + int(fields[14])) * TICK * 1e6
    return total


def pss_mib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total / 1024


def machine_busy():
    """Seconds that all cores together have worked, or were taken away, since boot."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal, *_ = map(int, file.readline().split()[1:])
    return (user + nice + system + irq + softirq + steal) * TICK


def own_busy():
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def wait_until_quiet(pids):
    deadline = time.monotonic() + QUIET_WAIT
    while time.monotonic() < deadline:
        if Sample(pids, 0.25).others < QUIET_CORES:
            return


class Sample:
    """One load on one system: what the generator says, and what the servers spent on it."""

    def __init__(self, pids, load, deadline=60, cpu_us=cpu_us):
        busy, own, cpu, began = machine_busy(), own_busy(), cpu_us(pids), time.monotonic()
        if isinstance(load, float):
            time.sleep(load)
        elif callable(load):
            self.figures = load()
        else:
            self.figures = run(load, deadline)
        spent = cpu_us(pids) - cpu
        seconds = time.monotonic() - began
        ours = own_busy() - own + spent / 1e6
        # Cores that other work on this machine used meanwhile.
        self.others = max(0.0, (machine_busy() - busy - ours) / seconds)
        if not isinstance(load, float):
            self.figures["cpu_us"] = spent / max(1, self.figures["all"])
            self.figures["others"] = self.others


def free_ports(count):
    """Ports that are free now, all at the same time."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def get(url, timeout=2):
    """The body of a good answer, or None."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read()
    except OSError:
        return None


def ask(url, body=None, headers={}, timeout=2):
    """One HTTP request; the JSON of its answer, or None if there is none."""
    try:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", **headers}
        request = urllib.request.Request(url, data, headers)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def until(what, condition, deadline=30):
    """Asks again each half millisecond."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.0005)
    sys.exit(f"{what}: not within {deadline} s")


def spread_of_sorted(latencies_us):
    """What load/ says of latencies, of those that are sorted."""
    at = lambda share: latencies_us[min(len(latencies_us) - 1, int(len(latencies_us) * share))]
    return {"p50_us": at(0.5), "p99_us": at(0.99)} if latencies_us else {"p50_us": float("inf"), "p99_us": float("inf")}


def spread(values):
    """Median, least, most."""
    return statistics.median(values), min(values), max(values)

"""What was measured: rows of figures, the goals and what became of them, as text, JSON and the
document `docs/benchmarks.md`."""

import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import textwrap

from measure import Sample, spread, wait_until_quiet
from systems import ROOT, pg_folder

# What each ratio must reach at least (>=) or at most (<=): floor, target.
GOALS = {
    "R1": ("cached GET/s, frontend / nginx tuned", ">=", 1.15, 1.4),
    "R2": ("CPU per cached GET, nginx tuned / frontend", ">=", 1.2, 1.45),
    "R3": ("cached GET/s, frontend / nginx plain", ">=", 1.5, 1.85),
    "R4": ("cached GET/s, frontend / a loop that answers a constant", ">=", 0.72, 0.83),
    "R5": ("cached GET/s, frontend / nginx's `return`", ">=", 0.85, 0.95),
    "R6": ("cached GET p99, frontend / nginx tuned", "<=", 0.9, 0.65),
    "H1": ("forwarded GET/s, frontend / nginx proxy_pass", ">=", 1, 1.6),
    "H2": ("p50 that a forwarded GET adds, one client, frontend / nginx", "<=", 1.2, 1),
    "W1": ("orders/s at the leader / etcd puts/s", ">=", 2.5, 4),
    "W2": ("orders/s through the frontend / etcd puts/s", ">=", 1.8, 2.5),
    "W3": ("order p99 through the frontend / etcd put p99", "<=", 0.5, 0.3),
    "W4": ("order p50 at the leader, one client / etcd put p50", "<=", 0.8, 0.55),
    "W5": ("orders/s at the leader / PostgreSQL commits/s, one synchronous standby", ">=", 1, 1.5),
    "W6": ("records per commit of the leader's log", ">=", 6, 12),
    "W7": ("CPU per order, all six processes / etcd's per put", "<=", 0.4, 0.25),
    "F1": ("gap after kill -9, default timers / etcd 100/1000", "<=", 0.35, 0.1),
    "F2": ("gap after kill -9, fast timers / etcd 10/100", "<=", 2, 0.8),
    "F3": ("gap after SIGSTOP, fast timers / etcd 10/100", "<=", 3, 1.2),
    "F4": ("elections in 60 s at 256 clients, no fault", "<=", 0, 0),
    "M1": ("Pss of a frontend with 1,000 products / nginx with the same", "<=", 1.5, 0.8),
    "M2": ("Pss of the order replicas / etcd's members, after as many writes", "<=", 0.6, 0.3),
    "S1": ("exec to first answer, a frontend / nginx", "<=", 1.5, 0.8),
    "S2": ("exec to first order, six processes / etcd's best first put", "<=", 1.5, 0.6),
    "X2": ("p99 while there is other work / quiet", "<=", 2, 2),
    "X5": ("seconds until a store of a million orders is ready", "<=", 1, 1),
    "X7": ("MiB of all six processes, idle (Pss)", "<=", 40, 40),
}
# Above this share of other work in the median sample nothing should be concluded, in cores.
NOISY_CORES = 0.5

INTRODUCTION = """\
# Beside what one would take instead

`bench/run` wrote this: the store, and what stands beside it, on one machine in one run, in turns.
[What is held equal, what is not, and who gains by it](../bench/README.md). **Only the ratios of one
run mean anything**; the figures below them are of this machine on this day. What does not depend on
a machine, instructions for each request, is counted at every change: `bench/instructions.txt`.
"""


class Report:
    """Rows of figures, and the values of each goal, one for each round."""

    def __init__(self, wait):
        self.wait = wait
        self.rows, self.goals, self.others = {}, {}, []

    def row(self, section, name, **figures):
        shown = " ".join(f"{key}={value:.4g}" for key, value in figures.items())
        print(f"  {section} {name}: {shown}", flush=True)
        for figure, value in figures.items():
            self.rows.setdefault(section, {}).setdefault(name, {}).setdefault(figure, []).append(value)

    def sample(self, section, name, pids, load, deadline=60, **how):
        if self.wait:
            wait_until_quiet(pids)
        figures = Sample(pids, load, deadline, **how).figures
        if figures.pop("first_failure", "") or figures["failed"]:
            print(f"  {section} {name}: {figures['failed']} failed", flush=True)
        figures.pop("all")
        self.others.append(figures["others"])
        self.row(section, name, **figures)
        return figures

    def goal(self, goal, value, protocol=None):
        """One round's value; a goal that each protocol must reach has a row for each."""
        self.goals.setdefault(f"{goal} {protocol}" if protocol else goal, []).append(value)

    def verdict(self, goal):
        _, sign, floor, target = GOALS[goal.split()[0]]
        median = spread(self.goals[goal])[0]
        reached = (lambda limit: median >= limit) if sign == ">=" else (lambda limit: median <= limit)
        return "target" if reached(target) else "floor" if reached(floor) else "BELOW"

    def failed(self):
        return any(self.verdict(goal) == "BELOW" for goal in self.goals)

    def text(self):
        lines = []
        for section, rows in self.rows.items():
            lines += ["", section]
            for name, figures in rows.items():
                shown = [f"{figure} {show(values)}" for figure, values in figures.items()]
                lines.append(f"  {name:<26} " + "  ".join(shown))
        lines += ["", f"{'goal':<18}  ratio of one round: median [min..max]    floor  target  reached"]
        for goal, values in self.goals.items():
            what, sign, floor, target = GOALS[goal.split()[0]]
            limits = f"{sign} {floor:<5} {target:<6}"
            lines.append(f"{goal:<18}  {show(values):<24} {limits} {self.verdict(goal):<7} {what}")
        return "\n".join([*lines, "", self.noise()])

    def noise(self):
        if not self.others:
            return ""
        median, _, most = spread(self.others)
        text = f"Other work on this machine: {median:.2f} cores in the median sample, {most:.2f} at most."
        if median > NOISY_CORES:
            text += " Too noisy: measure again on a quiet machine."
        return text

    def as_json(self):
        goals = {goal: {"values": values, "median": spread(values)[0], "reached": self.verdict(goal)}
                 for goal, values in self.goals.items()}
        return json.dumps({"rows": self.rows, "goals": goals, "others": self.others}, indent=1)

    def document(self, command, folder):
        """`docs/benchmarks.md`."""
        facts = "\n".join(f"- {fact}" for fact in machine(folder))
        today = datetime.date.today().isoformat()
        measured = textwrap.fill(f"Measured {today} by `{command}`. {self.noise()}", 100)
        lines = [INTRODUCTION, measured, "", facts, "",
                 "## Ratios", "",
                 "Of the same round: median, and in brackets the least and the greatest. A *floor* is what the",
                 "script fails below, a *target* what the project wants.", "",
                 "| goal | what | ratio | floor | target | reached |", "| --- | --- | --- | --- | --- | --- |"]
        for goal, values in self.goals.items():
            what, sign, floor, target = GOALS[goal.split()[0]]
            reached = {"BELOW": "**below the floor**"}.get(self.verdict(goal), self.verdict(goal))
            limits = f"{words(sign)} {floor} | {words(sign)} {target}"
            lines.append(f"| {goal} | {what} | {show(values)} | {limits} | {reached} |")
        lines += ["", "## Figures", "",
                  "Times in microseconds (`us`) or milliseconds (`ms`); `cpu_us` is the CPU time of all that is",
                  "named for one request, `others` the cores that other work used meanwhile."]
        for section, rows in self.rows.items():
            figures = list(dict.fromkeys(figure for row in rows.values() for figure in row))
            lines += ["", f"### {section[0].upper()}{section[1:]}", "",
                      "| " + " | ".join(["", *(f"`{figure}`" for figure in figures)]) + " |",
                      "| --- " * (len(figures) + 1) + "|"]
            for name, row in rows.items():
                cells = [show(row[figure]) if figure in row else "" for figure in figures]
                lines.append("| " + " | ".join([name, *cells]) + " |")
        return "\n".join([*lines, ""])


def words(sign):
    return {">=": "≥", "<=": "≤"}[sign]


def show(values):
    median, least, most = (readable(value) for value in spread(values))
    return f"{median} [{least}..{most}]" if least != most else median


def readable(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def machine(folder):
    """What one must know of a machine to read figures of it."""
    def said(*command):
        try:
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        except OSError:
            return ""
        return (done.stdout + done.stderr).strip()

    def version(name, text):
        found = re.search(r"\d+(\.\d+)+", text)
        return f"{name} {found.group(0) if found else 'is not there'}"

    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1))
    disk = said("findmnt", "-n", "-o", "FSTYPE", "-T", folder)
    yield (f"{os.cpu_count()} processors ({model.group(1).strip() if model else platform.machine()}),"
           f" {memory / 2**20:.0f} GiB, {version('Linux', platform.release())}, logs on {disk}")
    yield (f"toystore at {said('git', '-C', ROOT, 'rev-parse', '--short=10', 'HEAD')},"
           f" {version('rustc', said('rustc', '--version'))}, release build")
    yield ", ".join([version("nginx", said("nginx", "-v")), version("etcd", said("etcd", "--version")),
                     version("PostgreSQL", said(pg_folder() / "postgres", "--version")),
                     version("wrk", said("wrk", "-v"))]) + ": Debian's packages"

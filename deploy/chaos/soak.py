"""Two Weirs under a steady load with faults thrown in: what they hold must stay as it is."""

import os
import pathlib
import random
import signal
import statistics
import sys
import tempfile
import threading
import time

import manual
from harness import Cluster, Weir
from network import Line, Watch
from proxy import KINDS, PHASES, Fault
from upstream import Upstream, tokens

SAMPLE = 2.0


class Sample:
    """What a process holds at one moment."""

    def __init__(self, weir: Weir):
        process = pathlib.Path(f"/proc/{weir.process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        self.descriptors = len(os.listdir(process / "fd"))
        self.threads = int(status["Threads"])
        self.memory = int(status["RssAnon"].split()[0]) / 1024
        files = list(pathlib.Path(weir.settings["WEIR_STATE_DIR"]).glob("weir.sqlite*"))
        self.database = sum(file.stat().st_size for file in files if not file.name.endswith("-wal")) / 2**20
        self.log = sum(file.stat().st_size for file in files if file.name.endswith("-wal")) / 2**20


class Load:
    """Submits at a steady rate, asks for each job's end, and samples the process."""

    def __init__(self, upstream: Upstream, rate: float, seconds: float):
        self.upstream, self.rate, self.seconds = upstream, rate, seconds
        self.samples, self.jobs_at = [], []
        self.over = threading.Event()

    def run(self):
        threads = [threading.Thread(target=self.submit), threading.Thread(target=self.sample)]
        threads += [threading.Thread(target=self.ask, args=(part, 2)) for part in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(self.seconds)
        self.over.set()
        for thread in threads:
            thread.join()

    def submit(self):
        """On the beat; a submit that takes its time has a thread of its own, so that the others go on."""
        next_beat = time.monotonic()
        while not self.over.is_set():
            threading.Thread(target=self.upstream.submit, args=(self.upstream.order(),), daemon=True).start()
            next_beat += 1 / self.rate
            self.over.wait(max(0, next_beat - time.monotonic()))

    def ask(self, part: int, parts: int):
        """Until each of its jobs has ended, oldest first; what was not answered for long is submitted again."""
        waiting, seen = [], part
        while not self.over.wait(0.1):
            fresh = self.upstream.orders[seen::parts]
            waiting, seen = waiting + fresh, seen + len(fresh) * parts
            for order in waiting[:40]:
                if self.over.is_set():
                    break
                if order.kind == "plain" and order.answer:
                    self.upstream.ask(order)
                elif order.kind == "plain" and time.monotonic() - order.made > 25:
                    self.upstream.submit(order)
            waiting = [order for order in waiting if order.end is None and order.kind == "plain"]

    def sample(self):
        while not self.over.wait(SAMPLE):
            self.samples.append(Sample(self.upstream.weir))
            self.jobs_at.append(len(self.upstream.orders))


# What may come on top between the first half and the second, after the warm-up: absolute, and as a part.
ALLOWED = {"descriptors": (4, 0.1), "threads": (2, 0.1), "memory": (3, 0.1), "log": (6, 0.1)}


def judge(load: Load) -> list:
    """Lines for people, each with whether it is flat: medians of the first and the last third after the warm-up."""
    # The latest 1,000 jobs that are over stay in memory: it grows until they are there.
    warm = [index for index, jobs in enumerate(load.jobs_at) if jobs >= 1200 and index <= len(load.samples) * 3 // 4]
    begin = max(len(load.samples) // 4, warm[0] if warm else 0)
    samples, jobs = load.samples[begin:], load.jobs_at[begin:]
    third = max(1, len(samples) // 3)
    lines = []
    for name, (absolute, part) in ALLOWED.items():
        values = [getattr(sample, name) for sample in samples]
        first, last = statistics.median(values[:third]), statistics.median(values[-third:])
        flat = last <= first + max(absolute, first * part)
        lines.append((f"{name:12} {first:8.1f} → {last:8.1f}, at most {max(values):.1f}", flat))
    # A job's row and its events are kept; only what a job takes must not grow.
    taken = (samples[-1].database - samples[0].database) * 2**20 / max(1, jobs[-1] - jobs[0])
    lines.append((f"database     {samples[-1].database:.1f} MB, {taken:.0f} bytes more for each job", taken < 8192))
    return lines


def throw(line: Line, cluster: Cluster, over: threading.Event, pause: float, say):
    """Faults, one after the other, with rests between them."""
    while not over.wait(pause):
        kind = random.choice(["network", "network", "slurmctld", "slurmdbd"])
        if kind == "network":
            fault = Fault(random.choice(PHASES), random.choice(KINDS))
            say(str(fault))
            line.proxy.arm(fault)
            over.wait(3)
            line.proxy.heal()
        else:
            say(f"{kind} hangs")
            pid = cluster.pid(kind)
            os.kill(pid, signal.SIGSTOP)
            over.wait(5)
            os.kill(pid, signal.SIGCONT)


def run(cluster: Cluster, directory: pathlib.Path, seconds: float, say=lambda line: None) -> dict:
    for name in ("slurm", "dummy"):
        (directory / name).mkdir()
    keep = {"WEIR_KEEP_OUTPUT": max(1, int(seconds / 10))}
    line = Line(cluster, directory / "slurm", **keep)
    dummy = Upstream(
        cluster,
        Weir(
            directory / "dummy",
            JARVICE_BAREMETAL_CONNECTOR="dummy",
            JARVICE_DUMMY_JOB_QUEUED_TIME=1,
            JARVICE_DUMMY_JOB_RUNNING_TIME=2,
            JARVICE_DUMMY_JOB_FAILING_PERCENT=0,
            WEIR_USERS_FILE=None,
            **keep,
        ).start(),
    )
    tokens.get()
    loads = {"dummy": Load(dummy, 20, seconds), "slurm": Load(line.upstream, 1, seconds)}
    over = threading.Event()
    thrower = threading.Thread(target=throw, args=(line, cluster, over, max(3, seconds / 60), say))
    with Watch(line.weir, [line.runner.name]) as watch:
        threads = [threading.Thread(target=load.run) for load in loads.values()]
        for thread in (*threads, thrower):
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        thrower.join()
    faults = [f"slurm: {fault}" for fault in dict.fromkeys(watch.faults)]
    judged = {name: judge(load) for name, load in loads.items()}
    most = {
        name: {kind: max(getattr(sample, kind) for sample in load.samples) for kind in ALLOWED}
        for name, load in loads.items()
    }
    for name, load in loads.items():
        load.upstream.settle(90)
        faults += [f"{name}: {fault}" for fault in load.upstream.faults]
    tally = line.upstream.count()
    jobs = {name: len(load.upstream.orders) for name, load in loads.items()}
    for upstream in (dummy, line.upstream):
        faults += upstream.weir.stop_faults()
        upstream.clean()
    line.proxy.close()
    return {
        "judged": judged, "most": most, "jobs": jobs, "lost": tally.lost, "doubled": tally.doubled, "faults": faults,
        "live": sorted(watch.live),
    }  # fmt: skip


def main():
    minutes = manual.number(30)
    began = time.monotonic()

    def say(text):
        print(f"[soak] {(time.monotonic() - began) / 60:5.1f} min: {text}")

    with tempfile.TemporaryDirectory(prefix="weir-soak-") as directory:
        result = run(Cluster(), pathlib.Path(directory), minutes * 60, say)
    flat, table = True, []
    for name, lines in result["judged"].items():
        for text, good in lines:
            table.append(f"{name:6} {text}{'' if good else '   NOT FLAT'}")
            print("  " + table[-1])
            flat = flat and good
    for kind in ("lost", "doubled", "faults"):
        for text in result[kind][:20]:
            print(f"  {kind}: {text}")
    live = result["live"]
    summary = (
        f"{minutes:.0f} min: {result['jobs']['dummy']} jobs through the dummy, {result['jobs']['slurm']} through Slurm, "
        f"{len(result['lost'])} lost, {len(result['doubled'])} doubled, {len(result['faults'])} other faults; "
        f"/live p50 {statistics.median(live) * 1000:.1f} ms, p99 {live[int(len(live) * 0.99)] * 1000:.1f} ms"
    )
    print(summary)
    manual.write("soak", [f"Measured: {summary}", "", "```", *table, "```"])
    sys.exit(0 if flat and not result["lost"] and not result["doubled"] and not result["faults"] else 1)


if __name__ == "__main__":
    main()

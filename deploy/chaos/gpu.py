"""Weir is killed at random while jobs flow to GPU servers whose sshd's restart and whose network goes away."""

import collections
import itertools
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import manual
import steps
from harness import job_name, wait_until
from rig import SUCCESS, GPUWeir, Rig, job_text

SERVERS = ("alpha", "beta", "gamma", "distant")
# Jobs that wait or run at a time; there are eight GPUs.
UNDER_WAY = 14


class Order:
    """A job that is to run: what was answered of it, and what it said itself."""

    def __init__(self, directory: pathlib.Path, number: int):
        self.name = job_name()
        self.gpus = random.choice([0, 1, 1, 1, 1, 2])
        self.is_doomed = random.random() < 0.15
        self.file = directory / str(number)
        length = 30 if self.is_doomed else random.choice([0, 0.2, 0.5, 1, 2])
        # Each run leaves a line of its own when it begins, and one when it ends.
        self.text = job_text(
            f"""
            say() {{ echo "$1 $PROCESS_NODENAME $(date +%s.%N) $BARE_GPU" >>{self.file}; }}
            trap 'say end; exit' TERM
            say begin
            sleep {length}
            say end
            """
            + SUCCESS,
            self.gpus,
        )
        self.answer = None
        self.last = "nothing"  # what /submit, or later /exitstatus, said last
        self.is_canceled = False
        self.end = None

    @property
    def args(self) -> dict:
        return {"name": self.name, "number": 1, "jobid": self.answer[0]}

    def lines(self, word: str) -> list:
        try:
            return [line.split() for line in self.file.read_text().splitlines() if line.startswith(word + " ")]
        except OSError:
            return []


class Flow:
    """An upstream that keeps jobs under way whatever becomes of Weir, and keeps accounts."""

    def __init__(self, rig: Rig, weir: GPUWeir):
        self.rig, self.weir = rig, weir
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=rig.shared))
        self.directory.chmod(0o777)
        self.orders, self.numbers = [], itertools.count()
        self.faults = []
        self.is_closed = False
        self.over = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self.submit_all, self.ask_all)]

    def open(self):
        for thread in self.threads:
            thread.start()

    def call(self, call, *arguments, **options):
        """The answer; None when Weir is not there."""
        try:
            return call(*arguments, **options)
        except OSError:
            return None
        except Exception as error:  # noqa: BLE001 an answer that was cut off
            return None if "IncompleteRead" in repr(error) or "BadStatusLine" in repr(error) else self.fault(repr(error))

    def fault(self, sentence: str):
        self.faults.append(sentence)

    def under_way(self) -> list:
        return [order for order in self.orders if order.end is None]

    def submit_all(self):
        bearer = self.weir.token()
        while not self.over.is_set():
            waiting = [order for order in self.orders if order.answer is None]
            if not self.is_closed and len(self.under_way()) < UNDER_WAY:
                self.orders.append(Order(self.directory, next(self.numbers)))
                waiting.append(self.orders[-1])
            for order in waiting:
                answer = self.call(self.weir.try_submit, order.text, order.name, bearer=bearer)
                if answer:
                    order.last = f"{answer.status} {answer.body[:200]}"
                if answer and answer.status == 200:
                    order.answer = answer.json()
                elif answer and answer.status not in (503, 429):
                    self.fault(f"{order.name}: submit answered {answer.status}: {answer.body[:200]}")
            self.over.wait(0.02 if waiting else 0.05)

    def ask_all(self):
        while not self.over.is_set():
            asked = [order for order in self.under_way() if order.answer]
            # In this order: a job only ever moves on from the one to the other.
            lists = [self.call(self.weir.get, path) for path in ("/queued", "/running")]
            listed = None
            if all(answer and answer.status == 200 for answer in lists):
                listed = {name for answer in lists for name, _ in answer.json()}
            for order in asked:
                if order.is_doomed and not order.is_canceled and (random.random() < 0.3 or self.is_closed):
                    answer = self.call(self.weir.post, "/terminate", order.args)
                    order.is_canceled = bool(answer and answer.status == 200)
                answer = self.call(self.weir.post, "/exitstatus", order.args)
                if answer:
                    order.last = f"{answer.status} {answer.body[:200]}"
                if answer and answer.status == 200:
                    order.end = answer.json()
                elif answer and answer.status == 409 and listed is not None and order.name not in listed:
                    self.fault(f"{order.name} is not over, and was in no list: {answer.body[:200]}")
                elif answer and answer.status not in (409, 503):
                    self.fault(f"{order.name}: exitstatus answered {answer.status}: {answer.body[:200]}")
            self.over.wait(0.1)

    def settle(self, seconds: float = 90):
        """Takes no more orders, and waits for the ends of all."""
        self.is_closed = True
        try:
            wait_until(lambda: all(order.end for order in self.orders), seconds)
        except AssertionError:
            pass
        self.over.set()
        for thread in self.threads:
            thread.join()

    def count(self) -> dict:
        """What was lost or doubled, and what else was not right, as sentences."""
        lost, doubled, faults = [], [], list(self.faults)
        uses = collections.defaultdict(list)
        for order in self.orders:
            begun, ended = order.lines("begin"), order.lines("end")
            if order.answer is None or order.end is None:
                lost.append(
                    f"{order.name}: answer {order.answer and order.answer[0]}, no end, {len(begun)} runs; last {order.last}")
                continue
            code, lasted, (output, state) = order.end
            if len(begun) > 1:
                doubled.append(f"{order.name} ran {len(begun)} times: {begun}")
            if not order.is_doomed and (code != 0 or len(begun) != 1 or len(ended) != 1):
                lost.append(f"{order.name}: {code} {state}, {len(begun)} runs: {output[-300:]}")
            if order.is_doomed and code != -15:
                faults.append(f"{order.name} was canceled, and ended with {code} {state}")
            for (_, server, began, *gpus), (_, _, until, *_) in zip(begun, ended):
                began, until = float(began), float(until)
                hours, minutes, seconds = (int(part) for part in lasted.split(":"))
                told = hours * 3600 + minutes * 60 + seconds
                if abs(told - (until - began)) > 3:
                    faults.append(f"{order.name} ran {until - began:.1f} s, and {lasted} is told")
                for gpu in gpus[0].split(",") if gpus else []:
                    uses[server, gpu].append((began, until, order.name))
        for place, times in uses.items():
            times.sort()
            for (_, until, one), (began, _, other) in itertools.pairwise(times):
                if began < until:
                    faults.append(f"{one} and {other} had {place} at the same time")
        return {
            "jobs": len(self.orders), "lost": lost, "doubled": doubled, "faults": faults,
            "given": sum(len(times) for times in uses.values()),
        }  # fmt: skip


class Troubles:
    """What happens to the servers meanwhile: sshd's restart, and the network of one goes away."""

    def __init__(self, rig: Rig, pause: float, blocked: float):
        self.rig, self.pause, self.blocked = rig, pause, blocked
        self.restarts, self.outages = 0, 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self.restart_some, self.block_one)]
        for thread in self.threads:
            thread.start()

    def restart_some(self):
        while not self.over.wait(random.uniform(0.5, 1.5) * self.pause):
            self.rig.server(random.choice(SERVERS)).restart()
            self.restarts += 1

    def block_one(self):
        proxy = self.rig.server("distant").proxy
        while not self.over.wait(random.uniform(0.5, 1.5) * self.pause):
            self.outages += 1
            proxy.block()
            self.over.wait(self.blocked)
            # Some networks forget the connections that they had.
            if random.random() < 0.5:
                proxy.cut_all()
            proxy.unblock()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def run(rig: Rig, directory: pathlib.Path, times: int, pause: float, blocked: float, say=lambda line: None) -> dict:
    """Kills that often and counts; see ``Flow.count``."""
    weir = GPUWeir(rig, directory, [rig.server(name) for name in SERVERS])
    named = []
    if steps.BINARY.exists() and b"CHECKPOINT_KILL_AT" in steps.BINARY.read_bytes():
        weir.binary = steps.BINARY
        parts = ("submit", "place", "start", "cancel", "end", "store")
        named = [name for name in steps.points("gpu") if name.split(".")[0] in parts]
    weir.start()
    flow, troubles, began = Flow(rig, weir), Troubles(rig, pause, blocked), time.monotonic()
    reached = collections.Counter()
    flow.open()
    for number in range(1, times + 1):
        step = weir.settings.get("CHECKPOINT_KILL_AT", "").split(":")[0]
        try:
            weir.process.wait(random.uniform(0.1, 2) if not step else 3)
            reached[step] += 1
        except subprocess.TimeoutExpired:
            weir.kill()
            reached["at random"] += 1
        flow.faults += weir.damage()
        weir.settings.pop("CHECKPOINT_KILL_AT", None)
        if named and number < times and random.random() < 0.5:
            weir.settings["CHECKPOINT_KILL_AT"] = f"{random.choice(named)}:{random.choice([1, 1, 2, 3])}"
        try:
            weir.start(ready=False)
        except AssertionError as fault:
            if "CHECKPOINT_KILL_AT" not in weir.settings:
                flow.fault(f"did not start again: {fault}")
        if number % 10 == 0:
            rate = number * 60 / (time.monotonic() - began)
            say(f"{number} kills, {rate:.0f} a minute, {len(flow.orders)} jobs, {len(flow.faults)} faults")
    troubles.end()
    if weir.process.poll() is not None:
        weir.start(ready=False)
    flow.settle()
    flow.faults += weir.stop_faults()
    flow.faults += weir.damage()
    return {
        "kills": times, "restarts": troubles.restarts, "outages": troubles.outages, "reached": reached,
        "minutes": (time.monotonic() - began) / 60, **flow.count(),
    }  # fmt: skip


def main():
    times = int(manual.number(200))
    rig = Rig()
    try:
        with tempfile.TemporaryDirectory(prefix="weir-gpu-") as directory:
            result = run(rig, pathlib.Path(directory), times, 20, 60, lambda line: print("[gpu]", line))
    finally:
        rig.remove()
    for step, count in sorted(result["reached"].items()):
        print(f"  {step:26} {count:5}")
    for kind in ("lost", "doubled", "faults"):
        for line in result[kind][:20]:
            print(f"  {kind}: {line}")
    summary = (
        f"{result['kills']} kills, {result['restarts']} restarts of an sshd, {result['outages']} times no network for 60 s; "
        f"{result['jobs']} jobs, {len(result['lost'])} lost, {len(result['doubled'])} doubled, "
        f"{len(result['faults'])} other faults; GPUs given out {result['given']} times; in {result['minutes']:.1f} min"
    )
    print(summary)
    manual.write("gpu", [f"Measured: {summary}."])
    sys.exit(1 if result["lost"] or result["doubled"] or result["faults"] else 0)


if __name__ == "__main__":
    main()

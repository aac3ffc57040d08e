"""Weir is killed at every named step of a job's life, again and again, while an upstream submits, cancels and asks."""

import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import manual
from harness import Cluster, Weir, settings
from steps import BINARY, points
from upstream import Tally, Upstream

# The step before which a job has to be in the state that the second step is about.
PREPARED_BY = {"settle.begun": "submit.row-written", "settle.found": "submit.answered"}
# The steps that are reached only where the observer does not see the job first: its login is refused.
UNOBSERVED = ("settle.found",)


def schedule(kills: int) -> list:
    """Pairs of steps and delays: every step equally often, half of the kills a few milliseconds later."""
    names, result = points(), []
    while len(result) < kills:
        round = random.sample(names, len(names))
        result += [(name, random.choice(["", "", f"+{random.randint(1, 30)}"])) for name in round]
    return result[:kills]


class Victim:
    """One Weir that is killed, with its upstream."""

    def __init__(self, cluster: Cluster, directory: pathlib.Path, **changes):
        self.weir = Weir(directory, WEIR_POLL_INTERVAL=1, WEIR_SUBMIT_DEADLINE=30, **changes)
        self.weir.binary = BINARY
        self.upstream = Upstream(cluster, self.weir)
        self.kills = {}
        self.missed = {}
        self.over = threading.Event()

    def reach(self, point: str, delay: str):
        """Lives until one has ended at that step, or three have not: on a busy machine a life may be too short."""
        before = self.kills.get(point, 0)
        for _ in range(3):
            if point in PREPARED_BY:
                self.life(PREPARED_BY[point], "")
            self.life(point, delay)
            if self.kills.get(point, 0) > before:
                break

    def life(self, point: str, delay: str):
        """From a start to the kill at that step; a step that is not reached in time is noted."""
        # Most steps are passed several times in a life.
        once = point in ("submit.refused", "submit.row-removed") or point.split(".")[0] not in ("submit", "observe", "store")
        nth = 1 if once else random.choice([1, 1, 2])
        self.weir.settings["CHECKPOINT_KILL_AT"] = f"{point}:{nth}{delay}"
        # Output is removed a second after it was answered only where its removal is the step.
        self.weir.settings["WEIR_KEEP_OUTPUT"] = "1" if point.startswith("removal.") else "86400"
        observer = settings()["JARVICE_SLURM_SSH_USER"]
        if point in UNOBSERVED:
            observer = "mario" + observer.removeprefix("jarvice")
        self.weir.settings["JARVICE_SLURM_SSH_USER"] = observer
        self.over.clear()
        try:
            self.weir.start(ready=False)
        except AssertionError:
            pass  # killed before it listened
        senders = [threading.Thread(target=self.send, args=(point, part)) for part in range(3)]
        for sender in senders:
            sender.start()
        try:
            status = self.weir.process.wait(12)
        except subprocess.TimeoutExpired:
            status = None
            self.weir.kill()
        self.over.set()
        for sender in senders:
            sender.join()
        if status is None:
            self.missed[point] = self.missed.get(point, 0) + 1
        elif status == -signal.SIGKILL:
            self.kills[point] = self.kills.get(point, 0) + 1
        else:
            self.upstream.faults.append(f"ended with {status} instead of being killed at {point}: {self.weir.log[-500:]}")
        self.upstream.faults += self.weir.damage()

    def send(self, point: str, part: int):
        """A part of what the upstream does in one life."""
        upstream = self.upstream
        if part == 0:
            waiting = [order for order in upstream.orders if order.answer is None and not order.refused]
            random.shuffle(waiting)
            # What was cut off before may wait for its deadline: first what is new.
            if point in ("submit.refused", "submit.row-removed"):
                self.unless_over(upstream.submit, upstream.order("impossible"))
            for order in [upstream.order() for _ in range(3)] + waiting[:4]:
                self.unless_over(upstream.submit, order)
        if part == 1 and point.startswith("cancel."):
            self.use("long", "/terminate")
        if part == 1 and point.startswith("release."):
            self.use("held", "/release")
        if part == 2:
            while not self.over.wait(0.1):
                for order in [o for o in upstream.orders if o.kind == "plain" and o.answer and o.end is None][:8]:
                    self.unless_over(upstream.ask, order)

    def use(self, kind: str, path: str):
        order = self.upstream.order(kind)
        while order.answer is None and not self.over.is_set():
            self.upstream.submit(order)
        while order.answer and not self.over.is_set() and self.upstream.act(order, path) != 200:
            self.over.wait(0.1)

    def unless_over(self, call, order):
        if not self.over.is_set():
            call(order)

    def finish(self) -> Tally:
        del self.weir.settings["CHECKPOINT_KILL_AT"]
        self.weir.settings["JARVICE_SLURM_SSH_USER"] = settings()["JARVICE_SLURM_SSH_USER"]
        self.weir.start()
        self.upstream.settle()
        tally = self.upstream.count()
        self.upstream.faults += self.weir.stop_faults() + self.weir.damage()
        self.upstream.clean()
        return tally


def run(cluster: Cluster, directory: pathlib.Path, kills: int, workers: int, say=lambda line: None) -> dict:
    """Kills that often and counts; `faults` is empty when all promises were kept."""
    plan, lock = schedule(kills), threading.Lock()
    victims, tallies, began = [], [], time.monotonic()
    for number in range(workers):
        (directory / f"weir{number}").mkdir()
        victims.append(Victim(cluster, directory / f"weir{number}"))

    def work(victim):
        while True:
            with lock:
                if not plan:
                    break
                point, delay = plan.pop()
            victim.reach(point, delay)
        tallies.append(victim.finish())

    def done():
        return sum(sum(victim.kills.values()) for victim in victims)

    threads = [threading.Thread(target=work, args=(victim,)) for victim in victims]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        threads[0].join(10) if threads[0].is_alive() else threads[-1].join(10)
        count, faults = done(), sum(len(victim.upstream.faults) for victim in victims)
        jobs = sum(len(victim.upstream.orders) for victim in victims)
        rate = count * 60 / (time.monotonic() - began)
        say(f"{count} kills, {rate:.0f} a minute, {jobs} jobs, {faults} faults")
    per_point = {name: sum(victim.kills.get(name, 0) for victim in victims) for name in points()}
    return {
        "kills": done(),
        "kills of each step": per_point,
        "steps not reached in time": {k: v for victim in victims for k, v in victim.missed.items()},
        "jobs": sum(tally.jobs for tally in tallies),
        "lost": [line for tally in tallies for line in tally.lost],
        "doubled": [line for tally in tallies for line in tally.doubled],
        "faults": [line for victim in victims for line in victim.upstream.faults],
        "minutes": (time.monotonic() - began) / 60,
    }


def main():
    kills = int(manual.number(1000))
    with tempfile.TemporaryDirectory(prefix="weir-kills-") as directory:
        result = run(
            Cluster(), pathlib.Path(directory), kills, int(os.environ.get("WEIR_JOBS", "2")),
            lambda line: print("[kills]", line),
        )
    for name, count in result["kills of each step"].items():
        print(f"  {name:26} {count:5}")
    for point, count in result["steps not reached in time"].items():
        print(f"  {point}: not reached in {count} lives")
    for kind in ("lost", "doubled", "faults"):
        for line, times in list(collections.Counter(result[kind]).items())[:20]:
            print(f"  {kind}: {times} times: {line}")
    summary = (
        f"{result['kills']} kills, {result['jobs']} jobs, {len(result['lost'])} lost, {len(result['doubled'])} doubled, "
        f"{len(result['faults'])} other faults, in {result['minutes']:.1f} min"
    )
    print(summary)
    each = result["kills of each step"]
    manual.write("kills", [f"Measured: {summary}; each of {len(each)} steps {min(each.values())} times or more."])
    sys.exit(1 if result["lost"] or result["doubled"] or result["faults"] else 0)


if __name__ == "__main__":
    main()

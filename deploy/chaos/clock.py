"""The calendar is stepped under a running Weir, at each step of a submit, of an end and of a loss, while Slurm runs on."""

import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import manual
import upstream as upstreams
from harness import REPOSITORY, Cluster, Weir, token, wait_until
from standin import StandIn
from steps import BINARY
from upstream import Upstream

# Seconds by which the calendar is stepped.
STEPS = (-3600, 120, 3600)
SUBMIT = (
    "submit.begun", "submit.row-half-written", "submit.row-written", "submit.answered", "submit.id-written",
    "submit.refused", "submit.row-removed",
)  # fmt: skip
END = ("observe.begun", "observe.queue-read", "observe.seen", "end.decided", "end.written")
# Reached while a submit is in doubt. A poll finds the job first as a rule, so that settle.found is not.
SETTLE = ("settle.begun",)
LOSS = ("observe.begun", "observe.seen", "observe.applied")
# Seconds; the least that the setting takes.
LOST_AFTER = 10
# Seconds for what should be there soon.
SOON = 40


class Calendar:
    """What a program believes the time to be; its monotonic clock and its timers are the machine's."""

    def __init__(self, directory: pathlib.Path):
        self.library = directory / "calendar.so"
        self.file = directory / "calendar"
        self.offset = 0
        self.file.write_bytes(struct.pack("=q", 0))
        source = REPOSITORY / "deploy/chaos/calendar.c"
        compiler = shutil.which("cc") or shutil.which("clang")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", self.library, source, "-ldl"], check=True)

    def step(self, seconds: int):
        self.offset += seconds
        with open(self.file, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", self.offset))

    @property
    def environment(self) -> dict:
        return {"LD_PRELOAD": str(self.library), "CALENDAR_FILE": str(self.file)}


class Subject:
    """A Weir whose calendar is stepped, with its upstream."""

    def __init__(self, cluster: Cluster, directory: pathlib.Path):
        self.calendar = Calendar(directory)
        self.login = StandIn()
        self.stop_file = directory / "stop"
        self.weir = Weir(
            directory, WEIR_POLL_INTERVAL=1, WEIR_LOST_AFTER=LOST_AFTER,
            CHECKPOINT_STOP_FILE=self.stop_file, **self.calendar.environment, **self.login.settings,
        )  # fmt: skip
        self.weir.binary = BINARY
        # The calendar is what a token's times are held against, so that these are wide.
        now = int(time.time())
        upstreams.tokens.text = token(iat=now - 30 * 86400, exp=now + 30 * 86400)
        upstreams.tokens.made = time.monotonic()
        self.upstream = Upstream(cluster, self.weir)
        self.stops = 0

    @property
    def faults(self) -> list:
        return self.upstream.faults

    def step_at(self, point: str, seconds: int, action=None):
        """Steps the calendar while Weir stands at that point of what the action does, and waits for the action's end."""
        self.stop_file.with_suffix(".new").write_text(point)
        self.stop_file.with_suffix(".new").rename(self.stop_file)
        thread = threading.Thread(target=action or (lambda: None))
        thread.start()
        try:
            wait_until(self.is_stopped, SOON, 0.01)
            self.stops += 1
        except AssertionError:
            self.faults.append(f"{point} was not reached")
            self.stop_file.unlink(missing_ok=True)
        finally:
            self.calendar.step(seconds)
            self.weir.process.send_signal(signal.SIGCONT)
            thread.join()

    def is_stopped(self) -> bool:
        status = pathlib.Path(f"/proc/{self.weir.process.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "T"

    # ------------------------------------------------------------ what is looked at

    def submit(self, point: str, seconds: int):
        order = self.upstream.order("impossible" if point in ("submit.refused", "submit.row-removed") else "plain")
        self.step_at(point, seconds, lambda: self.upstream.submit(order))

    def end(self, point: str, seconds: int):
        """A job ends about when the point is reached."""
        order = self.upstream.order()
        self.upstream.submit(order)
        self.step_at(point, seconds)

    def late_submit(self, seconds: int, point: str = None):
        """The answer of sbatch is late, and so is the job; meanwhile the calendar is stepped, and the upstream asks."""
        order = self.upstream.order()
        self.login.late_sbatch()
        thread = threading.Thread(target=self.upstream.submit, args=(order,))
        thread.start()
        wait_until(lambda: not (self.login.flags / "late").exists(), SOON)
        if point:
            self.step_at(point, seconds)
        else:
            self.calendar.step(seconds)
        thread.join()
        self.insist(order)

    def insist(self, order, seconds: float = 60):
        """Submits again, as an upstream does, until that is answered."""
        deadline = time.monotonic() + seconds
        while order.answer is None:
            if time.monotonic() > deadline:
                self.faults.append(f"{order.name}: never answered: {order.last}")
                return
            self.upstream.submit(order)
            time.sleep(0.5)

    def loss(self):
        """A job that nothing shows is lost after its time and no sooner, and lives on when it is seen again."""
        order = self.upstream.order("long")
        self.insist(order)
        wait_until(lambda: [order.name, order.id] in self.weir.get("/running").json(), SOON)
        self.login.hide()
        try:
            began = time.monotonic()
            self.step_at("observe.begun", 0)
            for point in LOSS:
                for seconds in STEPS:
                    # Only stops within the time say something; each takes about a second.
                    if time.monotonic() - began < LOST_AFTER - 3:
                        self.step_at(point, seconds)
                    if time.monotonic() - began < LOST_AFTER and self.end_of(order):
                        self.faults.append(f"{order.name}: over after {time.monotonic() - began:.1f} s, {point}, {seconds}")
            told = wait_until(lambda: self.end_of(order), SOON)
            if told[0] != -9 or "LOST" not in told[2][1]:
                self.faults.append(f"{order.name}: hidden, and ended with {told}")
            if time.monotonic() - began < LOST_AFTER:
                self.faults.append(f"{order.name}: lost after {time.monotonic() - began:.1f} s")
            self.calendar.step(STEPS[-1])
        finally:
            self.login.hide(False)
        wait_until(lambda: [order.name, order.id] in self.weir.get("/running").json(), SOON)
        if self.end_of(order) != told:
            self.faults.append(f"{order.name}: what was told has changed: {self.end_of(order)}")
        self.upstream.act(order, "/terminate")
        wait_until(lambda: order.name not in self.weir.listed(), SOON)
        if self.end_of(order) != told:
            self.faults.append(f"{order.name}: what was told has changed: {self.end_of(order)}")
        order.end = told

    def end_of(self, order):
        answer = self.weir.post("/exitstatus", order.args)
        return answer.json() if answer.status == 200 else None

    def finish(self):
        self.upstream.settle()
        tally = self.upstream.count()
        self.upstream.faults += self.weir.stop_faults() + self.weir.damage()
        return tally

    def close(self):
        self.login.close()
        if self.weir.process and self.weir.process.poll() is None:
            self.weir.kill()
        self.upstream.clean()


def run(
    cluster: Cluster, directory: pathlib.Path, submits=SUBMIT, ends=END, settles=(None, *SETTLE), steps=STEPS,
    say=lambda line: None,
) -> dict:  # fmt: skip
    """Steps the calendar by each of `steps` at each of the points and counts; `faults` is empty when all is kept."""
    subject = Subject(cluster, directory)
    try:
        subject.weir.start()
        for seconds in steps:
            for point in submits:
                subject.submit(point, seconds)
            for point in ends:
                subject.end(point, seconds)
            for point in settles:
                subject.late_submit(seconds, point)
            say(f"{seconds:+d} s: {subject.stops} steps, {len(subject.upstream.orders)} jobs, {len(subject.faults)} faults")
        # Of many jobs that vanish at once none is believed to be lost: here it is one.
        subject.upstream.settle()
        subject.loss()
        tally = subject.finish()
    finally:
        subject.close()
    return {
        "stops": subject.stops, "jobs": tally.jobs, "lost": tally.lost, "doubled": tally.doubled,
        "faults": subject.faults,
    }  # fmt: skip


def main():
    with tempfile.TemporaryDirectory(prefix="weir-clock-") as directory:
        result = run(Cluster(), pathlib.Path(directory), say=lambda line: print("[clock]", line))
    for kind in ("lost", "doubled", "faults"):
        for line in result[kind]:
            print(f"  {kind}: {line}")
    summary = (
        f"{result['stops']} steps of the clock, {result['jobs']} jobs, {len(result['lost'])} lost, "
        f"{len(result['doubled'])} doubled, {len(result['faults'])} other faults"
    )
    print(summary)
    manual.write("clock", [f"Measured: {summary}."])
    sys.exit(1 if result["lost"] or result["doubled"] or result["faults"] else 0)


if __name__ == "__main__":
    main()

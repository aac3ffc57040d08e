"""The way to the cluster fails in every phase of a connection, and in every manner."""

import pathlib
import random
import statistics
import sys
import tempfile
import threading
import time

import manual
from harness import Cluster, Weir
from proxy import KINDS, PHASES, Fault, Proxy
from upstream import Tally, Upstream

# Well again within this many seconds after the way is: a connection that swallows everything is given up after 30.
BOUND = 75
# The longest that /live may take.
LIVE = 0.05


class Watch:
    """Asks /live all the time, and /running whether it shows a job that runs."""

    def __init__(self, weir: Weir, names: list):
        self.weir, self.names = weir, names
        self.live, self.faults = [], []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.watch_live), threading.Thread(target=self.watch_list)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def watch_live(self):
        while not self.over.wait(0.05):
            begin = time.monotonic()
            try:
                status = self.weir.get("/live").status
            except OSError as error:
                self.faults.append(f"/live: {error}")
                return
            self.live.append(time.monotonic() - begin)
            if status != 200:
                self.faults.append(f"/live answered {status}")

    def watch_list(self):
        while not self.over.wait(0.2):
            try:
                answer = self.weir.get("/running")
            except OSError as error:
                self.faults.append(f"/running: {error}")
                return
            if answer.status == 200:
                shown = {name for name, _ in answer.json()}
                self.faults += [f"{name} runs and is not in /running" for name in self.names if name not in shown]
            elif answer.status != 503:
                self.faults.append(f"/running answered {answer.status}")


class Line:
    """One Weir behind one proxy, with its upstream."""

    def __init__(self, cluster: Cluster, directory: pathlib.Path, **changes):
        self.proxy = Proxy()
        self.weir = Weir(
            directory,
            JARVICE_SLURM_CLUSTER_PORT=self.proxy.port,
            WEIR_SSH_KNOWN_HOSTS=self.proxy.known_hosts(directory / "known_hosts"),
            WEIR_STALE_AFTER=5,
            WEIR_POLL_INTERVAL=1,
            WEIR_SUBMIT_DEADLINE=30,
            **changes,
        ).start()
        self.upstream = Upstream(cluster, self.weir)
        self.results = []  # (fault, seconds until well again, until every submit was answered, times of /live)
        self.runner = self.upstream.order("long")
        self.until(lambda: self.upstream.submit(self.runner) == 200, BOUND)
        self.until(self.is_well, BOUND)

    def is_well(self) -> bool:
        """All is answered, and the job that runs is in the list of those that do."""
        running = self.weir.get("/running")
        return (
            self.weir.get("/ready").status == 200
            and running.status == 200
            and self.runner.name in {name for name, _ in running.json()}
        )

    @staticmethod
    def until(condition, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def suffer(self, fault: Fault):
        orders = [self.upstream.order() for _ in range(3)]
        senders = [threading.Thread(target=self.upstream.submit, args=(order,)) for order in orders[:2]]
        with Watch(self.weir, [self.runner.name]) as watch:
            self.proxy.arm(fault)
            for sender in senders:
                sender.start()
            time.sleep(3)
            self.upstream.submit(orders[2])
            for sender in senders:
                sender.join()
            self.proxy.heal()
            begin = time.monotonic()
            well = self.until(self.is_well, BOUND)
            took = time.monotonic() - begin
            # A submit whose connection went away is settled by its deadline at the latest.
            settled = self.until(lambda: all([o.answer or self.upstream.submit(o) == 200 for o in orders]), BOUND)
            settling = time.monotonic() - begin
        self.upstream.faults += [f"{fault}: {line}" for line in sorted(set(watch.faults))]
        if not well:
            self.upstream.faults.append(f"{fault}: not well again after {BOUND} s: {self.weir.get('/ready').body}")
        if not settled:
            self.upstream.faults.append(f"{fault}: not every submit is answered after {BOUND} s")
        if not fault.met:
            self.upstream.faults.append(f"{fault}: no connection came to it")
        self.results.append((fault, took, settling, watch.live))

    def finish(self) -> Tally:
        self.upstream.settle(60)
        tally = self.upstream.count()
        self.weir.stop()
        self.proxy.close()
        self.upstream.clean()
        return tally

    def is_over(self) -> bool:
        """Whether Weir ended, which is a fault and needs no more to be asked."""
        status = self.weir.process.poll()
        if status is not None:
            self.upstream.faults.append(f"Weir ended with {status}: {self.weir.log[-1000:]}")
        return status is not None


def plan(faults: int) -> list:
    """Every phase with every kind, in random order, as often as it takes."""
    result = []
    while len(result) < faults:
        round = [(phase, kind) for phase in PHASES for kind in KINDS if (phase, kind) != ("connect", "trickle")]
        random.shuffle(round)
        result += round
    return [Fault(phase, kind, random.uniform(0.5, 4)) for phase, kind in result[:faults]]


def run(cluster: Cluster, directory: pathlib.Path, faults: list, lines: int = 2, say=lambda line: None) -> dict:
    faults, lock, made, tallies = list(faults), threading.Lock(), [], []

    def work(number):
        (directory / f"line{number}").mkdir()
        line = Line(cluster, directory / f"line{number}")
        made.append(line)
        while True:
            with lock:
                if not faults:
                    break
                fault = faults.pop()
            try:
                line.suffer(fault)
            except OSError:
                if line.is_over():
                    line.upstream.faults.append(f"that was: {fault}")
                    return
                raise
            _, took, settling, live = line.results[-1]
            say(f"{str(fault):24} well {took:4.1f} s, submits {settling:4.1f} s, /live at most {max(live) * 1000:.0f} ms")
        tallies.append(line.finish())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(lines)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = [result for line in made for result in line.results]
    return {
        "results": results,
        "live": [second for *_, live in results for second in live],
        "jobs": sum(tally.jobs for tally in tallies),
        "lost": [line for tally in tallies for line in tally.lost],
        "doubled": [line for tally in tallies for line in tally.doubled],
        "faults": [line for made_line in made for line in made_line.upstream.faults],
    }


def main():
    number = int(manual.number(60))
    with tempfile.TemporaryDirectory(prefix="weir-network-") as directory:
        result = run(
            Cluster(), pathlib.Path(directory), plan(number), 4, lambda line: print("[network]", line)
        )
    live = sorted(result["live"])
    table = ["| Phase | " + " | ".join(KINDS) + " |", "|---" * (len(KINDS) + 1) + "|"]
    for phase in PHASES:
        cells = []
        for kind in KINDS:
            some = [row[1:3] for row in result["results"] if (row[0].phase, row[0].kind) == (phase, kind)]
            cells.append(" / ".join(f"{max(times):.1f}" for times in zip(*some)))
        table.append(f"| {phase} | " + " | ".join(cells) + " |")
    print("\n".join(table))
    for kind in ("lost", "doubled", "faults"):
        for line in result[kind][:20]:
            print(f"  {kind}: {line}")
    slow = sum(second > LIVE for second in live)
    summary = (
        f"{len(result['results'])} faults, {result['jobs']} jobs, {len(result['lost'])} lost, "
        f"{len(result['doubled'])} doubled, {len(result['faults'])} other faults; /live p50 "
        f"{statistics.median(live) * 1000:.1f} ms, p99 {live[int(len(live) * 0.99)] * 1000:.1f} ms, "
        f"over 50 ms {slow} of {len(live)}"
    )
    print(summary)
    manual.write("network", [f"Measured: {summary}. The longest times in seconds, well again / submits answered:", "", *table])
    sys.exit(1 if result["lost"] or result["doubled"] or result["faults"] else 0)


if __name__ == "__main__":
    main()

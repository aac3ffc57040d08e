#!/usr/bin/env python3
"""What a store of many jobs costs: start, /running and /runstatus with 1,000 ended jobs and with many more.

    deploy/bench/store.py [JOBS]

JOBS is how many ended jobs the large store has, 100,000 unless given. Both stores have 20 jobs that have not ended. The first
start of each, which may change the store, is not measured; the time of a start is that until /ready answers 200. A large store
is looked through beside the service once it has started: calls are measured after that.
"""

import pathlib
import shutil
import statistics
import sys
import tempfile
import time

from dummies import Weir, generate, job
from figures import note

FEW, MANY = 1000, int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
LIVING = 20
STARTS = 5


def measure(count: int) -> dict:
    state = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-"))
    try:
        generate(state, count, LIVING)
        first = Weir(state)
        first.settle()
        first.stop()
        runs = [run(state, count) for _ in range(STARTS)]
        size = sum(file.stat().st_size for file in state.glob("weir.sqlite*") if ".before-" not in file.name)
        return {
            "first start, ms": first.start * 1000,
            "start, least of 5, ms": min(run["start, ms"] for run in runs),
            "start, median of 5, ms": statistics.median(run["start, ms"] for run in runs),
            **{what: min(run[what] for run in runs) for what in runs[0] if what != "start, ms"},
            "database, MB": size / 1e6,
        }
    finally:
        shutil.rmtree(state)


def run(state: pathlib.Path, count: int) -> dict:
    weir = Weir(state)
    figures = {"start, ms": weir.start * 1000, "processor time until idle, s": weir.settle()}
    for what, path, args in [
        ("/running", "/running", None),
        ("/runstatus of one that runs", "/runstatus", job(count)),
        ("/runstatus of one that ended long ago", "/runstatus", job(7)),
    ]:
        times = []
        for _ in range(500):
            began = time.perf_counter()
            status, body = weir.call(path, args)
            times.append((time.perf_counter() - began) * 1e6)
            assert status == 200 and b"null,null,null" not in body, body
        figures[what + ", µs"] = statistics.median(times)
    figures["resident, MB"], figures["resident at most, MB"] = weir.memory("VmRSS"), weir.memory("VmHWM")
    weir.stop()
    return figures


few, many = measure(FEW), measure(MANY)
print(f"{'':36} {f'{FEW:,} jobs':>14} {f'{MANY:,} jobs':>14} {'ratio':>6}")
for what in few:
    print(f"{what:36} {few[what]:14.1f} {many[what]:14.1f} {many[what] / few[what]:6.2f}")
    name, unit = what.rsplit(", ", 1)
    if name not in ("first start", "start, median of 5"):  # which vary more than the least does
        note(f"{name}, {MANY:,} jobs", unit, many[what])

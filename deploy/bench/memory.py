#!/usr/bin/env python3
"""What jobs cost that have not ended: memory, with jobs that were submitted to the running program, and with the same jobs
loaded at its next start.

    deploy/bench/memory.py [JOBS]

JOBS is how many are submitted, 60,000 unless given. All run on the dummy connector for as long as this takes.
"""

import base64
import concurrent.futures
import http.client
import json
import pathlib
import sys
import tempfile
import time

from dummies import SCRIPT, Weir
from figures import note

JOBS = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
CLIENTS = 8
KINDS = {"resident": "VmRSS", "resident at most": "VmHWM", "without pages of files": "RssAnon"}
HEAD = """JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_REPO=registry.example.com/app:latest
JARVICE_CPU_CORES=1
JARVICE_CMD=dHJ1ZQo=
{DOWNSTREAM_PARAMETERS}
"""


def submit(weir: Weir, count: int):
    """In the names' form of the upstream, by several clients at once, until all of them run."""
    script = base64.b64encode((HEAD + SCRIPT).encode()).decode()
    usual = {"number": 1, "nodes": 1, "bearer": "", "hpc_script": {"singularity": script}}

    def send(first: int):
        connection = http.client.HTTPConnection("127.0.0.1", weir.port)
        for index in range(first, count, CLIENTS):
            name = f"20261121010101-{index:05}-testapp-kirbystar_s1"
            status, body = weir.call("/submit", {"name": name, **usual}, connection)
            assert status == 200, body

    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(send, range(CLIENTS)))
    await_jobs(weir, count)


def await_jobs(weir: Weir, count: int):
    while len(json.loads(weir.call("/running")[1])) < count:
        time.sleep(1)
    weir.settle()


def memory(weir: Weir) -> dict:
    return {what: weir.memory(kind) for what, kind in KINDS.items()}


with tempfile.TemporaryDirectory(prefix="weir-bench-") as directory:
    state = pathlib.Path(directory)
    weir = Weir(state)
    weir.settle()
    none = memory(weir)
    began = time.monotonic()
    submit(weir, JOBS)
    took = time.monotonic() - began
    submitted = memory(weir)
    weir.stop()
    weir = Weir(state)
    await_jobs(weir, JOBS)
    loaded, start = memory(weir), weir.start
    weir.stop()

print(f"{'':36} {'no jobs':>12} {f'{JOBS:,} sent':>14} {f'{JOBS:,} loaded':>14}")
for what in KINDS:
    print(f"{what + ', MB':36} {none[what]:12.1f} {submitted[what]:14.1f} {loaded[what]:14.1f}")
for what in KINDS:
    each = [(now[what] - none[what]) * 2**20 / JOBS for now in (submitted, loaded)]
    print(f"{what + ', bytes a job':36} {'':12} {each[0]:14.0f} {each[1]:14.0f}")
    note(f"{what} a job, {JOBS:,} sent", "B", each[0])
    note(f"{what} a job, {JOBS:,} loaded", "B", each[1])
print(f"{'submits a second':36} {'':12} {JOBS / took:14.0f}\n{'start, ms':36} {'':12} {'':14} {start * 1000:14.0f}")
note(f"start with {JOBS:,} jobs that run", "ms", start * 1000)

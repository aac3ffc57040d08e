#!/usr/bin/env python3
"""What jobs cost in memory while they run: those of a store that is loaded at the start, and those that are submitted.

    deploy/bench/memory.py [JOBS [SENT]]

JOBS is how many are loaded, 60,000 unless given; SENT is how many are submitted to another program, a tenth of them unless given,
since every submit takes longer than the one before. All run on the dummy connector for as long as this takes.
"""

import base64
import concurrent.futures
import http.client
import json
import pathlib
import sys
import tempfile
import time

from dummies import SCRIPT, Weir, generate
from figures import note

JOBS = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
SENT = int(sys.argv[2]) if len(sys.argv) > 2 else JOBS // 10
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
    """By several clients at once; returns when all of these jobs run."""
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


def send() -> tuple:
    """The memory without jobs and with those that were submitted, and the submits a second."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as directory:
        weir = Weir(pathlib.Path(directory))
        weir.settle()
        none = memory(weir)
        began = time.monotonic()
        submit(weir, SENT)
        took = time.monotonic() - began
        sent = memory(weir)
        weir.stop()
    return none, sent, SENT / took


def load() -> tuple:
    """The memory with jobs that were in the store, and the milliseconds of the start; the first start may change the store."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as directory:
        state = pathlib.Path(directory)
        generate(state, 0, JOBS)
        for _ in range(2):
            weir = Weir(state)
            await_jobs(weir, JOBS)
            loaded, start = memory(weir), weir.start * 1000
            weir.stop()
    return loaded, start


none, sent, rate = send()
loaded, start = load()
print(f"{'':36} {'no jobs':>12} {f'{SENT:,} sent':>14} {f'{JOBS:,} loaded':>14}")
for what in KINDS:
    print(f"{what + ', MB':36} {none[what]:12.1f} {sent[what]:14.1f} {loaded[what]:14.1f}")
for what in KINDS:
    each = [(most[what] - none[what]) * 2**20 / count for most, count in ((sent, SENT), (loaded, JOBS))]
    print(f"{what + ', bytes a job':36} {'':12} {each[0]:14.0f} {each[1]:14.0f}")
    note(f"{what} for each of {SENT:,} jobs sent", "B", each[0])
    note(f"{what} for each of {JOBS:,} jobs loaded", "B", each[1])
print(f"{'submits a second':36} {'':12} {rate:14.0f}\n{'start, ms':36} {'':12} {'':14} {start:14.0f}")
note(f"submits, {SENT:,} jobs", "/s", rate)
note(f"start with {JOBS:,} jobs that run", "ms", start)

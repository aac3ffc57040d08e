#!/usr/bin/env python3
"""What a store of many jobs costs: start, /running and /runstatus with 1,000 and with 100,000 ended jobs.

    deploy/bench/store.py [PROGRAM]

Both stores have 20 jobs that are not over. A large store is looked through beside the service once it has started: calls are
measured after that. The program serves on the dummy connector, without authentication.
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ".build/release/weir"
LIVING = 20
SCRIPT = "#!/bin/bash\n" + "echo a line of a script as it is shown\n" * 100


def serve(state: pathlib.Path) -> tuple:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(state),
        "WEIR_STATE_DIR": str(state),
        "WEIR_PORT": "0",
        "WEIR_AUTH": "none",
        "WEIR_OWNER_WAITING_JOBS": "0",
        "JARVICE_BAREMETAL_CONNECTOR": "dummy",
        "JARVICE_DUMMY_JOB_RUNNING_TIME": "86400",
        "JARVICE_DUMMY_JOB_QUEUED_TIME": "0",
        "JARVICE_SCHED_LOGLEVEL": "20",
    }
    began = time.monotonic()
    process = subprocess.Popen([PROGRAM, "serve"], env=environment, stderr=subprocess.PIPE)
    for line in process.stderr:
        if b"listening on" in line:
            port = int(line.split(b"listening on ")[1].split()[0].rsplit(b":", 1)[1].rstrip(b'"'))
            break
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while call(connection, "/ready")[0] != 200:
        time.sleep(0.002)
    return process, connection, time.monotonic() - began


def call(connection, path: str, args=None) -> tuple:
    if args is None:
        connection.request("GET", path)
    else:
        form = urllib.parse.urlencode({"args": json.dumps(args)})
        connection.request("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    return response.status, response.read()


def generate(state: pathlib.Path, count: int):
    """Jobs, with events, scripts and retention as the program would have written them."""
    process, _, _ = serve(state)
    process.terminate()
    process.wait()
    now = time.time()

    def moment(age: float) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(now - age))

    with sqlite3.connect(state / "weir.sqlite") as database:
        for index in range(count + LIVING):
            over = index < count
            age = (count - index) * 5.0 if over else 60
            id = f"{index:026d}"
            database.execute(
                "INSERT INTO job (id, name, number, owner, account, connector, submissionToken, fingerprint, backendID,"
                " state, stateSource, stateTime, reason, ending, nodes, elapsed, submittedAt, startedAt, endedAt)"
                " VALUES (?, ?, 1, 'kirby', 'kirby', 'dummy', ?, ?, ?, ?, 'dummy', ?, '', ?, '[\"dummy\"]', 10, ?, ?, ?)",
                (id, f"job{index}", id, "f" * 64, str(index), "succeeded" if over else "running", moment(age),
                 "completed" if over else None, moment(age + 20), moment(age + 10), moment(age) if over else None),
            )  # fmt: skip
            states = ["submitting", "queued", "running", "succeeded"][: 4 if over else 3]
            for before, after in zip([None, *states], states):
                database.execute(
                    'INSERT INTO jobEvent (job, time, actor, "from", "to", source, reason)'
                    " VALUES (?, ?, 'weir', ?, ?, 'dummy', '')",
                    (id, moment(age), before, after),
                )
            database.execute("INSERT INTO shownScript VALUES (?, ?)", (id, SCRIPT))
            if over:
                database.execute("INSERT INTO retention (job, due) VALUES (?, ?)", (id, moment(-8 * 86400)))


def settle(process) -> float:
    """Waits until the process has nothing left to do; the seconds of processor time that it took since its start."""
    spent = []
    while len(spent) < 3 or spent[-1] - spent[-3] > 2:
        time.sleep(0.3)
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        spent.append(int(fields[11]) + int(fields[12]))
    return spent[-1] / os.sysconf("SC_CLK_TCK")


def measure(count: int) -> dict:
    state = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-"))
    try:
        generate(state, count)
        starts = []
        for _ in range(5):
            process, connection, start = serve(state)
            starts.append(start)
            busy = settle(process)
            figures = {}
            for what, path, args in [
                ("/running", "/running", None),
                ("/runstatus of one that runs", "/runstatus", job(count)),
                ("/runstatus of one long over", "/runstatus", job(7)),
            ]:
                times = []
                for _ in range(500):
                    began = time.perf_counter()
                    status, body = call(connection, path, args)
                    times.append((time.perf_counter() - began) * 1e6)
                    assert status == 200 and b"null,null,null" not in body, body
                figures[what] = min(figures.get(what, 1e9), statistics.median(times))
            resident = pathlib.Path(f"/proc/{process.pid}/status").read_text().split("VmRSS:")[1].split()[0]
            process.send_signal(signal.SIGTERM)
            process.wait()
        size = sum(file.stat().st_size for file in state.glob("weir.sqlite*"))
        return {
            "start, ms": min(starts) * 1000,
            "processor time until idle, s": busy,
            "resident, MB": int(resident) / 1024,
            "database, MB": size / 1e6,
            **{f"{what}, µs": value for what, value in figures.items()},
        }
    finally:
        shutil.rmtree(state)


def job(index: int) -> dict:
    return {"name": f"job{index}", "number": 1, "jobid": str(index)}


few, many = measure(1000), measure(100_000)
print(f"{'':36} {'1,000 jobs':>12} {'100,000 jobs':>13} {'ratio':>6}")
for what in few:
    print(f"{what:36} {few[what]:12.1f} {many[what]:13.1f} {many[what] / few[what]:6.2f}")

"""A Weir on the dummy connector, without authentication, and stores of many jobs for it."""

import http.client
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "Tests/EndToEnd"))
import stores  # noqa: E402

PROGRAM = os.environ.get("WEIR_BINARY", ".build/release/weir")
SCRIPT = "#!/bin/bash\n" + "echo a line of a script as it is shown\n" * 20


class Weir:
    """A program that serves a state directory, once it is ready; `start` is how many seconds that took."""

    def __init__(self, state: pathlib.Path):
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
        with open(state / "log", "ab") as log:
            offset = log.tell()
            began = time.monotonic()
            self.process = subprocess.Popen([PROGRAM, "serve"], env=environment, stderr=log)
        while not (found := re.search(rb"listening on [\d.]+:(\d+)", (state / "log").read_bytes()[offset:])):
            assert self.process.poll() is None, (state / "log").read_text()
            time.sleep(0.002)
        self.port = int(found[1])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
        while not self.is_ready():
            pass
        self.start = time.monotonic() - began

    def is_ready(self) -> bool:
        began = time.monotonic()
        ready = self.call("/ready")[0] == 200
        # With many jobs an answer takes long: the questions must not hold the start up.
        time.sleep(0 if ready else max(0.002, 4 * (time.monotonic() - began)))
        return ready

    def call(self, path: str, args=None, connection=None) -> tuple:
        connection = connection or self.connection
        if args is None:
            connection.request("GET", path)
        else:
            form = urllib.parse.urlencode({"args": json.dumps(args)})
            connection.request("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        return response.status, response.read()

    def memory(self, kind: str) -> float:
        """Megabytes: VmRSS is what is resident, VmHWM the most that was, RssAnon what is no page of a file."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{kind}:\s+(\d+)", status)[1]) / 1024

    def settle(self) -> float:
        """Waits until it has nothing left to do; the seconds of processor time that it took since its start."""
        spent = []
        while len(spent) < 3 or spent[-1] - spent[-3] > 2:
            time.sleep(0.3)
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            spent.append(int(fields[11]) + int(fields[12]))
        return spent[-1] / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0


def job(index: int) -> dict:
    """What calls name a generated job by."""
    return {"name": f"job{index}", "number": 1, "jobid": str(index)}


def generate(state: pathlib.Path, ended: int, living: int):
    """A store with these jobs as release 0.1.0 would have written it; a later program changes it at its first start."""
    now = time.time()

    def moment(age: float) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(now - age))

    database = sqlite3.connect(state / "weir.sqlite")
    with stores.released(database):
        database.execute("PRAGMA synchronous = OFF")
        database.executemany("INSERT INTO grdb_migrations VALUES (?)", [(change,) for change in stores.CHANGES])
        for index in range(ended + living):
            insert(database, index, 5.0 * (ended - index) if index < ended else None, moment)
        database.execute("INSERT INTO keptByOwner SELECT owner, sum(script + answer + input), sum(output) FROM kept GROUP BY 1")
    database.close()


def insert(database: sqlite3.Connection, index: int, age: float | None, moment):
    """A job that ended so many seconds ago; one without an age runs."""
    id, over, age = f"{index:026d}", age is not None, age or 60
    database.execute(
        "INSERT INTO job (id, name, number, owner, account, connector, submissionToken, fingerprint, backendID,"
        " state, stateSource, stateTime, reason, ending, nodes, elapsed, submittedAt, startedAt, endedAt)"
        " VALUES (?, ?, 1, 'kirby', 'kirby', 'dummy', ?, ?, ?, ?, 'dummy', ?, '', ?, '[\"dummy\"]', 10, ?, ?, ?)",
        (id, f"job{index}", id, "f" * 64, str(index), "succeeded" if over else "running", moment(age),
         "completed" if over else None, moment(age + 20), moment(age + 10), moment(age) if over else None),
    )  # fmt: skip
    states = ["submitting", "queued", "running", "succeeded"][: 4 if over else 3]
    database.executemany(
        'INSERT INTO jobEvent (job, time, actor, "from", "to", source, reason) VALUES (?, ?, \'weir\', ?, ?, \'dummy\', \'\')',
        [(id, moment(age), before, after) for before, after in zip([None, *states], states)],
    )
    database.execute("INSERT INTO shownScript VALUES (?, ?)", (id, SCRIPT))
    database.execute("INSERT INTO kept VALUES (?, 'kirby', 0, ?, 0, 0)", (id, len(SCRIPT)))
    if over:
        database.execute("INSERT INTO retention (job, due) VALUES (?, ?)", (id, moment(-8 * 86400)))

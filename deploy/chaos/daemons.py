"""Each daemon that Weir needs is taken away: what every endpoint answers meanwhile, and how soon all is well again."""

import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import manual
from harness import TESTBED, Cluster, Weir, fill, settings, wait_until
from proxy import Proxy
from upstream import ACCOUNT, Upstream

BOUND = 75
OBSERVER = settings()["JARVICE_SLURM_SSH_USER"]


class Sickness:
    """Something that is wrong from `begin` to `finish`."""

    name = ""
    loses_jobs = False
    fails_jobs = False

    def __init__(self, ward: "Ward"):
        self.ward = ward
        self.cluster = ward.cluster

    def stop(self, pid: int):
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 30)


class ControllerStopped(Sickness):
    name = "slurmctld stopped"

    def begin(self):
        self.stop(self.cluster.pid("slurmctld"))

    def finish(self):
        self.cluster.run("slurmctld", "-i")


class ControllerHangs(Sickness):
    name = "slurmctld hangs (SIGSTOP)"

    def begin(self):
        self.pid = self.cluster.pid("slurmctld")
        os.kill(self.pid, signal.SIGSTOP)

    def finish(self):
        os.kill(self.pid, signal.SIGCONT)


class ControllerForgets(ControllerStopped):
    name = "slurmctld restarted with its state lost"
    loses_jobs = True

    def finish(self):
        for path in (TESTBED / "ctld").iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "clustername":
                path.unlink()
        super().finish()


class AccountingStopped(Sickness):
    name = "slurmdbd stopped"

    def begin(self):
        self.stop(self.cluster.pid("slurmdbd"))

    def finish(self):
        self.cluster.run("slurmdbd")


class SSHStopped(Sickness):
    name = "sshd stopped"

    def begin(self):
        self.stop(int((TESTBED / "run/sshd.pid").read_text()))
        self.ward.proxy.cut_all()

    def finish(self):
        subprocess.run(
            ["/usr/sbin/sshd", "-f", TESTBED / "etc/sshd_config", "-E", TESTBED / "log/sshd.log"], check=True
        )


class LoginsRefused(Sickness):
    name = "sshd refuses the logins"

    def begin(self):
        self.files = [self.cluster.home(account) / ".ssh/authorized_keys" for account in (ACCOUNT, OBSERVER)]
        for file in self.files:
            file.rename(file.with_suffix(".away"))
        self.ward.proxy.cut_all()

    def finish(self):
        for file in self.files:
            file.with_suffix(".away").rename(file)
        # A refused key is not offered again until the administrator says so, by touching the users file.
        os.utime(self.ward.weir.settings["WEIR_USERS_FILE"])


class StartupsTaken(Sickness):
    name = "sshd at MaxStartups"

    def begin(self):
        self.ward.proxy.cut_all()
        self.ends = []
        # Between its first figure and its last (10:30:100) sshd drops some by chance; each that gets a banner is held.
        for _ in range(1000):
            end = socket.create_connection(self.ward.proxy.target, timeout=5)
            try:
                held = bool(end.recv(64))
            except OSError:
                held = False
            if held:
                self.ends.append(end)
            else:
                end.close()
            if len(self.ends) >= 100:
                break
        self.ward.proxy.cut_all()

    def finish(self):
        for end in self.ends:
            end.close()


class HomeUnwritable(Sickness):
    name = "the user's home directory unwritable"
    fails_jobs = True

    def begin(self):
        home = self.cluster.home(ACCOUNT)
        self.modes = [(path, path.stat().st_mode & 0o7777) for path in (home / ".jarvice", home) if path.exists()]
        for path, mode in self.modes:
            path.chmod(mode & ~0o222)

    def finish(self):
        for path, mode in self.modes:
            path.chmod(mode)


class DiskFull(Sickness):
    name = "Weir's disk full"

    def begin(self):
        # A log that has grown would have room for many more submits.
        self.ward.weir.stop()
        self.ward.weir.start()
        self.file = fill(self.ward.disk)

    def finish(self):
        self.file.unlink()


ALL = [
    ControllerStopped, ControllerHangs, AccountingStopped, SSHStopped, LoginsRefused, StartupsTaken, HomeUnwritable,
    DiskFull, ControllerForgets,
]  # fmt: skip


class Ward:
    """One Weir on a small disk of its own, behind a proxy, with a job that runs all the time."""

    def __init__(self, cluster: Cluster, directory: pathlib.Path):
        self.cluster = cluster
        self.disk = directory / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "none", self.disk], check=True)
        self.proxy = Proxy()
        users = shutil.copy(settings()["WEIR_USERS_FILE"], directory / "users.yaml")
        self.weir = Weir(
            directory,
            JARVICE_SLURM_CLUSTER_PORT=self.proxy.port,
            WEIR_SSH_KNOWN_HOSTS=self.proxy.known_hosts(directory / "known_hosts"),
            WEIR_STATE_DIR=self.disk / "state",
            WEIR_USERS_FILE=users,
            WEIR_STALE_AFTER=10,
            WEIR_POLL_INTERVAL=1,
            WEIR_SUBMIT_DEADLINE=30,
            WEIR_LOST_AFTER=20,
        ).start()
        self.upstream = Upstream(cluster, self.weir)

    def close(self):
        self.weir.stop()
        self.proxy.close()
        subprocess.run(["umount", "-l", self.disk], check=True)
        self.upstream.clean()

    def runs(self, order) -> bool:
        answer = self.weir.get("/running")
        return answer.status == 200 and order.name in {name for name, _ in answer.json()}

    def running_job(self):
        order = self.upstream.order("long")
        wait_until(lambda: self.upstream.submit(order) == 200, BOUND, 0.5)
        wait_until(lambda: self.runs(order), BOUND)
        return order


class Chart:
    """What one endpoint answered: statuses in the order they came, and the longest time."""

    def __init__(self):
        self.statuses, self.times = [], []

    def add(self, status: int, seconds: float):
        if not self.statuses or self.statuses[-1] != status:
            self.statuses.append(status)
        self.times.append(seconds)

    def __str__(self):
        if not self.times:
            return ""
        slowest = max(self.times)
        shown = f"{slowest:.1f} s" if slowest >= 1 else f"{slowest * 1000:.0f} ms"
        return f"{', '.join(map(str, dict.fromkeys(self.statuses)))} ({shown})"


PATHS = ("/running", "/runstatus", "/exitstatus", "/submit", "/terminate", "/ready", "/live")


def examine(ward: Ward, sickness: type, seconds: float) -> dict:
    """One sickness from its begin to a full recovery."""
    weir, upstream = ward.weir, ward.upstream
    runner, victim = ward.running_job(), ward.running_job()
    charts, over, faults = {path: Chart() for path in PATHS}, threading.Event(), []
    sick = sickness(ward)

    def probe(path, call, every):
        while not over.is_set():
            begin = time.monotonic()
            answer = call()
            charts[path].add(answer.status, time.monotonic() - begin)
            if path == "/live" and answer.status != 200:
                faults.append(f"/live answered {answer.status}")
            if path == "/running" and answer.status == 200 and not sick.loses_jobs:
                if runner.name not in {name for name, _ in answer.json()}:
                    faults.append("a job that runs is not in /running")
            if path == "/exitstatus" and answer.status == 200:
                faults.append(f"a job that runs has an end: {answer.body[:100]}")
            if answer.status >= 500 and answer.status != 503:
                faults.append(f"{path} answered {answer.status}")
            over.wait(every)

    def submit(order):
        begin = time.monotonic()
        charts["/submit"].add(upstream.submit(order), time.monotonic() - begin)

    def terminate():
        begin = time.monotonic()
        charts["/terminate"].add(upstream.act(victim, "/terminate"), time.monotonic() - begin)

    calls = {
        "/live": (lambda: weir.get("/live"), 0.05),
        "/ready": (lambda: weir.get("/ready"), 0.2),
        "/running": (lambda: weir.get("/running"), 0.2),
        "/runstatus": (lambda: weir.post("/runstatus", runner.args), 0.2),
        "/exitstatus": (lambda: weir.post("/exitstatus", runner.args), 0.2),
    }
    early = upstream.order("failing" if sick.fails_jobs else "plain")
    sick.begin()
    try:
        threads = [threading.Thread(target=probe, args=(path, *call)) for path, call in calls.items()]
        threads += [threading.Thread(target=submit, args=(early,)), threading.Thread(target=terminate)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        if not sick.fails_jobs:  # that one could begin after the recovery
            submit(upstream.order())
        over.set()
        for thread in threads:
            thread.join()
    finally:
        sick.finish()
    begin = time.monotonic()
    new = upstream.order()

    def well():
        shown = sick.loses_jobs or ward.runs(runner)
        return weir.get("/ready").status == 200 and weir.get("/running").status == 200 and shown

    def all_well():
        return well() and (new.answer or upstream.submit(new) == 200)

    try:
        wait_until(all_well, BOUND)
        took = time.monotonic() - begin
    except AssertionError:
        took = None
        faults.append(f"not well again after {BOUND} s: {weir.get('/ready').body[:300]}")
    if sick.loses_jobs:
        for order in (runner, victim):
            faults += forgotten(ward, order)
            upstream.orders.remove(order)
    upstream.faults += [f"{sick.name}: {fault}" for fault in dict.fromkeys(faults)]
    live = charts["/live"].times
    return {
        "name": sick.name,
        "charts": charts,
        "live": f"{statistics.median(live) * 1000:.1f} / {max(live) * 1000:.0f} ms",
        "well": "" if took is None else f"{took:.1f} s",
    }


def forgotten(ward: Ward, order) -> list:
    """What is wrong with how a job is shown that slurmctld has forgotten.

    While accounting has it running nobody knows how it ended: it has no end, and /ready names it. A slurmctld that begins
    anew may also have accounting close its record as canceled, which is an end: the job's processes go as soon as their node
    is seen to run what nobody knows. Where that record never got the job's name, nothing says how it ended: it is lost.
    """
    weir = ward.weir

    def is_shown():
        return order.name in str(weir.get("/ready").json().get("warnings")) or weir.post("/exitstatus", order.args).status == 200

    wait_until(is_shown, BOUND)
    end = weir.post("/exitstatus", order.args)
    if end.status == 409:
        return []
    records = ward.cluster.run("sacct", "-X", "-n", "-P", "-j", order.id, "--duplicates", "-o", "State,JobName").splitlines()
    own = [record.split("|")[0] for record in records if record.endswith(order.name)]
    expected = -15 if own and own[-1].startswith("CANCELLED") else -9 if not own else None
    if end.status != 200 or end.json()[0] != expected:
        return [f"a job that Slurm forgot, in accounting {own}, has ended: {end.status} {end.body[:200]}"]
    try:
        wait_until(lambda: not [process for process in pathlib.Path("/proc").glob("[0-9]*") if runs_in(process, order.id)], BOUND)
    except AssertionError:
        return ["a job that Slurm forgot has ended, and runs"]
    return []


def runs_in(process: pathlib.Path, job: str) -> bool:
    """Whether a process belongs to a job of the cluster."""
    try:
        return f"SLURM_JOB_ID={job}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def run(cluster: Cluster, directory: pathlib.Path, kinds=ALL, seconds: float = 20, say=lambda line: None) -> dict:
    ward, rows, tallies = Ward(cluster, directory), [], []

    def take_stock():
        ward.upstream.settle()
        tallies.append(ward.upstream.count())
        ward.upstream.orders.clear()

    try:
        for kind in kinds:
            if kind.loses_jobs:
                take_stock()  # while Slurm still knows what it ran
            rows.append(examine(ward, kind, seconds))
            say(markdown(rows[-1]))
        take_stock()
        return {
            "rows": rows,
            "lost": [line for tally in tallies for line in tally.lost],
            "doubled": [line for tally in tallies for line in tally.doubled],
            "faults": ward.upstream.faults,
        }
    finally:
        ward.close()


HEAD = "| What is wrong | /running | /runstatus | /exitstatus | /submit | /terminate | /ready | /live p50 / max | well again after |"


def markdown(row: dict) -> str:
    cells = [row["name"], *(str(row["charts"][path]) for path in PATHS[:-1]), row["live"], row["well"]]
    return "| " + " | ".join(cells) + " |"


def main():
    with tempfile.TemporaryDirectory(prefix="weir-daemons-") as directory:
        result = run(Cluster(), pathlib.Path(directory), say=lambda line: print(line))
    manual.write("daemons", [HEAD, "|---" * 9 + "|", *map(markdown, result["rows"])])
    for kind in ("lost", "doubled", "faults"):
        for line in result[kind]:
            print(f"  {kind}: {line}")
    print(
        f"{len(result['rows'])} kinds of outage, {len(result['lost'])} jobs lost, {len(result['doubled'])} doubled, "
        f"{len(result['faults'])} other faults"
    )
    sys.exit(1 if result["lost"] or result["doubled"] or result["faults"] else 0)


if __name__ == "__main__":
    main()

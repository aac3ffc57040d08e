"""Hostile login files of the observing account, of a user and of a GPU account: every variable that changes what commands
mean, functions and wrappers in place of programs, in each login shell."""

import contextlib
import pathlib
import subprocess
import sys
import tempfile
import time

import logins
import manual
from harness import Cluster, Weir, account, wait_until
from rig import SUCCESS, GPUWeir, Rig, job_text
from upstream import ACCOUNT, Upstream

LOST_AFTER = 10  # seconds
ACCOUNTS = ("jarvice", ACCOUNT)

# Name, login shell, variables, and whether there are functions and wrappers.
CASES = [
    ("none", "bash", {}, False),
    ("of squeue, sacct, scontrol", "bash", logins.ASKING, False),
    ("of scancel", "bash", logins.ACTING, False),
    ("of sbatch", "bash", logins.SUBMITTING, False),
    ("of srun", "bash", logins.STEPS, False),
    ("of the shell", "bash", logins.SHELL, False),
    ("functions and wrappers", "bash", {}, True),
    *(("all at once", shell, logins.EVERYTHING, True) for shell in ("bash", "zsh", "fish", "csh")),
    ("none", "dash", {}, False),
    ("none", "busybox", {}, False),
]
GPU_CASES = [
    ("none", "bash", {}, False),
    ("of the shell", "bash", logins.SHELL, False),
    *(("all at once", shell, logins.EVERYTHING, True) for shell in ("bash", "zsh", "fish", "csh")),
    ("none", "dash", {}, False),
    ("none", "busybox", {}, False),
]


class Result:
    """What became of the jobs of one case; each entry is a sentence."""

    def __init__(self, backend: str, case: tuple):
        self.backend, self.variables, self.shell = backend, case[0], case[1]
        self.jobs = 0
        self.lost, self.doubled, self.false_ends, self.without_effect, self.faults = [], [], [], [], []

    @property
    def kinds(self) -> dict:
        return {
            "lost": self.lost, "doubled": self.doubled, "false end": self.false_ends,
            "cancel without effect": self.without_effect, "other fault": self.faults,
        }  # fmt: skip

    @property
    def is_good(self) -> bool:
        return not any(self.kinds.values())

    def markdown(self) -> str:
        return f"| {self.backend} | {self.variables} | {self.shell} | {self.jobs} | " + " | ".join(
            str(len(sentences)) for sentences in self.kinds.values()
        ) + " |"


@contextlib.contextmanager
def login_shell(accounts, shell: str):
    """The accounts' login shell until the end of the block."""
    link = None
    if shell == "busybox":
        # What the shell is called says which of its programs it is.
        link = pathlib.Path(tempfile.mkdtemp(prefix="weir-shell-")) / "sh"
        link.parent.chmod(0o755)
        link.symlink_to("/bin/busybox")
    path = link or subprocess.run(["which", shell], check=True, capture_output=True, text=True).stdout.strip()
    kept = {account: shell_of(account) for account in accounts}
    try:
        for account in accounts:
            subprocess.run(["usermod", "-s", path, account], check=True, capture_output=True)
        yield
    finally:
        for account, before in kept.items():
            subprocess.run(["usermod", "-s", before, account], check=True, capture_output=True)
        if link:
            link.unlink()
            link.parent.rmdir()


def shell_of(account: str) -> str:
    return subprocess.run(["getent", "passwd", account], check=True, capture_output=True, text=True).stdout.strip().split(":")[6]


def on_slurm(cluster: Cluster, directory: pathlib.Path, case: tuple) -> Result:
    """Jobs of every kind on Slurm, while the login files of the observing account and of the user are hostile."""
    result = Result("slurm", case)
    homes = [cluster.home(account) for account in ACCOUNTS]
    _, shell, variables, has_wrappers = case
    with login_shell(map(account, ACCOUNTS), shell), logins.hostile(homes, shell, variables, has_wrappers):
        weir = Weir(directory, WEIR_LOST_AFTER=LOST_AFTER, WEIR_POLL_INTERVAL=1)
        upstream = Upstream(cluster, weir)
        try:
            weir.start()
            follow(result, cluster, weir, upstream)
        except AssertionError as fault:
            result.faults.append(str(fault)[:500])
        finally:
            if weir.process and weir.process.poll() is None:
                weir.stop()
            cluster.end([order.name for order in upstream.orders])
            upstream.clean()
        if replaced := logins.hijacked(homes):
            result.faults.append(f"not Slurm's programs were called: {replaced}")
    return result


def follow(result: Result, cluster: Cluster, weir: Weir, upstream: Upstream):
    began = time.monotonic()
    runner, *victims = (upstream.order("long") for _ in range(3))
    for kind in ("plain", "plain", "plain", "held"):
        upstream.order(kind)
    result.jobs = len(upstream.orders)
    for order in upstream.orders:
        wait_until(lambda order=order: upstream.submit(order) == 200, 60, 0.5)
    state = lambda order: cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", order.id).split()
    for order in (runner, *victims):
        wait_until(lambda order=order: state(order) == ["RUNNING"], 60)
    for order in victims:
        if upstream.act(order, "/terminate") != 200:
            result.without_effect.append(f"{order.name}: the cancel was refused")
            continue
        try:
            wait_until(lambda order=order: not {"RUNNING", "PENDING"} & set(state(order)), 10)
        except AssertionError:
            result.without_effect.append(f"{order.name}: Slurm shows it as {state(order)}")
    # A job that is seen nowhere would be lost by then.
    wait_until(lambda: time.monotonic() - began > LOST_AFTER + 5, LOST_AFTER + 5)
    if state(runner) != ["RUNNING"]:
        result.faults.append(f"{runner.name}: the job that is to run is {state(runner)}")
    elif upstream.ask(runner):
        result.false_ends.append(f"{runner.name}: it runs, and was told as ended: {runner.last}")
    elif weir.listed().get(runner.name) != "running":
        result.false_ends.append(f"{runner.name}: it runs, and is listed as {weir.listed().get(runner.name)}")
    upstream.settle(60)
    tally = upstream.count()
    result.lost, result.doubled = tally.lost, tally.doubled
    result.faults += upstream.faults


def on_gpus(rig: Rig, directory: pathlib.Path, case: tuple) -> Result:
    """The same on a GPU server, with its account's login files."""
    result = Result("gpu", case)
    _, shell, variables, has_wrappers = case
    server = rig.server("alpha" if shell == "bash" else shell)
    with logins.hostile([server.home], shell, variables, has_wrappers):
        server.restart()
        weir = GPUWeir(rig, directory, [server], WEIR_LOST_AFTER=LOST_AFTER)
        try:
            weir.start()
            follow_on_gpus(result, rig, weir)
        except AssertionError as fault:
            result.faults.append(str(fault)[:500])
        finally:
            if weir.process and weir.process.poll() is None:
                weir.stop()
            server.end_all()
        # The script of a job may well use what its account put in place of tee.
    return result


def follow_on_gpus(result: Result, rig: Rig, weir: GPUWeir):
    files = {}

    def submit(length: int):
        file = pathlib.Path(tempfile.mktemp(dir=rig.shared))
        job = weir.submit(job_text(f"echo run >>{file}; sleep {length}" + SUCCESS, 0))
        files[job.name] = file
        result.jobs += 1
        return job

    runs = lambda job: files[job.name].read_text().split() if files[job.name].exists() else []
    runner, victim, *plain = submit(300), submit(300), submit(0), submit(0), submit(0)
    wait_until(lambda: runs(runner) and runs(victim), 30)
    if weir.post("/terminate", victim.args).status != 200:
        result.without_effect.append(f"{victim.name}: the cancel was refused")
    try:
        if weir.end(victim, 20)[0] != -15:
            result.without_effect.append(f"{victim.name}: it did not end as canceled")
    except AssertionError:
        result.without_effect.append(f"{victim.name}: it goes on")
    for job in plain:
        if (end := weir.end(job))[0] != 0:
            result.faults.append(f"{job.name}: {str(end)[:200]}")
    if not weir.runs(runner):
        result.false_ends.append(f"{runner.name}: it runs, and is not listed as running")
    for job in (runner, victim, *plain):
        if len(runs(job)) != 1:
            (result.doubled if runs(job) else result.lost).append(f"{job.name}: it ran {len(runs(job))} times")
    weir.post("/terminate", runner.args)


def run(cluster: Cluster, directory: pathlib.Path, cases=CASES, gpu_cases=GPU_CASES, say=lambda line: None) -> list:
    results = []

    def add(result: Result):
        results.append(result)
        say(result.markdown())
        for kind, sentences in result.kinds.items():
            for sentence in sentences:
                say(f"  {kind}: {sentence}")

    def place(number: int) -> pathlib.Path:
        path = directory / str(number)
        path.mkdir()
        return path

    for number, case in enumerate(cases):
        add(on_slurm(cluster, place(number), case))
    if gpu_cases:
        rig = Rig()
        try:
            for number, case in enumerate(gpu_cases, len(cases)):
                add(on_gpus(rig, place(number), case))
        finally:
            rig.remove()
    return results


HEAD = [
    "| Jobs on | Variables in the login files | Login shell | Jobs | Lost | Doubled | False ends | Cancels without effect | Other faults |",
    "|---" * 9 + "|",
]


def main():
    with tempfile.TemporaryDirectory(prefix="weir-environment-") as directory:
        results = run(Cluster(), pathlib.Path(directory), say=lambda line: print(line))
    manual.write("environment", HEAD + [result.markdown() for result in results])
    bad = [result for result in results if not result.is_good]
    print(f"{len(results)} environments, {sum(result.jobs for result in results)} jobs, {len(bad)} environments with faults")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

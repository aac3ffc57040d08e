"""A Weir that is put in the place of the former release while jobs of that release are in all states on a GPU server."""

import pathlib
import re
import shutil
import subprocess

from harness import wait_until
from rig import PATH, kill, parents
from gpu_fixtures import new_weir, no_jobs_left, rig, timed_out  # noqa: F401
from test_gpu_scripts import processes_with

FORMER = pathlib.Path(__file__).with_name("former")

# In the place of the present wrapper: becomes the former one, in an attempt as the former start.sh left it.
SHIM = """#!/bin/sh
root=${9%%/machines/*}
if [ -n "$WEIR_GUARDS" ]; then
  unset WEIR_GUARDS
  exec sh "$0" "$@"
fi
rm -f "$2/machine"
%s
exec sh "$root/lib/run-former.sh" run "$2" "$3" "$4" "$5" "$6" "$7" "$8" "$root" "${10}"
"""

EPILOGUE = "echo epilogue\nwhile [ -e hold ]; do sleep 0.1; done\necho done $WEIR_EXIT_CAUSE\n"


class FormerRelease:
    """The server, and what the former release did there."""

    def __init__(self, weir, server):
        self.weir, self.server = weir, server
        self.root = server.root(weir)
        # Where there is no cksum the present release does not see that its wrapper was replaced.
        self.cksum = server.directory / "bin/cksum"
        self.cksum.write_text("#!/bin/sh\nexit 127\n")
        self.cksum.chmod(0o755)
        self.run("prepare", "former", stdin=(FORMER / "run.sh").read_text())

    def run(self, script: str, *arguments, stdin="") -> str:
        user = ["setpriv", f"--reuid={self.server.uid}", f"--regid={self.server.uid}", "--clear-groups"]
        command = [*user, "sh", "-c", (FORMER / f"{script}.sh").read_text(), "sh", self.root, *map(str, arguments)]
        environment = {"PATH": PATH, "HOME": str(self.server.home)}
        return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=True).stdout

    def take_over(self, before: str = ""):
        """From here on what is started is the former release's."""
        (present,) = [file for file in (self.root / "lib").glob("run-*.sh") if file.name != "run-former.sh"]
        new = present.with_suffix(".new")
        new.write_text(SHIM % before)
        new.chmod(0o644)
        new.rename(present)

    def leave(self):
        """The root as it was before the present release came to it, with jobs in it."""
        self.cksum.unlink()
        for file in (self.root / "lib").glob("run-*.sh"):
            if file.name != "run-former.sh":
                file.unlink()
        for name in ("machines", "owners"):
            shutil.rmtree(self.root / name)


def wait_for_text(attempt, text):
    wait_until(lambda: (attempt / "stdout").exists() and text in (attempt / "stdout").read_text())


def test_jobs_of_the_former_release(new_weir, rig):  # noqa: F811
    """Each runs once, ends as it ended, is canceled where it runs, and its directory goes in its time."""
    alpha = rig.server("alpha")
    weir = new_weir((alpha, {"epilogue": EPILOGUE})).start()
    former = FormerRelease(weir, alpha)
    former.take_over()
    runs = rig.shared / "former-runs"
    runs.touch()
    runs.chmod(0o666)
    gate, late = rig.gate(), rig.gate()
    bodies = {
        "ends": gate.wait,
        "ended": late.wait,
        "canceled": "touch hold; exec 2>/dev/null; trap 'exit 1' TERM; while :; do sleep 0.1; done",
        "deaf": "exec 2>/dev/null; trap '' TERM; while :; do sleep 0.1; done",
        "canceling": "exec 2>/dev/null; trap '' TERM; while :; do sleep 0.1; done",
        "epilogue": "touch hold",
        "orphan": "exec 2>/dev/null; while :; do sleep 0.1; done",
    }
    submit = lambda name, body: weir.run_job(f"echo {name} >>{runs}; echo out {name}; {body}", gpus=0)  # noqa: E731
    jobs = {name: submit(name, body) for name, body in bodies.items()}
    attempts = {name: alpha.attempt(weir, job) for name, job in jobs.items()}
    weir.await_running(*jobs.values())
    for name, attempt in attempts.items():
        wait_for_text(attempt, "epilogue\n" if name == "epilogue" else f"out {name}\n")
    # These are sent, and their wrappers have not begun.
    former.take_over(f"until [ -e {rig.shared}/former-$3 ]; do sleep 0.1; done")
    sent = ("absent", "void", "claimed")
    jobs |= {name: submit(name, "true") for name in sent}
    attempts |= {name: alpha.attempt(weir, jobs[name]) for name in sent}
    wrappers = lambda name: [pid for pid in processes_with(jobs[name].id) if "/lib/run-" in command(pid)]  # noqa: E731
    wait_until(lambda: all(wrappers(name) for name in sent))
    weir.kill()
    alpha.stop()
    for name in ("absent", "void"):
        # Whoever starts it first, who would clean up.
        kill(ancestors(wrappers(name)[0]))
        kill(wrappers(name))
        wait_until(lambda: not wrappers(name))
    shutil.rmtree(attempts["absent"].parent)
    assert former.run("void", jobs["void"].id, 1) == "void\n"
    kill([alpha.wrapper(weir, jobs["orphan"])])
    late.open()
    wait_until((attempts["ended"] / "exit").exists)
    assert former.run("cancel", jobs["canceling"].id, 1, 5) == "asked\n"
    former.leave()

    alpha.start()
    weir.settings |= {"WEIR_KEEP_OUTPUT": "1", "WEIR_KEEP_FILES": "1"}
    weir.start()
    seen = {jobs[name].name for name in ("ends", "canceled", "deaf", "epilogue", "orphan", "claimed")}
    wait_until(lambda: seen <= weir.listed().keys())
    for name in ("canceled", "deaf", "epilogue", "orphan"):
        assert weir.post("/terminate", jobs[name].args).json() is True
    (rig.shared / f"former-{jobs['claimed'].id}").touch()
    gate.open()
    ends = {name: end(weir, job) for name, job in jobs.items() if name not in ("canceled", "epilogue")}
    # Nobody ends an epilogue: what was to end the job leaves it alone.
    wait_for_text(attempts["canceled"], "epilogue\n")
    wait_until(lambda: not [pid for pid in processes_with(str(attempts["canceled"])) if " end " in command(pid)])
    for name in ("canceled", "epilogue"):
        (attempts[name] / "work/hold").unlink()
        ends[name] = end(weir, jobs[name])
    success = "JARVICE_CMD_SUCCESS", "JARVICE Job completed OK", "epilogue", "done exited"
    canceled = "epilogue", "done canceled"
    assert ends == {
        name: (word, [f"out {name}", *rest])
        for word, rest, names in [
            ("0 CD", success, ("ends", "ended", "epilogue", "absent", "void", "claimed")),
            ("-15 CA", canceled, ("canceled", "deaf", "canceling")),
            ("-15 CA", (), ("orphan",)),
        ]
        for name in names
    }
    assert sorted(runs.read_text().split()) == sorted(jobs)
    wait_until(lambda: not [*(former.root / "jobs").iterdir()], 30)
    assert {path.name for path in (former.root / "removed").iterdir()} == {job.id for job in jobs.values()}
    assert weir.get("/ready").status == 200 and not weir.get("/ready").json().get("warnings")


def end(weir, job) -> tuple:
    """How a job ended, as in `word`, and its output, which is removed soon after it was answered."""
    code, _, (output, state) = weir.end(job)
    return f"{code} {re.search('state: ([A-Z]+) ', state)[1]}", output.splitlines()


def ancestors(pid: int) -> list:
    """The shells above a process whose connection is gone, the first last."""
    tree, found = parents(), [pid]
    while tree.get(found[-1], 1) != 1:
        found.append(tree[found[-1]])
    return found[:0:-1]


def command(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""

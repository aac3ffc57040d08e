"""The scripts that run jobs on GPU servers, on this machine and by themselves: no Weir, no sshd, no cluster."""

import os
import pathlib
import random
import shutil
import signal
import socket
import string
import subprocess
import time

import pytest
from gpu_fixtures import timed_out  # noqa: F401 (a fixture)

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "templates/gpu"
STAND_IN = pathlib.Path(__file__).with_name("nvidia-smi")
BOOT = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def text_of(script: str) -> str:
    """A script as it is sent: what it shares with others stands before it."""
    alone = script in ("prepare", "watch", "output", "input", "results", "files", "recall", "size")
    return ("" if alone else (SCRIPTS / "records.sh").read_text()) + (SCRIPTS / f"{script}.sh").read_text()


def new_id() -> str:
    return "".join(random.choices(string.digits + string.ascii_uppercase, k=26))


def quoted(text) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return b"'" + data.replace(b"'", b"'\\''") + b"'"


def until(true, seconds=10.0, what="it does not come"):
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return value


def is_alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes_with(text: str) -> list:
    """Whose command line or environment holds this text."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb", 0) as file:
                    if text.encode() in file.read() and int(pid) != os.getpid() and is_alive(int(pid)):
                        found.append(int(pid))
                        break
            except OSError:
                pass
    return found


class Attempt:
    """One run of a job: its directory, and what is in it."""

    def __init__(self, server, job: str, number: int):
        self.server, self.job, self.number = server, job, number
        self.directory = server.root / "jobs" / job / f"attempt-{number}"

    @property
    def name(self) -> str:
        return f"{self.job}/{self.number}"

    def text(self, name="stdout") -> str:
        return (self.directory / name).read_bytes().decode("latin-1")

    def record(self) -> list:
        return self.text("start").split()

    @property
    def wrapper(self) -> int:
        return int(self.record()[0])

    def state(self) -> list:
        return self.server.sweep(self)[self.name]

    def end(self, seconds=30.0) -> tuple:
        until((self.directory / "exit").exists, seconds, "the job does not end")
        code, number, cause, _ = self.text("exit").split()
        return int(code), int(number), cause

    def cancel(self, grace=1) -> str:
        return self.server.run("cancel", self.job, self.number, grace, "HASH", self.server.machine).strip()

    def signal(self, name: str) -> str:
        return self.server.run("signal", self.job, self.number, name, self.server.machine).strip()

    def said(self, text: str):
        """Waits until the job has printed this."""
        until(lambda: text in self.text(), what=f"no {text!r} in {self.text()!r}")
        return self


class Server:
    """A job root, and a shell and a PATH as some server may have them."""

    def __init__(self, kind: str, directory: pathlib.Path):
        self.kind = kind
        self.home = directory / "home"
        self.bin = directory / "bin"
        self.home.mkdir()
        self.bin.mkdir()
        self.root = self.home / ".weir"
        busybox = shutil.which("busybox")
        assert busybox, "no busybox: apt-get install busybox"
        if kind == "bare":
            for name in subprocess.check_output([busybox, "--list"], text=True).split():
                (self.bin / name).symlink_to(busybox)
            path = str(self.bin)
        else:
            shell = {"dash": shutil.which("dash"), "bash": shutil.which("bash"), "ash": busybox}[kind]
            (self.bin / "sh").symlink_to(shell)
            path = f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin"
        self.environment = {"PATH": path, "HOME": str(self.home), "USER": "somebody"}

    def popen(self, script: str, *arguments, text=None, **options) -> subprocess.Popen:
        text = text or text_of(script)
        command = [self.bin / "sh", "-c", text, "sh", ".weir", *map(str, arguments)]
        pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
        return subprocess.Popen(command, env=self.environment, cwd="/", **{**pipes, **options})

    def run(self, script: str, *arguments, stdin=b"", status=0, seconds=10, **options) -> str:
        process = self.popen(script, *arguments, **options)
        output, errors = process.communicate(stdin, timeout=seconds)
        assert process.returncode == status, (output, errors)
        assert bool(errors) == bool(status), errors
        return (output + errors).decode()

    def prepare(self) -> dict:
        answer = self.run("prepare", "HASH", self.kind, stdin=text_of("run").encode())
        return dict(line.split(" ", 1) for line in answer.splitlines())

    @property
    def machine(self) -> str:
        """What it is called in its root."""
        return os.listdir(self.root / "machines")[0]

    @property
    def support(self) -> pathlib.Path:
        """What belongs to this machine alone."""
        return self.root / "machines" / self.machine

    @staticmethod
    def texts(script, **texts) -> bytes:
        texts = {"job": "mark 1\n", "script": script, **texts}
        return b"\n".join(name.encode() + b"=" + quoted(text) for name, text in texts.items()) + b"\ncomplete=1\n"

    def options(self, attempt, secret=False, limit=0, grace=1, judged=False, joined=False, owner="") -> list:
        flags = [int(secret), limit, grace, int(judged), int(joined)]
        return ["HASH", attempt.job, attempt.number, *flags, self.machine, owner]

    def attempt(self, job=None, number=1) -> Attempt:
        return Attempt(self, job or new_id(), number)

    def try_start(self, attempt, script="true", texts={}, status=0, **options) -> str:
        return self.run("start", *self.options(attempt, **options), stdin=self.texts(script, **texts), status=status)

    def start(self, script, texts={}, **options) -> Attempt:
        attempt = self.attempt()
        answer = self.try_start(attempt, script, texts, **options)
        assert answer == "started " + attempt.text("start"), answer
        return attempt

    def sweep(self, *attempts, smi=0) -> dict:
        lines = self.run("sweep", smi, self.machine, "", "", *(attempt.name for attempt in attempts)).splitlines()
        assert abs(int(lines[0].removeprefix("now ")) - time.time()) < 3
        assert lines[1] == f"boot {BOOT}" and lines[2] == "owner unasked"
        assert len(lines) == 3 + len(attempts)
        return {"/".join(line.split()[:2]): line.split()[2:] for line in lines[3:]}


@pytest.fixture(scope="session")
def roots(tmp_path_factory):
    """A fresh job root of each kind of server, to copy."""
    roots = {}
    for kind in ("dash", "bash", "ash", "bare"):
        server = Server(kind, tmp_path_factory.mktemp(kind))
        server.prepare()
        roots[kind] = server.root
    return roots


@pytest.fixture(params=["dash", "bash", "ash", "bare"])
def server(request, roots, tmp_path):
    """`bare` has nothing but busybox; the others have its shell or another as sh."""
    server = Server(request.param, tmp_path)
    shutil.copytree(roots[request.param], server.root)
    yield server
    left = lambda: processes_with(str(tmp_path))  # noqa: E731
    try:
        until(lambda: not left(), 3, "processes are left")
    finally:
        for pid in left():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def one_server(tmp_path):
    """For what does not depend on the shell, or takes long."""
    server = Server("dash", tmp_path)
    server.prepare()
    yield server
    until(lambda: not processes_with(str(tmp_path)), 3, "processes are left")


# Start


def test_prepare_says_what_there_is(server):
    answer = server.prepare()
    assert answer["root"] == str(server.root) and answer["boot"] == BOOT
    assert int(answer["cpus"]) == os.cpu_count() and int(answer["memory"]) > 100
    assert answer["host"] == os.uname().nodename and answer["arch"] == os.uname().machine
    # In a shell of BusyBox, tar is BusyBox's.
    assert answer["pax"] == ("0" if server.kind in ("ash", "bare") else "1")
    modes = {path.name: path.stat().st_mode & 0o777 for path in [server.root, *server.root.iterdir()]}
    assert modes == dict.fromkeys([".weir", "lib", "jobs", "removed", "inputs", "machines", "owners"], 0o700)
    assert answer["machine"] == server.machine and server.machine.startswith(f"{server.kind}@{os.uname().nodename}-")
    # Only busybox 1.35's awk hides how a command ended.
    assert ((server.support / "lib/awk").read_text() == "\n") == (server.kind == "bare")
    assert (server.root / "lib/run-HASH.sh").read_text() == text_of("run")
    # What a job wrote over it is put right.
    (server.root / "lib/run-HASH.sh").write_text("exit 0\n")
    server.prepare()
    assert (server.root / "lib/run-HASH.sh").read_text() == text_of("run")


def test_root_that_cannot_be_made_is_said(one_server):
    shutil.rmtree(one_server.root)
    one_server.root.write_text("a file")
    assert "cannot be made" in one_server.run("prepare", "HASH", status=73)


def test_full_disk_is_no_fault_of_an_archive(server):
    inputs = server.root / "inputs"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", inputs], check=True)
    try:
        job = new_id()
        for size, status in (("2M", 0), ("4M", 73)):
            subprocess.run(f"truncate -s {size} a; tar -czf {inputs}/{job}-x.tar.gz a", shell=True, check=True, cwd=server.home)
            said = server.run("input", job, f"{job}-x", status=status)
            assert "could not be unpacked" in said or not status
            assert os.listdir(inputs) == ([] if status else [f"{job}-x"])
    finally:
        subprocess.run(["umount", inputs], check=True)


def test_job_outlives_its_starter(server):
    """Nothing of it holds the streams of the starter, whose whole session may then be killed."""
    attempt = server.attempt()
    starter = server.popen("start", *server.options(attempt), start_new_session=True)
    # What a login's end does: HUP to the session, KILL for good measure.
    began = time.monotonic()
    output, _ = starter.communicate(server.texts("sleep 2; read line || echo no input"), timeout=15)
    assert time.monotonic() - began < 1.8 and output.startswith(b"started ")
    for number in (signal.SIGHUP, signal.SIGKILL):
        try:
            os.killpg(starter.pid, number)
        except ProcessLookupError:
            pass
    pid, ticks, boot, epoch = attempt.record()
    assert attempt.state() == ["running", pid, ticks, boot, epoch]
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    assert (stat[3], stat[19], boot) == (pid, ticks, BOOT), "the wrapper leads a session"
    assert attempt.end() == (0, 0, "exited")
    assert attempt.text() == "no input\n"


def test_starter_may_be_killed_at_any_moment(server):
    """Then the job runs to its end, or it has not begun and can be given up; nothing in between."""
    states = []
    for _ in range(10):
        attempt = server.attempt()
        starter = server.popen("start", *server.options(attempt), start_new_session=True)
        starter.stdin.write(server.texts("echo it runs"))
        starter.stdin.close()
        starter.stdout.close()
        time.sleep(random.uniform(0, 0.04))
        os.killpg(starter.pid, signal.SIGKILL)
        starter.wait()
        states.append(attempt)
    time.sleep(1)
    for attempt in states:
        if attempt.state()[0] in ("absent", "claimed"):
            assert server.run("void", attempt.job, 1, server.machine) == "void\n"
            assert not (attempt.directory / "session").exists(), "nothing has run"
        else:
            assert attempt.end() == (0, 0, "exited") and attempt.text() == "it runs\n"


def test_in_a_kept_shell(server):
    """One shell takes one command after another from its standard input; its own must not be held or heard."""
    attempt = server.attempt()
    text = text_of("start").encode()
    arguments = " ".join(map(str, [".weir", *server.options(attempt)])).encode()
    command = b"set -- " + arguments + b"\n" + text
    request = b"printf %s " + quoted(server.texts("sleep 2")) + b" | (eval " + quoted(command) + b")\necho mark $?\n"
    shell = subprocess.Popen([server.bin / "sh"], env=server.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    began = time.monotonic()
    shell.stdin.write(request)
    shell.stdin.flush()
    assert shell.stdout.readline().startswith(b"started ")
    assert shell.stdout.readline() == b"mark 0\n" and time.monotonic() - began < 1.6
    output, _ = shell.communicate(timeout=15)
    assert output == b"" and time.monotonic() - began < 1.8, "it ends at once, too"
    assert attempt.end() == (0, 0, "exited")


ENDS = {
    "exit 0": (0, 0, "exited"),
    "exit 1": (1, 0, "exited"),
    "exit 137": (137, 0, "exited"),
    "exit 255": (255, 0, "exited"),
    "kill -9 $$": (-1, 9, "signaled"),
    "kill -TERM $$; sleep 9": (-1, 15, "signaled"),
    "kill -INT $$; sleep 9": (-1, 2, "signaled"),
    "ulimit -c 0; kill -ABRT $$": (-1, 6, "signaled"),
    "kill -9 0": (-1, 9, "signaled"),
    "trap '' TERM; kill 0; exit 4": (4, 0, "exited"),
    "exec >&- 2>&-; exit 3": (3, 0, "exited"),
    "exec sleep 0.1": (0, 0, "exited"),
    "exec /nowhere/at/all": (127, 0, "exited"),
    "#!/bin/sh -eu\nfalse; exit 9": (1, 0, "exited"),
    "#!/nowhere/at/all\nexit 9": (127, 0, "exited"),
    "#! /usr/bin/env sh \nexit 9": (9, 0, "exited"),
    "(": (2, 0, "exited"),
}


def test_how_it_ended_is_told(server):
    attempts = {script: server.start(script) for script in ENDS}
    ends = {script: attempt.end() for script, attempt in attempts.items()}
    assert ends == ENDS
    for name, state in server.sweep(*attempts.values()).items():
        attempt = next(attempt for attempt in attempts.values() if attempt.name == name)
        assert state == ["ended", *attempt.record(), *attempt.text("exit").split()]
    assert all(attempt.text("trouble") == "" for attempt in attempts.values())


def test_one_attempt_runs_once_however_often_it_is_started(server):
    attempt, runs = server.attempt(), server.home / "runs"
    texts = server.texts(f"echo run >>{runs}; sleep 0.2")
    starters = [server.popen("start", *server.options(attempt)) for _ in range(50 if server.kind == "dash" else 10)]
    for starter in starters:
        starter.stdin.write(texts)
        starter.stdin.close()
    answers = [starter.stdout.read().decode() for starter in starters]
    assert [starter.wait() for starter in starters] == [0] * len(starters)
    assert sorted(answers) == ["exists\n"] * (len(starters) - 1) + ["started " + attempt.text("start")]
    attempt.end()
    assert server.try_start(attempt) == "exists\n"
    assert runs.read_text() == "run\n"


def test_standard_input_may_be_a_socket(server):
    """As it is where sshd was built so."""
    ours, theirs = socket.socketpair()
    attempt = server.attempt()
    starter = server.popen("start", *server.options(attempt), stdin=theirs)
    theirs.close()
    ours.sendall(server.texts("exit 5"))
    ours.close()
    assert starter.communicate()[0].startswith(b"started ")
    assert attempt.end() == (5, 0, "exited")


def test_script_that_came_in_part_is_not_run(one_server):
    attempt, texts = one_server.attempt(), one_server.texts("echo it runs")
    for cut in (0, 5, len(texts) // 2, len(texts) - 12, len(texts) - 3):
        starter = one_server.popen("start", *one_server.options(attempt))
        assert starter.communicate(texts[:cut])[0] == b"" and starter.returncode != 0
    assert not attempt.directory.exists()


def test_void_or_run_but_never_both(server):
    outcomes = set()
    for round in range(25):
        attempt = server.attempt()
        starter = server.popen("start", *server.options(attempt))
        starter.stdin.write(server.texts("echo it runs"))
        starter.stdin.close()
        time.sleep(random.uniform(0, 0.02))
        void = lambda: server.run("void", attempt.job, attempt.number, server.machine).strip()  # noqa: E731
        # A wrapper that lives and has not begun yet is asked again, as Weir does.
        voided = until(lambda: (answer := void()) != "busy" and answer)
        started = starter.stdout.read().decode().strip()
        starter.wait()
        outcomes.add(voided.split()[0])
        if voided == "void":
            assert started in ("void", "exists"), (voided, started)
            assert attempt.end() == (-1, 0, "canceled")
            assert not (attempt.directory / "session").exists(), "nothing has run"
            assert attempt.state()[:4] == ["ended", "0", "0", "void"]
        else:
            assert voided == started == "started " + attempt.text("start").strip()
            assert attempt.end() == (0, 0, "exited") and attempt.text() == "it runs\n"
    assert outcomes <= {"void", "started"}


def test_attempt_that_was_given_up_does_not_begin(server):
    attempt = server.attempt()
    assert attempt.state() == ["absent"] and attempt.cancel() == "absent"
    assert server.run("void", attempt.job, 1, server.machine) == server.run("void", attempt.job, 1, server.machine) == "void\n"
    assert server.try_start(attempt) == "exists\n"
    assert attempt.cancel() == "void"
    # The next attempt is another matter.
    again = server.attempt(attempt.job, 2)
    assert server.try_start(again).startswith("started ")
    assert again.end() == (0, 0, "exited")


def test_cancel_of_what_has_not_begun(server):
    attempt = server.attempt()
    attempt.directory.mkdir(parents=True)
    assert attempt.state() == ["claimed"]
    assert attempt.cancel() == "void"
    assert attempt.end() == (-1, 0, "canceled")


# What the job sees


def test_environment_and_place(server):
    texts = {
        "environment": "export GREETING='it'\\''s  me' WEIR_JOB_ID=mine\n",
        "preamble": "export LOADED=\"$GREETING!\"\numask 027",
        "place": "gpus 0,1\n",
    }
    script = 'echo "$GREETING" "$LOADED" $WEIR_JOB_ID; pwd; echo $JOB_SUBMIT_DIR; umask; env | grep ^WEIR; echo "$0"'
    attempt = server.start(script, texts)
    assert attempt.end() == (0, 0, "exited")
    work = attempt.directory / "work"
    assert attempt.text().split("\n") == [
        f"it's  me it's  me! {attempt.job}", f"{work}", f"{work}", "0027", f"WEIR_JOB_ID={attempt.job}",
        f"{attempt.directory}/script", "",
    ]  # fmt: skip
    assert attempt.text("place") == "gpus 0,1\n" and attempt.text("../job") == "mark 1\n"
    assert "\nPlace: gpus 0,1\n" in server.run("describe", attempt.job, 1)
    assert attempt.directory.stat().st_mode & 0o777 == 0o700
    assert (attempt.directory / "script").stat().st_mode & 0o077 == 0


def test_bytes_come_through_as_they_are(server):
    nasty = bytes(range(1, 256)).replace(b"'", b"") + b" $x `y` \\ \\n %s %% ! \r\n\n"
    script = b"cat <<'END'\n" + nasty + b"END\nprintf %s \"$NASTY\"\nprintf '%s' '\\' \"it's\""
    environment = b"export NASTY='" + nasty + b"'\n"
    attempt = server.start(script, {"environment": environment, "job": nasty, "place": b"'" + nasty})
    assert attempt.end() == (0, 0, "exited")
    read = lambda name: (attempt.directory / name).read_bytes()  # noqa: E731
    assert read("script") == script and read("environment") == environment
    assert read("../job") == nasty and read("place") == b"'" + nasty
    assert read("stdout") == nasty + nasty + b"\\it's"


def test_script_of_two_megabytes(server):
    script = "echo begin\n" + ": 'äöü \\ $x'\n" * 120_000 + "echo end\n"
    attempt = server.start(script)
    assert attempt.end() == (0, 0, "exited") and attempt.text() == "begin\nend\n"
    assert attempt.text("script").encode("latin-1") == script.encode()


def test_streams_apart_or_joined(server):
    script = "echo out; echo err >&2"
    apart, joined = server.start(script), server.start(script, joined=True)
    apart.end(), joined.end()
    assert (apart.text(), apart.text("stderr")) == ("out\n", "err\n")
    assert (joined.text(), joined.text("stderr")) == ("out\nerr\n", "")


def test_script_with_secrets_is_on_no_disk(server):
    secret = new_id()
    script = f"echo the {secret}; sleep 0.2; echo end"
    attempts = [server.start(line + script, {"shown": "echo the ***"}, secret=True) for line in ("", "#!/bin/sh -e\n")]
    for attempt in attempts:
        attempt.said(secret)
    for path in server.root.rglob("*"):
        if path.is_file() and path.name != "stdout":
            assert secret.encode() not in path.read_bytes(), path
    assert not processes_with(secret)
    for attempt in attempts:
        assert attempt.end() == (0, 0, "exited")
        assert attempt.text("script") == "echo the ***" and attempt.text() == f"the {secret}\nend\n"


# The end


def test_killed_wrapper_leaves_an_orphan(server):
    attempt = server.start("echo $$; trap 'exit 1' USR2; while :; do sleep 0.05; done").said("\n")
    os.kill(attempt.wrapper, signal.SIGKILL)
    until(lambda: not is_alive(attempt.wrapper))
    state = attempt.state()
    assert state[:5] == ["orphaned", *attempt.record()]
    assert attempt.text().strip() in state[5].split(",")
    assert server.run("remove", attempt.job, server.machine) == "busy\n"
    assert attempt.signal("USR2").startswith("done ")
    until(lambda: not is_alive(int(attempt.text())))
    until(lambda: attempt.state() == ["vanished", *attempt.record()])
    assert server.run("remove", attempt.job, server.machine) == "removed\n"


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_cancel_and_time_limit_of_orphans(server):
    script = "echo $$; trap '' TERM; while :; do sleep 0.1; done"
    attempts = [server.start(script, limit=0.7, grace=0).said("\n"), server.start(script).said("\n")]
    for attempt in attempts:
        os.kill(attempt.wrapper, signal.SIGKILL)
    assert attempts[1].cancel(grace=0) == "asked"
    assert attempts[1].end() == (-1, 0, "canceled")
    assert attempts[0].end() == (-1, 0, "timelimit")
    assert not any(is_alive(int(attempt.text())) for attempt in attempts)


def test_reboot_is_told(server):
    attempts = [server.start("true") for _ in range(2)]
    for attempt in attempts:
        attempt.end()
        changed = attempt.text("start").replace(BOOT, BOOT[::-1])
        (attempt.directory / "start").write_text(changed)
    (attempts[0].directory / "exit").unlink()
    states = server.sweep(*attempts)
    assert states[attempts[0].name] == ["rebooted", *attempts[0].record()]
    assert states[attempts[1].name] == ["ended", *attempts[1].record(), *attempts[1].text("exit").split()]
    # A file that was not yet on the disk when the power went is there, and empty.
    (attempts[0].directory / "start").write_text("")
    assert attempts[0].state() == ["rebooted", "0", "0", "unknown", "0"]
    assert [server.run("remove", attempt.job, server.machine) for attempt in attempts] == ["removed\n"] * 2


def test_number_that_came_back_for_another_process_is_left_alone(server):
    attempt = server.start("true")
    attempt.end()
    (attempt.directory / "exit").unlink()
    innocent = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        _, ticks, boot, epoch = attempt.record()
        (attempt.directory / "start").write_text(f"{innocent.pid} {ticks} {boot} {epoch}\n")
        (attempt.directory / "session").write_text(f"{innocent.pid} {ticks}\n")
        assert attempt.state() == ["vanished", *attempt.record()]
        assert attempt.signal("TERM") == "done 0"
        assert attempt.cancel(grace=0) == "asked"
        time.sleep(0.3)
        assert attempt.state() == ["vanished", *attempt.record()]
        assert innocent.poll() is None
        assert server.run("remove", attempt.job, server.machine) == "removed\n"
    finally:
        innocent.kill()
        innocent.wait()


STUBBORN = """
trap '' TERM
for n in 1 2 3; do (while :; do sleep 0.1; done) & echo $!; done
setsid sh -c 'echo $$; while :; do sleep 0.1; done' &
env -i PATH="$PATH" sh -c 'echo $$; while :; do sleep 0.1; done' &
sleep 0.1
echo all
"""


def test_cancel_ends_all_that_ignores_it(server):
    attempt = server.start(STUBBORN + "while :; do sleep 0.1; done").said("all")
    pids = [int(line) for line in attempt.text().split() if line != "all"]
    assert len(pids) == 5
    began = time.monotonic()
    assert attempt.cancel(grace=1) == "asked"
    while not (attempt.directory / "exit").exists():
        alive = [pid for pid in pids if is_alive(pid)]
        assert time.monotonic() - began < 10, alive
        time.sleep(0.01)
    assert not any(map(is_alive, pids)), "exit is written when nothing is left"
    assert time.monotonic() - began > 0.9
    assert attempt.end() == (-1, 9, "canceled")
    assert attempt.cancel() == attempt.signal("TERM") == "over"


def test_leftovers_of_a_job_are_ended(server):
    attempt = server.start(STUBBORN.replace("trap '' TERM", "") + "nohup sleep 50 & exit 6")
    pids = [int(line) for line in attempt.said("all").text().split() if line != "all"]
    assert attempt.end() == (6, 0, "exited")
    assert len(pids) == 5 and not any(map(is_alive, pids))


def test_cancel_lets_the_script_clean_up_once(server):
    """TERM comes once, however often one cancels, and to whoever is suspended too."""
    script = "trap 'echo term; sleep 0.3; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    attempt = server.start(script).said("ready")
    attempt.signal("STOP")
    assert attempt.cancel(grace=5) == attempt.cancel(grace=5) == "asked"
    attempt.said("term")
    assert attempt.cancel(grace=5) == "asked"
    assert attempt.end() == (0, 0, "canceled")
    assert attempt.text() == "ready\nterm\n"


def test_cancel_finds_a_job_that_is_just_beginning(server):
    for _ in range(3):
        attempt = server.start("exec sleep 30")
        assert attempt.cancel() == "asked"
        assert attempt.end()[2] == "canceled"


@pytest.mark.parametrize("server", ["bare"], indirect=True)
def test_time_limit_of_a_script_that_ignores_it(server):
    began = time.monotonic()
    attempt = server.start(STUBBORN + "while :; do sleep 0.1; done", limit=0.3, grace=1)
    assert attempt.end() == (-1, 9, "timelimit")
    assert 1.2 < time.monotonic() - began < 10
    pids = [int(line) for line in attempt.text().split() if line != "all"]
    assert len(pids) == 5 and not any(map(is_alive, pids))


def test_time_limit_that_is_not_reached_leaves_nothing(server):
    assert server.start("true", limit=86400).end() == (0, 0, "exited")


def test_signals_reach_the_job(server):
    """INT and QUIT too, which a shell makes its background commands deaf to."""
    script = "for s in INT QUIT HUP TERM USR1; do trap \"echo $s\" $s; done; echo ready; while :; do sleep 0.05; done"
    attempt = server.start(script).said("ready")
    for name in ("INT", "QUIT", "HUP", "TERM", "USR1"):
        # Its sleep is a process of the job, too, when there is one just then.
        assert attempt.signal(name) in ("done 1", "done 2")
        attempt.said(f"{name}\n")
    assert attempt.state()[0] == "running"
    assert server.run("signal", new_id(), 1, "TERM", server.machine) == "absent\n"
    attempt.signal("KILL")
    assert attempt.end() == (-1, 9, "signaled")


def test_suspend_and_resume(server):
    attempt = server.start("n=0; while :; do n=$((n + 1)); echo $n; sleep 0.02; done").said("2\n")
    assert attempt.signal("STOP").startswith("done ")
    until(lambda: attempt.state() == ["suspended", *attempt.record()])
    time.sleep(0.05)
    seen = attempt.text()
    time.sleep(0.1)
    assert attempt.text() == seen
    attempt.signal("CONT")
    until(lambda: attempt.text() != seen)
    assert attempt.state()[0] == "running"
    attempt.cancel()
    assert attempt.end() == (-1, 15, "canceled")


VERDICTS = {
    "echo JARVICE_CMD_SUCCESS; exit 3": 0,
    "echo 'all is well: JARVICE_CMD_SUCCESS.'": 0,
    "exit 0": 1,
    "echo '+ /bin/echo JARVICE_CMD_SUCCESS'": 1,
    "echo '+ /bin/echo JARVICE_CMD_SUCCESS'; echo JARVICE_CMD_SUCCESS": 0,
    "echo 'GoTTY is starting with command: x && echo JARVICE_CMD_SUCCESS'": 1,
    "printf '\\377\\000\\nJARVICE_CMD_SUCCESS'": 0,
    "set -x\n/bin/echo JARVICE_CMD_SUCCESS": 0,
    "set -x\nfalse && /bin/echo JARVICE_CMD_SUCCESS; : /bin/echo JARVICE_CMD_SUCCESS": 1,
}


def test_output_is_judged(server):
    attempts = {script: server.start(script, judged=True, joined=True) for script in VERDICTS}
    killed = server.start("echo JARVICE_CMD_SUCCESS; kill -9 $$", judged=True)
    assert {script: attempt.end()[0] for script, attempt in attempts.items()} == VERDICTS
    for attempt in attempts.values():
        good = attempt.end() == (0, 0, "exited")
        last_line = "JARVICE Job completed OK\n" if good else "JARVICE Job failed, investigate logs\n"
        assert attempt.text().endswith(last_line)
    assert killed.end() == (-1, 9, "signaled") and killed.text() == "JARVICE_CMD_SUCCESS\n"


def test_much_output_without_a_newline(one_server):
    """100 MB in one line, the verdict at its end."""
    attempt = one_server.start("head -c 100000000 /dev/zero | tr '\\0' x; printf JARVICE_CMD_SUCCESS", judged=True)
    assert attempt.end(60) == (0, 0, "exited")
    size = 100_000_000 + len("JARVICE_CMD_SUCCESSJARVICE Job completed OK\n")
    assert (attempt.directory / "stdout").stat().st_size == size
    assert one_server.run("output", attempt.job, 1, "stdout", 100, 10).startswith("x" * 30)
    # The word is found where a fold goes through it, too.
    for width in (65536, 65504):
        attempt = one_server.start(f"head -c {width - 9} /dev/zero | tr '\\0' x; echo JARVICE_CMD_SUCCESS", judged=True)
        assert attempt.end() == (0, 0, "exited")


@pytest.mark.parametrize("server", ["dash", "bash", "bare"], indirect=True)
def test_epilogue_runs_in_any_case(server):
    texts = {
        "environment": "export GPU=7",
        "epilogue": "echo epilogue $GPU $WEIR_JOB_ID $WEIR_EXIT_CODE $WEIR_EXIT_SIGNAL $WEIR_EXIT_CAUSE; sleep 0.2\n"
        "sleep 60 & exit 9",
    }
    attempts = {
        "5 0 exited": server.start("exit 5", texts),
        "-1 15 canceled": server.start("echo ready; exec sleep 60", texts).said("ready"),
        "-1 15 timelimit": server.start("exec sleep 60", texts, limit=0.3),
    }
    assert attempts["-1 15 canceled"].cancel(grace=2) == "asked"
    for how, attempt in attempts.items():
        assert " ".join(map(str, attempt.end())) == how
        assert attempt.text().removeprefix("ready\n") == f"epilogue 7 {attempt.job} {how}\n"


def test_orphan_that_is_canceled_is_never_lost(server):
    """Between the end of its last process and the moment at which that is written down, too."""
    attempts = [server.start("echo ready; exec sleep 60") for _ in range(2)]
    attempts.append(server.start("trap '' TERM; echo ready; while :; do sleep 0.1; done"))
    for attempt in attempts:
        os.kill(attempt.said("ready").wrapper, signal.SIGKILL)
        until(lambda: not is_alive(attempt.wrapper))
    for attempt in attempts:
        assert attempt.cancel() == "asked"
    seen = set()
    while not all((attempt.directory / "exit").exists() for attempt in attempts):
        seen |= {state[0] for state in server.sweep(*attempts).values()}
    assert seen == {"orphaned", "ended"} or seen == {"orphaned"}
    assert [attempt.end() for attempt in attempts] == [(-1, 0, "canceled")] * 3


def test_end_is_known_though_the_epilogue_was_cut_off(server):
    attempt = server.start("exit 3", {"epilogue": "echo $$; exec sleep 60"}).said("\n")
    os.kill(attempt.wrapper, signal.SIGKILL)
    until(lambda: not is_alive(attempt.wrapper))
    assert attempt.state() == ["orphaned", *attempt.record(), attempt.text().strip()]
    os.kill(int(attempt.text()), signal.SIGKILL)
    over = attempt.text("over").split()
    until(lambda: attempt.state() == ["ended", *attempt.record(), *over])
    assert over[:3] == ["3", "0", "exited"]
    (attempt.directory / "start").write_text(attempt.text("start").replace(BOOT, BOOT[::-1]))
    assert attempt.state() == ["ended", *attempt.record(), *over]
    for pid in processes_with(str(server.root)):
        os.kill(pid, signal.SIGKILL)  # The epilogue's timer, which outlives the wrapper.


def test_epilogue_is_not_canceled_and_not_endless(one_server):
    text = text_of("run")
    assert text.count("set_timer 60 ") == 1
    (one_server.root / "lib/run-HASH.sh").write_text(text.replace("set_timer 60 ", "set_timer 2 "))
    epilogue = "trap '' TERM; echo epilogue; sleep 0.7; echo late; while :; do sleep 0.1; done"
    attempt = one_server.start("exec sleep 60", {"epilogue": epilogue})
    began = time.monotonic()
    assert attempt.cancel(grace=0) == "asked"
    attempt.said("epilogue")
    assert attempt.cancel(grace=0) == attempt.signal("KILL") == "over"
    assert attempt.end()[2] == "canceled" and 2 < time.monotonic() - began < 12
    assert "late" in attempt.text()


# Disk


@pytest.fixture
def small_disk(server):
    """A job root of 256 KB."""
    shutil.rmtree(server.root)
    server.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", server.root], check=True)
    server.prepare()
    yield server
    until(lambda: not processes_with(str(server.root)), 3, "processes are left")
    subprocess.run(["umount", server.root], check=True)


@pytest.mark.parametrize("server", ["dash", "bash", "ash"], indirect=True)
def test_full_disk(small_disk):
    server = small_disk
    for secret in (False, True):
        attempt = server.attempt()
        answer = server.try_start(attempt, "true\n" + "#" * 300_000, secret=secret, status=73)
        assert "could not be started" in answer, answer
        assert list((server.root / "jobs").iterdir()) == []
    # A job that fills it has its end told all the same.
    attempt = server.start("sleep 0.2; head -c 1000000 /dev/zero; exit 8")
    assert attempt.end() == (8, 0, "exited")
    assert attempt.state()[-4:-1] == ["8", "0", "exited"]
    answer = server.try_start(server.attempt(), "true", status=73)
    assert "No space" in answer or "could not be started" in answer, answer
    assert [path.name for path in (server.root / "jobs").iterdir()] == [attempt.job]
    assert server.run("remove", attempt.job, server.machine) == "removed\n"
    assert server.start("true").end() == (0, 0, "exited")


# Watching


def test_ends_are_told_to_whoever_watches(server):
    watch = server.popen("watch", server.machine)
    assert watch.stdout.readline() == b"ready\n"
    attempts = [server.start("true") for _ in range(3)]
    lines = sorted(watch.stdout.readline().decode() for _ in attempts)
    assert lines == sorted(f"{attempt.job} 1\n" for attempt in attempts)
    assert all((attempt.directory / "exit").exists() for attempt in attempts)
    # The next watch has a FIFO of its own, and the old one takes nothing from it.
    other = server.popen("watch", server.machine)
    assert other.stdout.readline() == b"ready\n"
    attempt = server.start("true")
    assert other.stdout.readline().decode() == f"{attempt.job} 1\n"
    for process in (watch, other):
        process.stdin.close()
        assert process.stdout.read() == b"" and process.wait(5) == 0
    assert server.start("true").end() == (0, 0, "exited")


def test_reader_that_hangs_does_not_hold_the_wrapper(server):
    os.mkfifo(server.support / "ends")
    holder = os.open(server.support / "ends", os.O_RDWR | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(holder, b"x" * 4096)
    attempt = server.start("true")
    assert attempt.end() == (0, 0, "exited")
    until(lambda: not is_alive(attempt.wrapper), 2, "the wrapper waits")
    # What cannot be told waits no longer than the reader lives.
    os.close(holder)
    until(lambda: not processes_with(str(server.root)), 2, "somebody still waits")


# Looking


def test_sweep_of_500_jobs_is_one_look(one_server):
    server = one_server
    ended = server.start("true")
    ended.end()
    # Wrappers that do nothing, but for their own attempt.
    idle = server.root / "lib/run-IDLE.sh"
    idle.write_text("read line\n")
    theirs, ours = os.pipe()
    attempts, wrappers = [], []
    for number in range(500):
        attempt = server.attempt()
        attempt.directory.mkdir(parents=True)
        if number % 2:
            wrappers.append(subprocess.Popen([server.bin / "sh", idle, "run", attempt.directory, attempt.job], stdin=theirs))
            ticks = pathlib.Path(f"/proc/{wrappers[-1].pid}/stat").read_text().rpartition(") ")[2].split()[19]
            (attempt.directory / "start").write_text(f"{wrappers[-1].pid} {ticks} {BOOT} {int(time.time())}\n")
        else:
            for name in ("start", "exit"):
                shutil.copy(ended.directory / name, attempt.directory)
        attempts.append(attempt)
    began = os.times()
    states = server.sweep(*attempts)
    took = os.times()
    # Of the processor, since others may be using it.
    seconds = took.children_user + took.children_system - began.children_user - began.children_system
    assert [states[attempt.name][0] for attempt in attempts] == ["ended", "running"] * 250
    assert seconds < 1
    trace = server.home / "trace"
    calls = "trace=fork,vfork,clone,clone3,execve"
    arguments = [".weir", "0", server.machine, "", "", *(attempt.name for attempt in attempts)]
    (server.home / "sweep.sh").write_text(text_of("sweep"))
    subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-e", calls, "-o", trace, server.bin / "sh", server.home / "sweep.sh", *arguments],
        env=server.environment, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    forks = sum("fork" in line or "clone" in line for line in trace.read_text().splitlines())
    os.close(ours)
    os.close(theirs)
    for wrapper in wrappers:
        wrapper.wait(10)
    # However many jobs: the shells, two looks at all processes, and one at which of these have ended meanwhile.
    assert forks <= 5


def test_list_names_what_can_be_taken_over(server):
    texts = {"job": "mark weir-1\nname a b  c\\n", "place": "gpus 0,1"}
    attempt = server.attempt()
    for number in (1, 2, 10):
        again = server.attempt(attempt.job, number)
        assert server.try_start(again, "true", {**texts, "place": f"gpus {number}"}).startswith("started ")
    voided = new_id()
    server.run("void", voided, 3, server.machine)
    blocks = {
        attempt.job: f"job {attempt.job}\n= mark weir-1\n= name a b  c\\n\nattempt 10\nmachine {server.machine}\n+ gpus 10\n",
        voided: f"job {voided}\nattempt 3\n",
    }
    assert server.run("list") == "".join(blocks[job] for job in sorted(blocks))
    again.end()


def test_removed_job_does_not_come_back(server):
    attempt = server.start("exec sleep 60")
    assert server.run("remove", attempt.job, server.machine) == "busy\n"
    attempt.cancel(grace=0)
    attempt.end()
    old = server.root / "removed" / new_id()
    old.touch()
    os.utime(old, (0, time.time() - 32 * 86400))
    assert server.run("remove", attempt.job, server.machine) == server.run("remove", attempt.job, server.machine) == "removed\n"
    assert not (server.root / "jobs" / attempt.job).exists() and not old.exists()
    assert server.try_start(attempt) == "removed\n"
    assert server.try_start(server.attempt(attempt.job, 2)) == "removed\n"
    assert server.run("void", attempt.job, 1, server.machine) == "removed\n"
    # An attempt that is being made may begin at any moment.
    claimed = server.attempt()
    claimed.directory.mkdir(parents=True)
    assert server.run("remove", claimed.job, server.machine) == "busy\n"


def test_end_of_the_output_and_description(server):
    script = "for n in 1 2 3 4 5; do echo line $n; done; echo trouble here >&2; exit 3"
    attempt = server.start(script, {"place": "gpus \ncores 1\n"})
    attempt.end()
    output = lambda stream, size, lines: server.run("output", attempt.job, 1, stream, size, lines)  # noqa: E731
    assert output("stdout", 1000, 2) == "line 4\nline 5\n"
    assert output("stdout", 9, 10) == "4\nline 5\n"
    assert output("stderr", 1000, 10) == "trouble here\n"
    assert server.run("output", new_id(), 1, "stdout", 10, 10) == ""
    text = server.run("describe", attempt.job, 1)
    for words in (str(attempt.directory), "3 0 exited", "stdout: 35 bytes", "trouble here", str(attempt.wrapper)):
        assert words in text, text
    assert "Place" not in text, "a job without GPUs has nothing to show there"
    assert "no attempt 2" in server.run("describe", attempt.job, 2)


# GPUs

A100 = "0, GPU-5a1c8f3e-93cb-6f1d-3d67-1b0a2f6c9f11, 00000000:3B:00.0, NVIDIA A100-SXM4-40GB, 417, 40960, 34, 0"
OLD = "1, GPU-0b6e2d5a-1f0c-9a8e-77d4-2c5b9e8f7a22, 00000000:AF:00.0, Tesla K80, 11, 11441, [Not Supported], [N/A]"
LOST = "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system to recover this GPU"


@pytest.fixture
def gpus(request, tmp_path):
    server = request.getfixturevalue("one_server" if "one_server" in request.fixturenames else "server")
    state = tmp_path / "gpus"
    state.mkdir()
    (server.bin / "nvidia-smi").unlink(missing_ok=True)
    (server.bin / "nvidia-smi").symlink_to(STAND_IN)
    server.environment["NVIDIA_SMI_STATE"] = str(state)
    return state


def sections(answer: str) -> list:
    lines = answer.splitlines()
    assert lines[-1] == "smi-end"
    apps = next(index for index, line in enumerate(lines) if line.startswith("smi-apps "))
    return [lines[3:apps], lines[apps:-1]]


def test_what_nvidia_smi_says(server, gpus):
    attempt = server.start("exec sleep 60")
    pid = until(lambda: processes_with(f"WEIR_JOB_ID={attempt.job}"))[0]
    (gpus / "gpus").write_text(f"{A100}\n{OLD}\n")
    uuid = A100.split(", ")[1]
    apps = [f"{uuid}, {pid}, 5120", f"{uuid}, {os.getpid()}, [N/A]", f"{uuid}, 99999999, 1"]
    (gpus / "apps").write_text("\n".join(apps) + "\n")
    user = "root" if os.geteuid() == 0 else os.environ["USER"]
    listed, used = sections(server.run("sweep", 1, server.machine, "", ""))
    assert listed == ["smi-gpus 0", A100, OLD]
    assert used[:4] == ["smi-apps 0", *apps]
    assert sorted(used[4:]) == sorted([f"user {pid} {user}", f"user {os.getpid()} {user}", f"job {pid} {attempt.job}"])
    (gpus / "apps").unlink()
    assert sections(server.run("sweep", 1, server.machine, "", ""))[1] == ["smi-apps 0"]
    attempt.cancel()
    attempt.end()


@pytest.mark.parametrize(
    "status, message, listed",
    [
        (6, "No devices were found", []),
        (15, LOST, [OLD]),
        (15, "Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error", []),
        (18, "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.183", []),
    ],
    ids=["none", "one lost", "unknown", "mismatch"],
)
def test_what_nvidia_smi_complains_of(one_server, gpus, status, message, listed):
    server = one_server
    (gpus / "gpus").write_text("".join(line + "\n" for line in listed))
    if status != 6:
        (gpus / "fails").write_text(f"{status}\n{message}\n")
    answer = sections(server.run("sweep", 1, server.machine, "", ""))
    assert answer[0] == [f"smi-gpus {status}", *listed, *message.split("\n")]
    assert answer[1] == [f"smi-apps {status}", *message.split("\n")]


def test_server_without_nvidia_smi(server):
    assert sections(server.run("sweep", 1, server.machine, "", ""))[0][0] == "smi-gpus 127"


def test_nvidia_smi_that_hangs(one_server, gpus):
    server = one_server
    text = text_of("sweep")
    assert text.count("sleep 20 &") == 1
    text = text.replace("sleep 20 &", "sleep 0.3 &")
    (gpus / "hangs").touch()
    began = time.monotonic()
    assert sections(server.run("sweep", 1, server.machine, "", "", text=text)) == [["smi-gpus 124"], ["smi-apps 124"]]
    assert time.monotonic() - began < 2
    (gpus / "hangs").unlink()
    (gpus / "gpus").write_text(f"{A100}\n")
    assert sections(server.run("sweep", 1, server.machine, "", "", text=text))[0] == ["smi-gpus 0", A100]
    assert not list((server.support / "lib").glob("smi.[0-9]*"))


# The scripts themselves


def test_scripts_are_clean():
    scripts = sorted(SCRIPTS.glob("*.sh"))
    assert len(scripts) == 19
    checked = subprocess.run(["shellcheck", "-s", "sh", *scripts, STAND_IN], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    for script in scripts:
        for line in script.read_text().splitlines():
            assert len(line) <= 120 and line == line.rstrip(), (script.name, line)

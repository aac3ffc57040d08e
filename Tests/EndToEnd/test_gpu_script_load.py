"""What the scripts of GPU servers cost an overloaded machine: asking again and again adds no work, and what nobody waits for
any more ends."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest
from test_gpu_script_processes import command
from test_gpu_scripts import is_alive, roots, server, text_of, timed_out, until  # noqa: F401

KINDS = ["dash", "bash", "ash", "bare"]
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def enders(attempt) -> set:
    """What a cancel has sent to end this attempt, and lives; not what each of them starts, which looks alike for a moment."""
    found = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        words = [word for word in command(pid) if word != "-p"]
        if words[2:4] == ["end", str(attempt.directory)] and words[1].endswith("/lib/run-HASH.sh") and is_alive(pid):
            with contextlib.suppress(OSError):
                found[pid] = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    return {pid for pid, parent in found.items() if parent not in found}


def settled(attempt) -> set:
    """Those that are there for a while."""
    return until(lambda: (first := enders(attempt)) and not time.sleep(1) and enders(attempt) == first and first)


def change(server, before: str, after: str):  # noqa: F811
    """Changes the wrapper's text on the server."""
    wrapper = server.root / "lib/run-HASH.sh"
    text = wrapper.read_text()
    assert text.count(before) == 1
    wrapper.write_text(text.replace(before, after))


def patient(server, seconds: float, old=300):  # noqa: F811
    """Lets what ends a job go on for so long after the grace."""
    change(server, f"ender_time={old}\n", f"ender_time={seconds}\n")


def impatient(server):  # noqa: F811
    """An ender is given a second beside its grace before the next one takes over."""
    change(server, "+ 10) * 100", "+ 1) * 100")


def slow(server, name: str, body: str):  # noqa: F811
    """Has this command of the server do something else first."""
    real = subprocess.check_output(["which", name], text=True).strip()
    (server.bin / name).write_text(f'#!/bin/sh\n{body}\nexec {real} "$@"\n')
    (server.bin / name).chmod(0o755)


@pytest.mark.parametrize("server, orphaned", [*((kind, False) for kind in KINDS), ("dash", True)], indirect=["server"])
def test_one_ender_works_at_a_time(server, orphaned):  # noqa: F811
    attempt = server.start(STUBBORN).said("ready")
    if orphaned:
        os.kill(attempt.wrapper, signal.SIGKILL)
        until(lambda: not is_alive(attempt.wrapper))
    arguments = [attempt.job, 1, 60, "HASH", server.machine]
    together = [server.popen("cancel", *arguments) for _ in range(4)]
    assert [process.communicate(timeout=20)[0] for process in together] == [b"asked\n"] * 4
    for _ in range(4):
        assert attempt.cancel(grace=60) == "asked"
    # All others do nothing but wait.
    working = until(lambda: len(those := [pid for pid in enders(attempt) if not sleeps(pid)]) == 1 and those)
    time.sleep(1)
    assert [pid for pid in enders(attempt) if not sleeps(pid)] == working
    # One after the other goes on in its place; the last one with what it was told.
    for pid in enders(attempt):
        os.kill(pid, signal.SIGKILL)
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled"
    until(lambda: not enders(attempt))


def sleeps(ender: int) -> bool:
    """Whether all that it does is to wait for a second to pass, again and again."""
    try:
        children = pathlib.Path(f"/proc/{ender}/task/{ender}/children").read_text().split()
    except OSError:
        return True
    return any(command(int(child))[:2] == ["sleep", "1"] for child in children)


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_next_ender_goes_on_where_one_was_killed(server):  # noqa: F811
    attempt = server.start(STUBBORN).said("ready")
    assert attempt.cancel(grace=60) == "asked"
    (first,) = settled(attempt)
    assert attempt.cancel(grace=0) == "asked"
    assert len(settled(attempt)) == 2
    os.kill(first, signal.SIGKILL)
    assert attempt.end()[2] == "canceled"


FORGED = "/lib/run-HASH.sh end ${PWD%/work} $WEIR_JOB_ID"


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
@pytest.mark.parametrize("kind", ["in the job", "outside", "again and again"])
def test_job_that_forges_an_ender_is_canceled(server, kind):  # noqa: F811
    impatient(server)
    forged = f"sh -c 'echo ready; while $0; do sleep 1; done' WHILE {server.root}{FORGED}"
    outside = f'env -i PATH="$PATH" setsid {forged}'
    script = {
        "in the job": f"{forged} & {forged}",
        "outside": f"{outside} & sleep 600",
        "again and again": f"while :; do {outside.replace('while $0; do', '').replace('done', '')} & sleep 0.4; done",
    }[kind].replace("WHILE", "true")
    attempt = server.start(f"trap '' TERM; {script}").said("ready")
    assert attempt.cancel(grace=1) == "asked"
    assert attempt.end()[2] == "canceled"
    subprocess.run(["pkill", "-KILL", "-f", f"{server.root}/lib/run-HASH.sh end"], check=False)


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_ender_of_another_attempt_is_another_matter(server):  # noqa: F811
    """Attempts 1 and 10 of a job, the names of which begin alike."""
    first = server.attempt()
    tenth = server.attempt(first.job, 10)
    for attempt in (first, tenth):
        assert server.try_start(attempt, STUBBORN).startswith("started ")
        attempt.said("ready")
    for attempt in (tenth, first):
        assert attempt.cancel(grace=60) == "asked"
        assert len(settled(attempt)) == 1
    for attempt in (tenth, first):
        os.kill(*enders(attempt), signal.SIGKILL)
        until(lambda: not enders(attempt))
    for attempt in (tenth, first):
        assert attempt.cancel(grace=0) == "asked"
    assert tenth.end()[2] == first.end()[2] == "canceled"


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_ender_that_was_stopped_goes_on_or_is_replaced(server):  # noqa: F811
    attempt = server.start(STUBBORN).said("ready")
    assert attempt.cancel(grace=60) == "asked"
    (stopped,) = settled(attempt)
    os.kill(stopped, signal.SIGSTOP)
    assert attempt.cancel(grace=60) == "asked"
    until(lambda: pathlib.Path(f"/proc/{stopped}/stat").read_text().rpartition(") ")[2][0] not in "Tt")
    os.kill(stopped, signal.SIGSTOP)
    impatient(server)
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled" and not is_alive(stopped)


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_ender_leaves_in_the_end(server):  # noqa: F811
    """What cannot be ended is looked at for a time, and again when it is asked for again."""
    patient(server, 1)
    # As if KILL did nothing.
    wrapper = server.root / "lib/run-HASH.sh"
    wrapper.write_text(wrapper.read_text().replace("    send KILL\n", "    :\n", 2))
    attempt = server.start(STUBBORN).said("ready")
    for _ in range(2):
        assert attempt.cancel(grace=0) == "asked"
        until(lambda: enders(attempt))
        until(lambda: not enders(attempt))
        assert attempt.state()[0] == "running" and not (attempt.directory / "exit").exists()
    attempt.signal("KILL")
    assert attempt.end()[2] == "canceled"


@pytest.mark.parametrize("server, orphaned", [("dash", False), ("bash", True)], indirect=["server"])
def test_looking_costs_half_a_core_at_most(server, orphaned):  # noqa: F811
    """Where each look at the processes takes long, the next one comes after as long a rest."""
    attempt = server.start(STUBBORN).said("ready")
    if orphaned:
        os.kill(attempt.wrapper, signal.SIGKILL)
        until(lambda: not is_alive(attempt.wrapper))
    log = server.home / "looks"
    log.touch()
    slow(server, "find", f"echo >>{log}; sleep 0.4")
    assert attempt.cancel(grace=60) == "asked"
    (ender,) = settled(attempt)
    before, began = log.stat().st_size, time.monotonic()
    time.sleep(4)
    looked, took = 0.4 * (log.stat().st_size - before), time.monotonic() - began
    assert 0 < looked < 0.6 * took
    (server.bin / "find").unlink()
    os.kill(ender, signal.SIGKILL)
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled"


SENT = {
    "sweep": lambda attempt: [0, attempt.server.machine, "", "", attempt.name],
    "cancel": lambda attempt: [attempt.job, 1, 60, "HASH", attempt.server.machine],
    "signal": lambda attempt: [attempt.job, 1, "USR1", attempt.server.machine],
    "remove": lambda attempt: [attempt.job, attempt.server.machine],
}


@pytest.mark.parametrize("server, kept", [("dash", True), ("dash", False), ("bash", True)], indirect=["server"])
@pytest.mark.parametrize("script", SENT)
def test_script_ends_when_its_asker_is_gone(server, script, kept):  # noqa: F811
    """The process that serves the connection ends: whoever runs in its shell does nothing more."""
    attempt = server.start("trap 'echo signal' USR1; echo ready; while :; do sleep 0.1; done").said("ready")
    os.kill(attempt.wrapper, signal.SIGKILL)
    until(lambda: not is_alive(attempt.wrapper))
    gate, waits, said = (server.home / name for name in ("gate", "waits", "said"))
    slow(server, "grep", f'echo $PPID >>{waits}; while [ ! -e "{gate}" ]; do sleep 0.05; done')
    text, arguments = text_of(script), [".weir", *map(str, SENT[script](attempt))]
    own = [server.bin / "sh", "-c", text, "sh", *arguments]
    if kept:
        own = [server.bin / "sh", "-c", '(eval "$0"); exit', text, *arguments]
    # It waits for its child, as sshd does.
    asker = subprocess.Popen(
        ["/bin/sh", "-c", 'out=$1; shift; "$@" >"$out" 2>&1; exit', "sh", said, *own], env=server.environment, cwd="/"
    )
    until(lambda: waits.exists() and waits.read_text())
    asker.kill()
    asker.wait()
    gate.touch()
    until(lambda: not [pid for pid in processes_of(text) if is_alive(pid)], 10, "it goes on")
    (server.bin / "grep").unlink()
    lines = said.read_text().splitlines()
    assert lines == [] or script == "sweep" and len(lines) == 3
    assert not (attempt.directory / "cancel").exists() and "signal" not in attempt.text()
    assert not enders(attempt) and is_alive(int(attempt.text("session").split()[0]))
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled"


def processes_of(text: str) -> list:
    """Shells that run this script."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if text in command(pid)]


@pytest.mark.parametrize("script, seconds", [(name, 300 if name == "remove" else 30) for name in SENT])
def test_script_ends_when_nobody_waits_so_long(server, script, seconds):  # noqa: F811
    attempt = server.start("echo ready; exec sleep 60").said("ready")
    os.kill(attempt.wrapper, signal.SIGKILL)
    until(lambda: not is_alive(attempt.wrapper))
    words, text = f"set_patience {seconds}\n", text_of(script)
    assert text.count(words) == 1
    process = server.popen(script, *SENT[script](attempt), text=text.replace(words, "set_patience 0\n"))
    output, errors = process.communicate(timeout=10)
    assert process.returncode == 75 and errors == b""
    assert len(output.splitlines()) == (3 if script == "sweep" else 0)
    assert not (attempt.directory / "cancel").exists()
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled"

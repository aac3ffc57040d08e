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
    """Those that stay: one that comes too much leaves as soon as it has looked around, and starts others meanwhile."""
    return until(lambda: (first := enders(attempt)) and not time.sleep(1) and enders(attempt) == first and first)


def patient(server, seconds: float, old=300):  # noqa: F811
    """Lets what ends a job go on for so long after the grace."""
    wrapper, words = server.root / "lib/run-HASH.sh", f"ender_time={old}\n"
    text = wrapper.read_text()
    assert text.count(words) == 1
    wrapper.write_text(text.replace(words, f"ender_time={seconds}\n"))


def slow(server, name: str, body: str):  # noqa: F811
    """Has this command of the server do something else first."""
    real = subprocess.check_output(["which", name], text=True).strip()
    (server.bin / name).write_text(f'#!/bin/sh\n{body}\nexec {real} "$@"\n')
    (server.bin / name).chmod(0o755)


@pytest.mark.parametrize("server, orphaned", [*((kind, False) for kind in KINDS), ("dash", True)], indirect=["server"])
def test_one_ender_however_often_a_job_is_canceled(server, orphaned):  # noqa: F811
    attempt = server.start(STUBBORN).said("ready")
    if orphaned:
        os.kill(attempt.wrapper, signal.SIGKILL)
        until(lambda: not is_alive(attempt.wrapper))
    arguments = [attempt.job, 1, 60, "HASH", server.machine]
    together = [server.popen("cancel", *arguments) for _ in range(4)]
    assert [process.communicate(timeout=20)[0] for process in together] == [b"asked\n"] * 4
    one = settled(attempt)
    assert len(one) == 1
    for _ in range(4):
        assert attempt.cancel(grace=60) == "asked"
    assert settled(attempt) == one
    os.kill(*one, signal.SIGKILL)
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled"


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_job_that_forges_an_ender_is_canceled(server):  # noqa: F811
    forged = f"sh -c 'echo ready; read line; exit' {server.root}/lib/run-HASH.sh end ${{PWD%/work}} $WEIR_JOB_ID"
    attempt = server.start(f"trap '' TERM; mkfifo fifo; exec <>fifo; {forged}; exit").said("ready")
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled"


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
    patient(server, -60)
    time.sleep(0.1)
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

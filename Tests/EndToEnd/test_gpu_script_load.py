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


def patient(server, seconds: float, old=60):  # noqa: F811
    """Lets what ends a job go on for so long after the grace."""
    wrapper, words = server.root / "lib/run-HASH.sh", f"ender_time={old}\n"
    text = wrapper.read_text()
    assert text.count(words) == 1
    wrapper.write_text(text.replace(words, f"ender_time={seconds}\n"))


def undying(server):  # noqa: F811
    """As if KILL did nothing."""
    wrapper = server.root / "lib/run-HASH.sh"
    wrapper.write_text(wrapper.read_text().replace("    send KILL\n", "    :\n", 2))


def slow(server, name: str, body: str):  # noqa: F811
    """Has this command of the server do something else first."""
    real = subprocess.check_output(["which", name], text=True).strip()
    (server.bin / name).write_text(f'#!/bin/sh\n{body}\nexec {real} "$@"\n')
    (server.bin / name).chmod(0o755)


@pytest.mark.parametrize("server, orphaned", [*((kind, False) for kind in KINDS), ("dash", True)], indirect=["server"])
def test_only_the_youngest_ender_goes_on_in_the_end(server, orphaned):  # noqa: F811
    """What cannot be ended is looked at by one, which goes on also where Weir does not send it again."""
    patient(server, 0)
    undying(server)
    attempt = server.start(STUBBORN).said("ready")
    if orphaned:
        os.kill(attempt.wrapper, signal.SIGKILL)
        until(lambda: not is_alive(attempt.wrapper))
    arguments = [attempt.job, 1, 0, "HASH", server.machine]
    together = [server.popen("cancel", *arguments) for _ in range(4)]
    assert [process.communicate(timeout=20)[0] for process in together] == [b"asked\n"] * 4
    one = until(lambda: len(those := enders(attempt)) == 1 and those, 40)
    assert not (attempt.directory / "exit").exists()
    assert attempt.cancel(grace=0) == "asked"
    until(lambda: len(those := enders(attempt)) == 1 and those != one, 40)
    attempt.signal("KILL")
    assert attempt.end()[2] == "canceled"
    until(lambda: not enders(attempt), 20)


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_second_cancel_with_less_grace_ends_at_once(server):  # noqa: F811
    attempt = server.start(STUBBORN).said("ready")
    assert attempt.cancel(grace=60) == "asked"
    assert len(settled(attempt)) == 1
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled"


FORGED = "/lib/run-HASH.sh end ${PWD%/work} $WEIR_JOB_ID"


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
@pytest.mark.parametrize("kind", ["in the job", "outside", "again and again", "long"])
def test_job_that_forges_enders_is_canceled(server, kind):  # noqa: F811
    """Also one that starts younger ones all the time, or one with an endless command line."""
    patient(server, 0)
    forged = f"sh -c 'echo ready; while $0; do sleep 1; done' true {server.root}{FORGED}"
    outside = f'env -i PATH="$PATH" setsid {forged}'
    script = {
        "in the job": f"{forged} & {forged}",
        "outside": f"{outside} & sleep 600",
        "again and again": f"while :; do {outside.replace('while $0; do', '').replace('done', '')} & sleep 0.4; done",
        "long": f"""{outside} "$(head -c 10000 /dev/zero | tr '\\0' x | sed 's#x#/lib/run-#g')" & sleep 600""",
    }[kind]
    attempt = server.start(f"trap '' TERM; {script}").said("ready")
    assert attempt.cancel(grace=1) == "asked"
    assert attempt.end()[2] == "canceled"
    subprocess.run(["pkill", "-KILL", "-f", f"{server.root}/lib/run-HASH.sh end"], check=False)


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_ender_of_another_attempt_is_another_matter(server):  # noqa: F811
    """Attempts 1 and 10 of a job, the names of which begin alike."""
    patient(server, 0)
    undying(server)
    first = server.attempt()
    tenth = server.attempt(first.job, 10)
    for attempt in (first, tenth):
        assert server.try_start(attempt, STUBBORN).startswith("started ")
        attempt.said("ready")
    for attempt in (first, tenth):
        assert attempt.cancel(grace=0) == "asked"
    time.sleep(6)
    assert len(enders(first)) == len(enders(tenth)) == 1
    for attempt in (tenth, first):
        attempt.signal("KILL")
        assert attempt.end()[2] == "canceled"
    until(lambda: not enders(first) and not enders(tenth), 20)


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
    assert process.returncode == 75 and b"too slow" in errors
    assert len(output.splitlines()) == (3 if script == "sweep" else 0)
    assert not (attempt.directory / "cancel").exists()
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled"

"""What the scripts of GPU servers make of records that are damaged, forged or another machine's, in each kind of shell."""

import contextlib
import os
import signal
import time
import uuid

from test_gpu_scripts import is_alive, one_server, processes_with, roots, server, timed_out, until  # noqa: F401


def replaced(path, text=None, kind=None):
    """Puts a file of this text, or something else, in the place of a record."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    {None: lambda: path.write_text(text), "fifo": lambda: os.mkfifo(path), "directory": path.mkdir,
     "link": lambda: path.symlink_to("/dev/zero"), "large": lambda: path.write_bytes(b"7" * 4096)}[kind]()  # fmt: skip


DAMAGES = [
    ("", None), ("rubbish\n", None), ("0 0 exited 1 $(touch x) *\n", None), ("1 2 3 4 5\n", None), ("\n", None),
    ("99999999999999999999 1 exited 99999999999999999999\n", None), ("\0\0\0\n", None), ("é è ê ë\n", None),
    (None, "fifo"), (None, "directory"), (None, "link"), (None, "large"),
]  # fmt: skip


def test_damaged_records(server):  # noqa: F811
    """Nothing hangs, nothing is run, and each concerns its own attempt alone."""
    healthy = server.start("exec sleep 60")
    ended = [server.start("exit 3") for _ in DAMAGES]
    running = [server.start("exec sleep 60") for _ in DAMAGES]
    for attempt in ended:
        attempt.end()
    ends = [attempt.text("exit").split() for attempt in ended]
    for attempt, damage in zip(ended, DAMAGES):
        until(lambda: not is_alive(attempt.wrapper))
        replaced(attempt.directory / "exit", *damage)
    for attempt, damage in zip(running, DAMAGES):
        until((attempt.directory / "session").exists)
        replaced(attempt.directory / ".start", *damage)
        replaced(attempt.directory / "start", *damage)
    states = server.sweep(healthy, *ended, *running)
    assert states.pop(healthy.name)[0] == "running"
    assert {attempt.name: states[attempt.name] for attempt in ended} == {
        attempt.name: ["damaged", "exit", "-"] for attempt in ended
    }
    assert all(states[attempt.name][:2] == ["damaged", "start"] and states[attempt.name][2] != "-" for attempt in running)
    listed = server.run("list").splitlines()
    assert {line for line in listed if line.startswith("job ")} == {f"job {one.job}" for one in (healthy, *ended, *running)}
    # None of them is given up; all can be ended.
    for attempt in running:
        assert server.run("void", attempt.job, 1, server.machine) == "busy\n"
        assert server.run("remove", attempt.job, server.machine) == "busy\n"
        assert server.run("describe", attempt.job, 1)
        assert attempt.cancel(grace=0) == "asked"
    for attempt in running:
        assert attempt.end()[2] == "canceled"
    states = until(lambda: (now := server.sweep(*running)) and all(now[one.name][0] == "ended" for one in running) and now)
    # A wrapper that cannot be told apart from others is waited for by what it found in its environment.
    assert {state[-2] for state in states.values()} == {"canceled"}
    for attempt, end in zip(ended, ends):
        assert attempt.cancel() == "over" and attempt.state()[-4:-1] == ["-1", "0", "canceled"]
        replaced(attempt.directory / "exit", " ".join(end) + "\n")
        assert attempt.state() == ["ended", *attempt.record(), *end]
    healthy.cancel(grace=0)
    healthy.end()


def test_end_that_two_write_at_once(one_server):  # noqa: F811
    """With a damaged start record the wrapper is not seen by what ends the job: the slower one leaves the other's end."""
    slow = one_server.bin / "mv"
    slow.write_text(
        f'''#!/bin/sh
[ "$2 $3" != ".exit exit" ] || {{ echo >>"{one_server.home}/moves"; mkdir "{one_server.home}/first" 2>/dev/null && sleep 1; }}
exec /bin/mv "$@"
'''
    )
    slow.chmod(0o755)
    attempt = one_server.start("exec sleep 60")
    until((attempt.directory / "session").exists)
    for name in (".start", "start"):
        replaced(attempt.directory / name, "rubbish\n")
    assert attempt.cancel(grace=0) == "asked"
    assert attempt.end()[2] == "canceled"
    until(lambda: not processes_with(attempt.job), 4, "one still waits to write")
    assert attempt.end()[2] == "canceled" and len((one_server.home / "moves").read_text()) >= 2


def test_an_attempt_of_another_machine(server):  # noqa: F811
    """Nothing is said of it, done to it, or taken from it; but what lives here is here, whatever this machine is called."""
    over, forged = server.start("true"), server.start("echo castor@elsewhere-1 >../machine")
    lives, begun = server.start("exec sleep 60"), server.attempt()
    for attempt in (over, forged):
        attempt.end()
        until(lambda: not is_alive(attempt.wrapper))
    pid, ticks, _, began = over.record()
    (over.directory / "start").write_text(f"{pid} {ticks} {uuid.uuid4()} {began}\n")
    begun.directory.mkdir(parents=True)
    for attempt in (over, lives, begun):
        (attempt.directory / "machine").write_text("castor@elsewhere-1")
    states = server.sweep(over, forged, lives, begun)
    # A job can write there, too.
    assert states[forged.name][0] == "ended" and forged.cancel() == "over"
    assert states[over.name] == states[begun.name] == ["elsewhere", "castor@elsewhere-1"]
    assert states[lives.name] == ["running", *lives.record()]
    assert server.run("void", begun.job, 1, server.machine) == "busy\n"
    assert begun.cancel() == over.cancel() == "elsewhere"
    assert over.signal("TERM") == "absent"
    assert server.run("remove", over.job, server.machine) == "removed\n" and (over.directory / "exit").exists()
    assert lives.cancel(grace=0) == "asked" and lives.end()[2] == "canceled"
    assert not (begun.directory / "start").exists()


def test_what_stands_in_the_place_of_a_script(server):  # noqa: F811
    """Making a root ready, and a start, wait for nothing that a job has put there."""
    files = [server.root / "lib/run-HASH.sh", *(server.support / "lib" / name for name in ("umask", "awk", "scope"))]
    for kind in ("fifo", "directory", "link"):
        for file in files[1:]:
            replaced(file, kind=kind)
        assert server.start("exit 3").end()[0] == 3
        replaced(files[0], kind=kind)
        server.prepare()
        assert all(file.is_file() and not file.is_symlink() for file in files)


def test_who_owns_the_root(server):  # noqa: F811
    sweep = lambda owner, stale="": server.run("sweep", 0, server.machine, owner, stale).splitlines()[2]  # noqa: E731
    started = lambda owner: server.try_start(server.attempt(), "true", owner=owner).split()  # noqa: E731
    record = server.root / "owners" / server.machine.partition("@")[2]
    assert started("us here p 1") == ["owned", "-"], "a root is claimed before anything is started there"
    assert sweep("us here p 1") == "owner us here p 1"
    assert sweep("us here p 2") == "owner us here p 2" and record.read_text() == "us here p 2\n"
    assert sweep("them there q 1") == "owner us here p 2"
    assert started("them there q 1") == ["owned", "here"] and started("us here p 9")[0] == "started"
    # A copy of a state directory on another host is another; what has the lock of the same directory is not.
    assert sweep("us there q 1") == "owner us here p 2"
    assert sweep("new here p 1") == "owner new here p 1"
    # Taken over by the very words that were seen, and no others.
    assert sweep("them there q 2", "us here p 2") == "owner new here p 1"
    assert sweep("them there q 3", "new here p 1") == "owner them there q 3"
    assert started("new here p 2") == ["owned", "there"]
    for damage in DAMAGES[1:]:
        replaced(record, *damage)
        if damage[0] != "1 2 3 4 5\n" and damage[0] != "rubbish\n" and not (damage[0] or "").startswith("9999"):
            assert sweep("us here p 1") == "owner -" and started("us here p 1") == ["owned", "-"], damage
            assert sweep("us here p 2", "-") == "owner us here p 2", damage
    until(lambda: not processes_with(str(server.root)))


def test_timers_do_not_believe_their_sleep(one_server):  # noqa: F811
    """The time limit, the grace of a cancel and the epilogue's minute, with every sleep ended again and again."""
    server = one_server  # noqa: F811
    deaf = "trap '' TERM; while :; do :; done"
    texts = {"epilogue": "while [ ! -e ../go ]; do :; done"}
    limited, canceled = server.start(deaf, limit=4, grace=1), server.start(deaf)
    epilogue = server.start("true", texts)
    until((epilogue.directory / "over").exists)
    began = time.monotonic()
    assert canceled.cancel(grace=3) == "asked"
    while time.monotonic() - began < 2.5:
        for pid in processes_with(str(server.root)):
            with contextlib.suppress(OSError):
                if open(f"/proc/{pid}/comm").read() == "sleep\n":
                    os.kill(pid, signal.SIGTERM)
        assert not (limited.directory / "timelimit").exists() and is_alive(limited.wrapper)
        assert not (canceled.directory / "exit").exists() and not (epilogue.directory / "exit").exists()
    (epilogue.directory / "go").touch()
    assert epilogue.end() == (0, 0, "exited")
    assert canceled.end()[2] == "canceled" and time.monotonic() - began > 2.9
    assert limited.end()[2] == "timelimit" and time.monotonic() - began > 3.9


def test_a_timer_outlives_what_others_end_by_name(one_server):  # noqa: F811
    """TERM to every shell of the account ends no time limit."""
    attempt = one_server.start("trap '' TERM; echo ready; while :; do sleep 0.2; done", limit=3, grace=0).said("ready")
    for pid in processes_with(str(attempt.directory)):
        with contextlib.suppress(OSError):
            if open(f"/proc/{pid}/comm").read() == "sh\n":
                os.kill(pid, signal.SIGTERM)
    assert attempt.end()[2] == "timelimit"


"""What a job may do to its own records, output and scripts: its end is told all the same, and others are not held up."""

import subprocess

import pytest
from test_gpu_scripts import roots, server, text_of, timed_out, until  # noqa: F401

HUGE = "truncate -s 500G ../stdout"
WORD = "JARVICE_CMD_SUCCESS"


@pytest.mark.parametrize(
    "script, code",
    [
        (f"{HUGE}; echo end >>../stdout", 1),
        (f"echo {WORD}; {HUGE}", 0),
        (f"{HUGE}; echo and {WORD} >>../stdout", 0),
        (f"{HUGE}; printf '%s' 'and {WORD} it is' >>../stdout", 0),
        (f"{HUGE}; echo /bin/echo {WORD} >>../stdout", 1),
    ],
)
@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_judging_is_bounded(server, script, code):  # noqa: F811
    attempt = server.start(script, judged=True)
    assert attempt.end() == (code, 0, "exited")
    assert f"stdout: {(attempt.directory / 'stdout').stat().st_size} bytes" in server.run("describe", attempt.job, 1)


@pytest.fixture
def bound_to_modes(monkeypatch):
    """As any account but root: modes of files count."""
    popen = subprocess.Popen
    drop = ["/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search"]

    def start(command, **options):
        return popen([*drop, *command], **options)

    monkeypatch.setattr(subprocess, "Popen", start)


CLOSED = ["chmod 000 ..", "chmod 000 ../..", "chmod 500 ..", "chmod 000 .. ../.."]


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
@pytest.mark.parametrize("closing", CLOSED)
def test_closed_directories(server, bound_to_modes, closing):  # noqa: F811
    if server.kind == "bare" and "500" in closing:
        pytest.skip("BusyBox takes root for one who may write everywhere")
    ended = server.start(f"{closing}; exit 3")
    assert ended.end() == (3, 0, "exited")
    until(lambda: ended.state()[0] == "ended")
    stays = [server.start(f"echo ready; {closing}; exec sleep 60").said("ready") for _ in range(3)]
    until(lambda: all(stays_closed(attempt, closing) for attempt in stays))
    assert stays[0].state()[0] == "running"
    assert stays[1].cancel(grace=0) == "asked"
    assert stays[1].end()[2] == "canceled"
    assert stays[2].signal("STOP").startswith("done ")
    assert server.run("remove", stays[2].job, server.machine) == "busy\n"
    for attempt in (stays[0], stays[2]):
        attempt.cancel(grace=0)
        assert attempt.end()[2] == "canceled"


def stays_closed(attempt, closing: str) -> bool:
    closed = attempt.directory if " .." in closing and not closing.endswith("000 ../..") else attempt.directory.parent
    return closed.stat().st_mode & 0o200 == 0


SPOILED = ["exit 0\n", "", None, "#!/bin/sh\necho 1 2 3 4\n"]


# That of BusyBox has no cksum(1) everywhere.
@pytest.mark.parametrize("server", ["dash", "bash", "ash"], indirect=True)
@pytest.mark.parametrize("text", SPOILED)
def test_changed_wrapper_is_noticed_and_written_again(server, text):  # noqa: F811
    wrapper = server.root / "lib/run-HASH.sh"
    sum = subprocess.check_output(["cksum"], stdin=wrapper.open(), text=True).strip()
    lives = server.attempt()
    sums = lambda attempt: [*server.options(attempt), sum]  # noqa: E731
    assert server.run("start", *sums(lives), stdin=server.texts("echo ready; exec sleep 60")).startswith("started ")
    lives.said("ready")
    wrapper.unlink()
    if text is not None:
        wrapper.write_text(text)
    (server.support / "lib/awk").write_text("exit 0\n")
    (server.support / "lib/umask").write_text("exit 0\n")
    late = server.attempt()
    said = server.run("start", *sums(late), stdin=server.texts("exit 3"), status=73)
    assert "was changed by somebody" in said and not late.directory.exists()
    arguments = [lives.job, 1, 0, "HASH", server.machine, sum]
    server.popen("cancel", *arguments).communicate(timeout=10)
    assert not (lives.directory / "cancel").exists()
    # Files of the machine alone may be changed all the same.
    wrapper.unlink(missing_ok=True)
    repaired = server.run("prepare", "HASH", server.kind, stdin=(server_text := text_of("run")).encode())
    assert "repaired lib/run-HASH.sh\n" in repaired and wrapper.read_text() == server_text
    assert "repaired" not in server.run("prepare", "HASH", server.kind, stdin=server_text.encode())
    assert server.run("start", *sums(late), stdin=server.texts("exit 3")).startswith("started ")
    assert late.end() == (3, 0, "exited")
    assert server.run("cancel", *arguments) == "asked\n"
    assert lives.end()[2] == "canceled"


def test_spoiled_settings_of_the_machine_fail_no_job(server):  # noqa: F811
    for name in ("awk", "umask", "scope"):
        (server.support / "lib" / name).write_text("exit 0\n")
    attempt = server.start("exit 3")
    assert attempt.end() == (3, 0, "exited")


IN_PLACE = {
    "emptied": ': >"$wrapper"',
    "overwritten": 'yes "echo forged >>stdout; exit 7" | head -c 60000 >"$wrapper"',
    "cut": 'head -c 16000 "$wrapper" >copy; cat copy >"$wrapper"',
}


# A shell reads a script in pieces while it runs it.
@pytest.mark.parametrize("spoil", IN_PLACE.values(), ids=IN_PLACE)
def test_a_job_that_writes_into_its_running_wrapper(server, spoil):  # noqa: F811
    wrapper = server.root / "lib/run-HASH.sh"
    text = wrapper.read_bytes()
    script = f'wrapper={wrapper}; cp "$wrapper" before; {spoil}; exit 3'
    plain = server.start(script)
    assert plain.end(seconds=10) == (3, 0, "exited")
    until(lambda: plain.state()[0] == "ended")
    assert (plain.directory / "work/before").read_bytes() == text != wrapper.read_bytes()
    wrapper.write_bytes(text)
    epilogue = server.start(script, {"epilogue": 'echo "epilogue $WEIR_EXIT_CODE"'}, judged=True)
    assert epilogue.end(seconds=10) == (1, 0, "exited")
    until(lambda: epilogue.state()[0] == "ended")
    assert epilogue.text() == "JARVICE Job failed, investigate logs\nepilogue 1\n"

"""The scripts in deploy/: what they say of arguments, of a machine that lacks things, and of ignored signals."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

DEPLOY = pathlib.Path(__file__).parents[2] / "deploy"
SCRIPTS = sorted(
    str(path.relative_to(DEPLOY)) for path in [*DEPLOY.glob("*.sh"), *DEPLOY.glob("testbed/*.sh")] if path.name != "lib.sh"
)


def bash(text: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", "-c", text], cwd=DEPLOY.parent, capture_output=True, text=True, timeout=60, **options)


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_argument_is_named(script):
    done = subprocess.run([DEPLOY / script, "--foo"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 64, done
    assert "unknown argument: --foo" in done.stderr, done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_the_comment_at_the_head(script):
    done = subprocess.run([DEPLOY / script, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and script in done.stdout, done


def swift_that(tmp_path, body: str) -> str:
    """A PATH with a swift that does this."""
    program = tmp_path / "swift"
    program.write_text("#!/bin/sh\n" + body)
    program.chmod(0o755)
    return f"export PATH={tmp_path}:$PATH; . deploy/lib.sh; install_packages() {{ touch {tmp_path}/installed; }}; "


def test_what_swift_itself_needs_is_installed(tmp_path):
    head = swift_that(
        tmp_path,
        f'[ -e {tmp_path}/installed ] || {{ echo "libncurses.so.6: cannot open shared object file" >&2; exit 127; }}\n'
        'echo "Swift version 6.3.1 (swift-6.3.1-RELEASE)"\n',
    )
    done = bash(head + "require_swift; echo went on")
    assert done.returncode == 0 and "went on" in done.stdout, done


@pytest.mark.parametrize(
    "body, words",
    [
        ("echo 'libxml2.so.2: cannot open shared object file' >&2; exit 127", ["libxml2.so.2"]),
        ("echo 'Swift version 5.10 (swift-5.10-RELEASE)'", ["5.10", "6.2"]),
        ("echo 'Swift version 6.1.2 (swift-6.1.2-RELEASE)'", ["6.1.2", "6.2"]),
        ("echo something else", ["unknown version", "6.2"]),
    ],
)
def test_a_swift_that_cannot_be_used_is_explained(tmp_path, body, words):
    done = bash(swift_that(tmp_path, body + "\n") + "require_swift; echo went on")
    assert done.returncode == 1 and "went on" not in done.stdout, done
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("ignored", [[], ["HUP"], ["INT", "QUIT"], ["HUP", "INT", "QUIT"]], ids=" ".join)
def test_no_signal_is_ignored_in_the_tests(ignored):
    def ignore():
        for name in ignored:
            signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)

    done = bash(". deploy/lib.sh; with_signals bash -c 'trap -p; exit 7' || echo status $?", preexec_fn=ignore)
    assert done.stdout == "status 7\n", done


# ------------------------------------------------------------ deploy/test.sh


@pytest.fixture
def stages(tmp_path):
    """deploy/test.sh in a repository whose other scripts only pretend; returns a function that runs it."""
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    for name in ("test.sh", "lib.sh"):
        shutil.copy(DEPLOY / name, deploy)
    scripts = {
        "lint.sh": "echo 'format: passed'; echo 'links: failed'; exit 1",
        "fuzz.sh": 'echo "request 5 6 7 8"; echo "users 5 6 7 8"; echo "ran for $1" >>ran',
        "chaos.sh": 'echo "$*" >>ran; [ "$1" != network ]',
        "minimal-root.sh": "kill -KILL $$",
    }
    for name, text in scripts.items():
        (deploy / name).write_text(f"#!/bin/bash\n{text}\n")
        (deploy / name).chmod(0o755)

    def run(*arguments, **environment) -> subprocess.CompletedProcess:
        environment = {**os.environ, "CHAOS_TESTBED": str(tmp_path / "none"), **environment}
        command = [deploy / "test.sh", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment)

    run.directory = tmp_path
    return run


def table(done: subprocess.CompletedProcess) -> list:
    """The rows of the table: stage, passed, failed."""
    rows = done.stdout.split("stage              ")[1].split("\n\n")[0].splitlines()[1:]
    assert all(re.fullmatch(r"[a-z-]+ +\d+ +\d+ +\d+:\d\d:\d\d", row) for row in rows), rows
    return [tuple(row.split()[:3]) for row in rows]


def test_a_stage_that_fails_stops_no_other(stages):
    done = stages("--only", "lint", "--only", "minimal-root", "--only", "chaos-network", "--only", "fuzz-long")
    assert done.returncode == 1, done
    rows = [("lint", "1", "1"), ("minimal-root", "0", "1"), ("chaos-network", "0", "1"), ("fuzz-long", "2", "0")]
    assert table(done) == rows, done.stdout
    assert "failed:\n  lint: links: failed\n  minimal-root\n  chaos-network\n" in done.stdout, done.stdout
    assert done.stdout.endswith("\n3 passed, 3 failed\n")
    assert (stages.directory / "ran").read_text() == "network\ndown\nran for 600\n"


def test_only_stages_that_pass(stages):
    done = stages("--release", "--only", "fuzz")
    assert (done.returncode, table(done)) == (0, [("fuzz", "2", "0")]), done
    assert done.stdout.endswith("\n2 passed, 0 failed\n") and "failed:" not in done.stdout


def test_a_stage_that_cannot_go_on_is_a_failure(stages):
    """What ends the stage is no test: deploy/fuzz.sh is missing."""
    (stages.directory / "deploy/fuzz.sh").unlink()
    done = stages("--only", "fuzz", "--only", "chaos-clock")
    assert (done.returncode, table(done)) == (1, [("fuzz", "0", "1"), ("chaos-clock", "1", "0")]), done


def test_every_stage_is_listed_and_only_those_are_known(stages):
    done = stages("--list")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert done.returncode == 0 and names[:4] == ["lint", "swift", "fuzz", "end-to-end"], done
    parts = re.search(r"(?m)^  ([a-z |]+) \| down\) shift", (DEPLOY / "chaos.sh").read_text())[1].split(" | ")
    assert {f"chaos-{part}" for part in parts} <= set(names), names
    assert stages("--only", "lnt").returncode == 64
    assert stages("--only", "lint", "--filter", "words").returncode == 1

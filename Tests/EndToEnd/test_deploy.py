"""The scripts in deploy/: what they say of arguments, of a machine that lacks things, and of ignored signals."""

import pathlib
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
        ("echo 'Swift version 5.10 (swift-5.10-RELEASE)'", ["5.10", "6.1"]),
        ("echo something else", ["unknown version", "6.1"]),
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

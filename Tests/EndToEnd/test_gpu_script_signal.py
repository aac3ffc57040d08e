"""A signal that comes when the job has only just begun."""

import signal

import pytest
from test_gpu_scripts import is_alive, roots, server, timed_out, until  # noqa: F401


@pytest.mark.parametrize("server", ["dash", "bash"], indirect=True)
def test_signal_waits_for_the_first_process(server):  # noqa: F811
    """The wrapper lives and its job does not yet: the signal is sent once there is somebody to get it."""
    gate, session = server.home / "gate", "$PWD/session"
    # The job begins when somebody waits for it, and the wait ends when it has begun.
    programs = {
        "setsid": f'case "$*" in *" job") until [ -e "{gate}" ]; do /bin/sleep 0.01; done ;; esac\nexec /usr/bin/setsid "$@"\n',
        "sleep": f'>"{gate}"\nuntil [ -e "{session}" ]; do /bin/sleep 0.01; done\nexec /bin/sleep "$@"\n',
    }
    for name, text in programs.items():
        (server.bin / name).write_text("#!/bin/sh\n" + text)
        (server.bin / name).chmod(0o755)
    attempt = server.start("while :; do :; done")
    assert is_alive(attempt.wrapper) and not (attempt.directory / "session").exists() and not gate.exists()
    assert attempt.signal("KILL") == "done 1"
    assert attempt.end() == (-1, signal.SIGKILL, "signaled")

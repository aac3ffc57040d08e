"""GPU servers that are overloaded: what Weir has sent does not go on there when nobody waits for it."""

import threading

from gpu_fixtures import new_weir, no_jobs_left, rig, timed_out, word  # noqa: F401
from harness import wait_until
from rig import is_alive


def test_a_script_ends_with_the_connection_that_sent_it(new_weir, rig):  # noqa: F811
    """A cancel that looks for processes when sshd ends does nothing more; Weir repeats it when the server is back."""
    alpha = rig.server("alpha")
    weir = new_weir(alpha).start()
    job = weir.run_job("echo ready; exec sleep 600", gpus=0)
    weir.await_running(job)
    slow, waits = alpha.directory / "slow", alpha.home / "waits"
    grep = alpha.directory / "bin/grep"
    wait = f"[ ! -e {slow} ] || echo $PPID >>{waits}\nwhile [ -e {slow} ]; do sleep 0.1; done"
    grep.write_text(f"#!/bin/sh\n{wait}\nexec /usr/bin/grep \"$@\"\n")
    grep.chmod(0o755)
    try:
        slow.touch()
        asking = threading.Thread(target=lambda: weir.post("/terminate", job.args))
        asking.start()
        wait_until(lambda: waits.exists() and waits.read_text())
        alpha.stop()
        slow.unlink()
        wait_until(lambda: not any(is_alive(int(pid)) for pid in waits.read_text().split()))
        assert not (alpha.attempt(weir, job) / "cancel").exists()
        asking.join(30)
    finally:
        slow.unlink(missing_ok=True)
        grep.unlink()
        alpha.stop()
        alpha.start()
    assert word(weir, job, 60) == "-15 CA"

"""Two Weirs and one job root: a copy of a state directory is another Weir."""

import os
import subprocess

from harness import wait_until
from gpu_fixtures import new_weir, no_jobs_left, rig, timed_out, word  # noqa: F401


def test_a_copy_of_a_state_directory_is_another_weir(new_weir, rig):  # noqa: F811
    """On the same host, with all its files: it starts nothing in the job root of the first, and says why."""
    alpha = rig.server("alpha")
    first = new_weir((alpha, {"gpus": [0]})).start()
    assert word(first, first.run_job("true")) == "0 CD"
    first.stop()
    copy = new_weir((alpha, {"gpus": [0]}))
    copy.root, copy.settings = first.root, {**first.settings, "WEIR_STATE_DIR": str(copy.directory / "state")}
    copy.settings["WEIR_SERVERS_FILE"] = str(copy.servers_file)
    copy.use((alpha, {"gpus": [0]}))
    subprocess.run(["cp", "-a", first.directory / "state", copy.directory / "state"], check=True)
    first.start()
    gate = rig.gate()
    running = first.run_job(gate.wait)
    first.await_running(running)
    copy.start(ready=False)
    wait_until(lambda: f"its job root is in use by Weir on {os.uname().nodename}" in copy.warnings())
    waiting = copy.run_job("true")
    gate.open()
    assert word(first, running) == "0 CD"
    # The GPU is free, and goes to jobs of the first alone.
    assert word(first, first.run_job("true")) == "0 CD"
    assert copy.listed() == {waiting.name: "queued"}
    assert first.get("/ready").status == 200
    # One that is moved is the same, and goes on at once.
    first.stop()
    copy.kill()
    (first.directory / "state").rename(first.directory / "moved")
    first.settings["WEIR_STATE_DIR"] = str(first.directory / "moved")
    first.start()
    assert word(first, first.run_job("true")) == "0 CD"

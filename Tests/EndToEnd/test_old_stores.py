"""Opens state directories of release 0.1.0 with the program of today and compares what it says of each job.

The backends of gpu and slurm are unreachable, so the answers come from the store alone. The jobs of dummy go on by the clock,
and the running job of local ended with its machine. Tests/Fixtures/stores-0.1.0/NAME/answers.txt holds the answers.

    python3 Tests/EndToEnd/test_old_stores.py --record      writes them again
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest
from harness import base64_text, wait_until
from recorder import NobodysWeir, RecordedWeir
from rig import free_port
from stores import FIXTURES, restore

NAMES = ["dummy", "local", "gpu", "slurm"]
ENDED = ("succeeded", "failed", "canceled", "lost")


def opened(name: str, directory: pathlib.Path) -> tuple:
    """A Weir that has opened the store, and the jobs that were in it."""
    if name == "local":
        weir = NobodysWeir(directory, JARVICE_BAREMETAL_CONNECTOR="local", WEIR_LOCAL_GPUS=1)
    elif name == "dummy":
        weir = RecordedWeir(directory)
    else:
        weir = RecordedWeir(directory, JARVICE_BAREMETAL_CONNECTOR=name, **unreachable(name, directory))
    state = weir.directory / "state"
    jobs = restore(name, state)
    if name == "local":
        subprocess.run(["chown", "-R", "nobody:nogroup", state], check=True)
    check = weir.run("store", "check")
    assert check.stdout.endswith(": no damage found\n"), check
    return weir.start(ready=name in ("dummy", "local")), jobs


def unreachable(name: str, directory: pathlib.Path) -> dict:
    """The settings of a backend that cannot be reached."""
    key, users, servers = directory / "key", directory / "users.yaml", directory / "servers.yaml"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    port = free_port()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {key.with_suffix('.pub').read_text()}")
    entries = [
        {"name": name, "host": "127.0.0.1", "port": port, "user": "nobody", "key_file": str(key), "gpus": 2, "cpus": 64,
         "memory": 256, "root": f".weir-{name}"}
        for name in ("alpha", "distant")
    ]  # fmt: skip
    servers.write_text(json.dumps({"servers": entries}))
    user = {"user": "kirby", "jarvice_user": "kirby", "mail": "kirby@example.com", "mapped_user": "kirby",
            "ssh_private_key_b64": base64_text(key.read_bytes())}  # fmt: skip
    users.write_text(json.dumps({"users_id_mapping": [user]}))
    for file in (users, servers):
        file.chmod(0o600)
    if name == "gpu":
        return {"WEIR_SERVERS_FILE": servers, "WEIR_SSH_KNOWN_HOSTS": directory / "known_hosts"}
    return {
        "JARVICE_SLURM_CLUSTER_ADDR": "127.0.0.1", "JARVICE_SLURM_CLUSTER_PORT": port, "JARVICE_SLURM_SSH_USER": "observer",
        "JARVICE_SLURM_SSH_PKEY_FILE": key, "WEIR_SSH_KNOWN_HOSTS": directory / "known_hosts", "WEIR_USERS_FILE": users,
    }  # fmt: skip


def answers(weir, jobs: list) -> str:
    """What is answered about all jobs, as text; without what changes with the time, and without texts of errors."""
    states = re.findall(r'weir_jobs\{state="(\w+)"\} (\d+)', weir.get("/metrics").body.decode())
    lines = ["jobs by state: " + ", ".join(f"{state} {count}" for state, count in states)]
    lists = {path: weir.get(path) for path in ("/queued", "/running")}
    if lists["/running"].status == 200:
        running = {name for name, _ in lists["/running"].json()}
        # One that just moved is in both.
        queued = {name for name, _ in lists["/queued"].json()} - running
        lines += [f"/queued: {' '.join(sorted(queued))}".rstrip(), f"/running: {' '.join(sorted(running))}".rstrip()]
    else:
        lines += [f"{path}: {shown(answer)}" for path, answer in lists.items()]
    for name, number, id, state in sorted(jobs):
        args = {"name": name, "number": number, "jobid": id}
        lines.append(f"\n{name}: {state} in the store")
        for path in ("/runstatus", "/exitstatus"):
            lines.append(f"  {path}: {shown(weir.post(path, args), name, id)}")
        lines.append(f"  tail: {shown(weir.get(f'/request/{name}/{number}/{id}/tail'), name, id)}")
    return "\n".join(lines) + "\n"


def shown(answer, name: str = "", id: str = "-") -> str:
    text = answer.body.decode()
    if answer.status >= 400:
        return f"{answer.status} {answer.json()['code']}"
    text = text.replace(id, "<id>").rstrip("\n")
    text = re.sub(r"pretended to run for \d+ s", "pretended to run for <elapsed> s", text)
    if not name.endswith("read") and name != "canceled":
        text = re.sub(r'"\d\d:\d\d:\d\d"', '"<elapsed>"', text)
    return f"{answer.status} {json.dumps(text)[1:-1] if chr(10) in text else text}"


def settled(weir, jobs: list, expected: str = None) -> str:
    """The answers, once they stay the same for some polls; if these are known, once they are those."""
    seen = []

    def stay() -> bool:
        seen.append(answers(weir, jobs))
        return len(seen) > 4 and set(seen[-4:]) == {expected or seen[-1]}

    try:
        wait_until(stay, 30, 0.5)
    except AssertionError:
        assert seen[-1] == expected
        raise
    return seen[-1]


def run(name: str, directory: pathlib.Path, expected: str = None) -> str:
    weir, jobs = opened(name, directory)
    try:
        found = settled(weir, jobs, expected)
        assert weir.process.poll() is None and weir.run("store", "check").stdout.endswith(": no damage found\n"), weir.log
        return found
    finally:
        weir.stop()


@pytest.mark.parametrize("name", NAMES)
def test_jobs_of_an_old_store_are_what_they_were(name, tmp_path):
    run(name, tmp_path, (FIXTURES / name / "answers.txt").read_text())


def test_old_stores_hold_every_state(tmp_path):
    states = {}
    for name in NAMES:
        states[name] = {job[0]: job[3] for job in restore(name, tmp_path / name)}
        ends = {"succeeded-read", "succeeded-unread", "failed-read", "failed-unread", "canceled", "lost"}
        assert ends | {"running", "queued", "held"} <= states[name].keys(), name
        for job, state in states[name].items():
            assert job.split("-")[0] == state or (job, state) == ("in-doubt", "submitting"), (name, job, state)
    for name in ("dummy", "slurm"):
        assert {"submitting", "in-doubt", "starting", "canceling"} <= states[name].keys(), name
    assert {"starting", "canceling"} <= states["gpu"].keys()


if __name__ == "__main__":
    if sys.argv[1:2] != ["--record"]:
        sys.exit(__doc__)
    for name in sys.argv[2:] or NAMES:
        top = pathlib.Path(tempfile.mkdtemp(prefix="weir-old-"))
        (FIXTURES / name / "answers.txt").write_text(run(name, top))
        shutil.rmtree(top)

"""Every call of the HTTP API, answered as it was when it was recorded: the files in recorded/, one a call.

They hold what clients of the legacy API rely on: status, header fields and, of a 2xx answer, each byte of the body. Most
scenes run on the connectors dummy and local; others need root, and slurm-cluster the test cluster.

    python3 Tests/EndToEnd/test_recorded.py --record [SCENE...]      writes the files again
"""

import concurrent.futures
import pathlib
import re
import sys
import tempfile

import pytest
import recorded_backends
import recorded_jobs
import recorded_service
from recorded_service import routes, sources
from recorder import DIRECTORY, run, write_all

SCENES = {
    scene.__name__.replace("_", "-"): scene
    for scene in (
        recorded_service.service, recorded_service.metrics, recorded_service.credentials, recorded_service.paths,
        recorded_service.malformed, recorded_service.bodies, recorded_service.directories, recorded_service.open_to_all,
        recorded_service.standby, recorded_service.unreachable, recorded_service.in_doubt,
        recorded_service.full_disk, recorded_jobs.submit, recorded_jobs.submit_refused,
        recorded_jobs.idempotency, recorded_jobs.waiting, recorded_jobs.running, recorded_jobs.ends,
        recorded_jobs.this_machine, recorded_jobs.interactive, recorded_backends.gpu_servers,
        recorded_backends.slurm_cluster,
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """The scenes that were asked for, several at once: most of their time they wait."""
    wanted = [item.callspec.params["scene"] for item in request.session.items if item.originalname == TEST]
    # Jobs on the cluster are counted by the test that submits them.
    wanted = [scene for scene in wanted if scene != "slurm-cluster"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield {scene: pool.submit(run, scene, SCENES[scene], tmp_path_factory.mktemp(scene)) for scene in wanted}


@pytest.mark.parametrize("scene", SCENES)
def test_answers_are_those_recorded(scene, runs, tmp_path):
    if scene in runs:
        runs[scene].result()
    else:
        run(scene, SCENES[scene], tmp_path)


TEST = test_answers_are_those_recorded.__name__


# ------------------------------------------------------------ nothing is left out


def recorded() -> list:
    """The method, the path, the status and the text of each recording."""
    calls = []
    for file in sorted(DIRECTORY.glob("*/*.txt")):
        text = file.read_bytes().decode()
        method, path = (text.split("\n", 1)[0].split(" ") + [""])[:2]
        status = re.search(r"(?m)^HTTP/1\.1 (\d{3}) .*$", text)
        calls.append((method, path.split("?")[0], int(status[1]), text[status.end() :]))
    return calls


def test_every_route_is_recorded():
    served = routes()
    assert len(served) > 15 and ("GET", "/live") in served, "the way routes are registered changed: read them as they are"
    # Whatever adds a route in another way is to be read here too.
    unread = re.findall(r'\.on\(\s*(?!"\w+",\s*"/|method, pattern)[^)\n]*', sources())
    assert not unread, unread
    calls = recorded()
    for method, pattern in served:
        form = re.compile(re.sub(r"\{\w+\}", "[^/]+", pattern))
        mine = [status for called, path, status, _ in calls if called == method and form.fullmatch(path)]
        assert any(status < 300 for status in mine), f"{method} {pattern}: no 2xx answer"
        assert any(status >= 400 for status in mine) or pattern == "/live", f"{method} {pattern}: no refusal"


# The codes of errors that are not recorded, and why.
NOT_RECORDED = {
    "busy": "takes more tokens at once than are verified",
    "credentials_checked": "no call opens a tunnel",
    "internal": "a fault of the program",
    "internal_error": "a fault of the program",
    "job_not_started": "no call asks for the results of a job",
    "service_ending": "no call opens a tunnel",
    "too_many_bodies": "takes megabytes of unfinished bodies: test_memory.py",
    "too_many_connections": "takes many connections: test_limits.py",
    "too_many_failures": "takes a thousand answers that wait",
    "too_many_requests": "takes many calls at once: test_load.py",
    "upgrade_required": "no call opens a tunnel",
}


def test_every_code_of_an_error_is_recorded():
    known = set(re.findall(r'\bcode(?: = |: )"([a-z_]+)"', sources())) | set(re.findall(r'\["code": "([a-z_]+)"', sources()))
    assert len(known) > 30, known
    codes = {code for _, _, status, text in recorded() if status >= 400 for code in re.findall(r'\{"code":"(\w+)"', text)}
    assert codes <= known, codes - known
    assert known - codes == NOT_RECORDED.keys(), (known - codes) ^ NOT_RECORDED.keys()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] != "--record" or set(sys.argv[2:]) - SCENES.keys():
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="weir-record-") as top:
        wanted = {name: SCENES[name] for name in sys.argv[2:] or SCENES}
        write_all(wanted, lambda: pathlib.Path(tempfile.mkdtemp(dir=top)))

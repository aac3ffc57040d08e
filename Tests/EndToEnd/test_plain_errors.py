"""What users learn of a server that cannot be used: no host, no host key, no account and no file, which are for administrators."""

import subprocess

from harness import wait_until
from test_gpu import new_weir, no_jobs_left, rig, timed_out  # noqa: F401


def test_users_get_a_plain_text_where_a_server_cannot_be_used(new_weir, rig):  # noqa: F811
    server = rig.server("plain")
    weir = new_weir(server).start()
    job = weir.run_job("echo hello")
    weir.output(job)
    other = rig.directory / "plain_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    secrets = ("127.0.0.1", str(server.port), server.account, "SHA256:", "known_hosts", "authorized_keys", "servers.yaml")
    outages = {"host key": {"HostKey": other}, "does not accept the key": {"AuthorizedKeysFile": "/dev/null"}, "refused": None}
    for words, options in outages.items():
        weir.kill()
        server.stop()
        if options is not None:
            server.options = options
            server.start()
        weir.start(ready=False)
        wait_until(lambda: words in weir.get("/ready").body.decode())  # noqa: B023
        # A server's trouble is known before the first poll of all servers has failed by it.
        wait_until(lambda: "first poll" not in weir.get("/running").body.decode())
        for path, args in (("/events", job.args), ("/running", None)):
            method = weir.get if args is None else lambda path, **who: weir.post(path, args, **who)  # noqa: B023
            full, plain = method(path), method(path, credentials=f"Bearer {weir.token()}")
            assert plain.status == full.status, (path, plain.body, full.body)
            if path == "/running" and full.status == 200:
                continue  # Without jobs nothing has to be asked.
            assert plain.status == 503 and plain.json()["code"] == full.json()["code"]
            assert words in full.error, full.body
            assert not [secret for secret in secrets if secret in plain.body.decode()], plain.body
            id = plain.headers["x-request-id"]
            line = wait_until(lambda: [line for line in weir.log.splitlines() if f"request-id={id} " in line])[0]  # noqa: B023
            assert "code=backend_unavailable" in line and words in line, line
        refusals = [line for line in weir.log.splitlines() if "does not accept the key" in line and " warning " in line]
        assert len(refusals) <= 1, refusals
    assert "run `touch " in weir.log and "servers.yaml" in weir.log

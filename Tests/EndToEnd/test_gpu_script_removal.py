"""remove.sh in each kind of shell: what goes of a job, what stays, and whose it is."""

from test_gpu_scripts import roots, server, timed_out, until  # noqa: F401

WRITTEN_BY_WEIR = ("stdout", "stderr", "script", "environment", "preamble", "epilogue", "trouble")


def test_files_stay_and_attempts_of_other_machines(server):  # noqa: F811
    attempt = server.start("echo result >result; echo text", {"environment": "export A=1\n", "preamble": "true\n"})
    attempt.end()
    job, directory = attempt.job, attempt.directory
    # A job can give any name to a directory.
    (directory.parent / "attempt-3 lib").mkdir()
    other = server.attempt(job, 2)
    (other.directory / "work").mkdir(parents=True)
    (other.directory / "machine").write_text("castor@elsewhere-1")
    (other.directory / "stdout").write_text("theirs\n")
    remove = lambda *words: until(lambda: server.run("remove", job, server.machine, *words) == "removed\n")  # noqa: E731

    remove("work")
    assert (directory / "work/result").read_text() == "result\n" and (directory / "exit").exists()
    assert not [name for name in WRITTEN_BY_WEIR if (directory / name).exists()]
    assert (other.directory / "stdout").exists() and (server.root / "lib").exists()
    assert job not in server.run("list"), "it would be taken over by a Weir whose store was lost"
    assert server.try_start(server.attempt(job, 4)) == "removed\n"
    remove()
    assert not directory.exists() and (other.directory / "stdout").exists() and (server.root / "lib").exists()
    (other.directory / "machine").write_text(server.machine)
    (other.directory / "exit").write_text("0 0 exited 1700000000\n")
    remove("work")
    assert not directory.parent.exists(), "nothing is kept of attempts without files"

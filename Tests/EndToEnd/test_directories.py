"""Directories of the cluster: only those below the vault roots, with the caller's rights."""

import itertools
import os
import shutil
import threading

import pytest
from harness import Weir, account, token

KIRBY = "Bearer " + token("kirby@example.com")
MARIO = "Bearer " + token("mario@example.com")


@pytest.fixture(scope="module")
def tree(open_directory):
    """A vault that everybody can read, with a part for kirby alone, links out of it, and things beside it."""
    top = open_directory
    for name in ("vault/sub", "vault/kirbys/inner", "vault2/x", "other/secret", "vault\n/x"):
        (top / name).mkdir(parents=True)
    (top / "vault/a file").write_text("12345")
    for name in ("ä'$(x)", "new\nline", "--wrap", "*"):
        (top / "vault" / name).touch()
    os.symlink(top / "other", top / "vault/out")
    os.symlink("../vault2", top / "vault/twin")
    os.symlink("../vault\n", top / "vault/newline")
    os.symlink("sub", top / "vault/inside")
    os.symlink(top / "vault", top / "alias")
    shutil.chown(top / "vault/kirbys", account("kirby"), account("kirby"))
    (top / "vault/kirbys").chmod(0o700)
    (top / "vault/locked").mkdir(mode=0o711)
    (top / "vault/locked").chmod(0o711)
    return top


@pytest.fixture(scope="module")
def vaults(cluster, tree, tmp_path_factory):
    """A Weir that lists below the vault, which is named by a link to it too."""
    weir = Weir(tmp_path_factory.mktemp("weir"), WEIR_VAULT_ROOTS=f"{tree}/vault, {tree}/alias/").start()
    yield weir
    assert weir.stop() == 0, weir.log


def listing(weir, path, credentials=None, **qs):
    return weir.post("/request/pvcls", {"qs": {"path": [str(path)], **qs}}, credentials=credentials)


@pytest.mark.parametrize("credentials", [None, KIRBY], ids=["service", "user"])
def test_directory_is_listed(vaults, tree, credentials):
    answer = listing(vaults, tree / "vault", credentials)
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain")
    names = ("/", "/sub/", "/kirbys/", "/locked/", "/a file", "/ä'$(x)", "/new?line", "/--wrap", "/*")
    assert sorted(answer.body.decode().splitlines()) == sorted(f"/data{tree}/vault{name}" for name in names)
    details = listing(vaults, tree / "vault", credentials, details=["true"]).body.decode()
    modified = int((tree / "vault/a file").stat().st_mtime)
    assert f"{modified} 5 /data{tree}/vault/a file" in details.splitlines()


@pytest.mark.parametrize("path", ["vault/inside", "alias/sub", "alias/inside/", "vault//./sub/", "vault/sub/."])
def test_paths_are_shown_as_asked(vaults, tree, path):
    shown = str(tree / path)
    assert listing(vaults, f"{tree}/{path}").body.decode() == f"/data{shown}/\n"


@pytest.mark.parametrize("path", ["", "/", "vault2", "vault2/x", "other", "vaul", "alias2", "vault\u0301"])
def test_what_is_written_outside_is_403(vaults, tree, path):
    answer = listing(vaults, path if path in ("", "/") else f"{tree}/{path}")
    assert answer.status == 403 and "WEIR_VAULT_ROOTS" in answer.body.decode()


@pytest.mark.parametrize("path", ["vault/..", "vault/../other", "vault/a\nb", "vault\n", "vault/sub\x1b"])
def test_what_cannot_be_a_path_is_422(vaults, tree, path):
    answer = listing(vaults, f"{tree}/{path}")
    assert answer.status == 422 and "'path'" in answer.error


@pytest.mark.parametrize("credentials", [None, KIRBY], ids=["service", "user"])
@pytest.mark.parametrize("path", ["out", "out/secret", "twin", "twin/x", "newline", "none", "a file", "locked"])
def test_what_leads_elsewhere_or_cannot_be_read_is_404(vaults, tree, path, credentials):
    answer = listing(vaults, tree / "vault" / path, credentials)
    assert answer.status == 404 and answer.error
    assert "secret" not in answer.error.replace("out/secret", "")


def test_rights_are_those_of_the_caller(vaults, tree):
    for path in ("kirbys", "kirbys/inner"):
        assert listing(vaults, tree / "vault" / path, KIRBY).status == 200
        assert listing(vaults, tree / "vault" / path, MARIO).status == 404
        assert listing(vaults, tree / "vault" / path).status == 404, "the observing account is not kirby"


def test_user_without_an_account_lists_nothing(vaults, tree):
    assert listing(vaults, tree / "vault", "Bearer " + token("luigi@example.com")).status == 403


def test_link_that_is_turned_while_it_is_listed_leads_nowhere_else(vaults, tree):
    """Whatever is asked while a link flips between inside and outside, only the inside is ever shown."""
    link, other, over = tree / "vault/flip", tree / "vault/flip.new", threading.Event()

    def flip():
        for target in itertools.cycle(("sub", "../other")):
            os.symlink(target, other)
            os.rename(other, link)
            if over.wait(0.0005):
                return

    flipping = threading.Thread(target=flip)
    flipping.start()
    answers = [listing(vaults, link, KIRBY) for _ in range(100)]
    over.set()
    flipping.join()
    link.unlink()
    assert {answer.status for answer in answers} == {200, 404}
    assert not any(b"secret" in answer.body for answer in answers)


def test_without_roots_nothing_is_listed(weir, tree):
    for credentials in (None, KIRBY):
        answer = listing(weir, tree / "vault", credentials)
        assert answer.status == 403 and "WEIR_VAULT_ROOTS" in answer.body.decode()


def test_root_that_is_not_absolute_is_refused_at_start(new_weir):
    done = new_weir(WEIR_VAULT_ROOTS="/vault,home").run("config")
    assert done.returncode == 78 and "WEIR_VAULT_ROOTS: '/vault,home' is wrong" in done.stderr

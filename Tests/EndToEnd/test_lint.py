"""What deploy/lint.sh finds: imports against the design or Package.swift, and links that lead nowhere."""

import importlib.util
import pathlib
import subprocess

import pytest

LINT = pathlib.Path(__file__).parents[2] / "deploy/lint"


def module(name: str):
    specification = importlib.util.spec_from_file_location(name, LINT / f"{name}.py")
    made = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(made)
    return made


imports, links = module("imports"), module("links")


@pytest.mark.parametrize(
    "name, declared, text, fault",
    [
        ("JSON", ["Support"], "import Foundation\nimport Support\n", None),
        ("JSON", ["Support"], "@testable import Support\n", None),
        ("JSON", ["Support"], "internal import struct Support.Digits\n", None),
        ("JSON", ["Support"], "// import HTTP\nimport Support\n", None),
        ("JSON", [], "import Support\n", "imports Support, which Package.swift does not declare"),
        ("JSON", ["Support"], "import Foundation\n", "declares Support and does not import it"),
        ("JSON", ["HTTP"], "import HTTP\n", "JSON must not import HTTP"),
        ("JSON", ["HTTP"], "@preconcurrency public import HTTP\n", "JSON must not import HTTP"),
        ("LegacyAPI", ["GRDB", "Tokens"], "import GRDB\nimport Tokens\n", "LegacyAPI must not import GRDB"),
        ("LegacyAPI", ["HTTP"], "import HTTP\n", "NOT_YET lists Tokens for LegacyAPI"),
        ("Unheard", [], "import Foundation\n", "MAY_IMPORT has no entry"),
        ("weir", ["GRDB"], "import GRDB\n", None),
    ],
)
def test_imports(name, declared, text, fault, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "Sources" / name / "inner" / "File.swift"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    target = {"name": name, "type": "regular", "dependencies": [{"byName": [module, None]} for module in declared]}
    found = imports.faults(target)
    assert not found if fault is None else any(fault in line for line in found), found


@pytest.mark.parametrize(
    "text, fault",
    [
        ("[a](other.md) [b](other.md#a-heading) [c](#here) ![d](picture.svg)\n## Here\n", None),
        ("[a](https://example.com/none) [b](mailto:a@example.com)", None),
        ("`[a](none.md)`\n```\n[a](none.md)\n# Here\n```\n", None),
        ("## Same\n## Same\n[a](#same-1)", None),
        ("## The `code`, and more: [link](other.md)!\n[a](#the-code-and-more-link)", None),
        ("[a](none.md)", "none.md leads to no file"),
        ("[a][b]\n\n[b]: none.md\n", "none.md leads to no file"),
        ("[a](other.md#none)", "other.md#none leads to no heading"),
        ("```\n# Here\n```\n[a](#here)", "#here leads to no heading"),
    ],
)
def test_links(text, fault, tmp_path):
    (tmp_path / "other.md").write_text("# A heading\n")
    (tmp_path / "picture.svg").touch()
    file = tmp_path / "README.md"
    file.write_text(text)
    found = links.faults(file)
    assert found == [] if fault is None else len(found) == 1 and fault in found[0], found


def test_links_of_the_whole_repository_are_looked_at(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/page.md").write_text("[a](none.md)")
    done = subprocess.run([LINT / "links.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "docs/page.md: the link to none.md leads to no file\n"), done

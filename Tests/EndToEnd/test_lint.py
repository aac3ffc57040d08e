"""What deploy/lint.sh finds: imports against the design or Package.swift, links that lead nowhere, and retired words."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

LINT = pathlib.Path(__file__).parents[2] / "deploy/lint"


def module(name: str):
    specification = importlib.util.spec_from_file_location(name, LINT / f"{name}.py")
    made = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(made)
    return made


imports, links, words = module("imports"), module("links"), module("words")


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
        ("LegacyAPI", ["GRDB"], "import GRDB\n", "LegacyAPI must not import GRDB"),
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


@pytest.mark.parametrize(
    "name, text, found",
    [
        ("README.md", "The standard value is 5, and errors go to standard error.", ["standard"]),
        ("README.md", "`the standard`\n```\nthe standard\n```\n[link](standard.md)", []),
        ("README.md", "What is over stays as it is.", ["What is over stays as it is.", "is over"]),
        ("README.md", "Is it over? What is a job? # What is promised\n", []),
        ("README.md", "There is no job, and that is no longer an error.", []),
        ("README.md", "The file is no job store.\n", ["is no job"]),
        ("File.swift", 'let a = "the job is over" // the job is over', ["is over"]),
        ("File.swift", 'let standard = "standard"\n/* "is over now" */', []),
        ("File.swift", 'let a = "a \\(b.map { "told \\($0)" } ?? "stands there") c"', ["stands", "told"]),
        ("File.swift", 'let a = """\n  the ending\n  and a `mark`\n  """\nlet b = #"two "marks" \\#(c)"#', ["ending", "marks"]),
        ("File.swift", 'let a = "SELECT mark FROM job"', []),
    ],
)
def test_words(name, text, found, tmp_path):
    file = tmp_path / name
    file.write_text(text)
    assert sorted(said for _, said, _ in words.findings(file)) == sorted(found)


def test_a_literal_is_found_on_its_line(tmp_path):
    file = tmp_path / "File.swift"
    file.write_text('let a = """\n  b\n  """\nlet c = "is over now"\n')
    assert [line for line, _, _ in words.findings(file)] == [4]


@pytest.mark.parametrize(
    "count, most, fault",
    [
        (0, 0, None),
        (2, 2, None),
        (2, 1, "2 retired words, 1 are allowed"),
        (1, 0, "1 retired words, 0 are allowed"),
        (1, 2, "words.txt allows 2: run deploy/lint/words.py --write"),
        (0, 1, "words.txt allows 1: run deploy/lint/words.py --write"),
    ],
)
def test_the_list_of_words_only_shrinks(count, most, fault):
    found = {"a.md": [(1, "is over", "ended")] * count} if count else {}
    wrong = words.faults(found, {"a.md": most} if most else {})
    assert wrong == [] if fault is None else fault in wrong[-1], wrong


def test_the_list_of_words_is_written_again_only_when_it_shrinks(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    script = tmp_path / "words.py"
    script.write_text((LINT / "words.py").read_text())

    def run(*arguments) -> int:
        return subprocess.run([sys.executable, script, *arguments], cwd=tmp_path, capture_output=True).returncode

    page = tmp_path / "a.md"
    page.write_text("It is over, and it is told.")
    assert run() == 1 and run("--write") == 0 and run() == 0
    page.rename(tmp_path / "b.md")
    assert run() == 1 and run("--write") == 0 and run() == 0
    assert (tmp_path / "words.txt").read_text() == "2 b.md\n"
    (tmp_path / "c.md").write_text("It stands here.")
    assert run() == 1 and run("--write") == 1
    (tmp_path / "b.md").write_text("It ended.")
    assert run() == 1 and run("--write") == 0 and run() == 0

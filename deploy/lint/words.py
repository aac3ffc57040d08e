#!/usr/bin/env python3
"""Checks the words of texts that users read: words.py [--all | --write], run in the root of the repository.

Texts are the prose of each Markdown file and each string literal of the Swift sources that has a space. Code in
`backquotes` and in blocks is not prose: names of log fields, files, settings and JSON members stay as they are.

Texts that are still to be rewritten are in words.txt: for each file how many findings it may have. The numbers only shrink.
    --all     prints each finding, the listed ones too
    --write   writes words.txt again after texts were rewritten or files moved; refused if the sum would grow
"""

import pathlib
import re
import subprocess
import sys

# Each pattern with what to write instead. Words that are retired only as names of types (caller, known, evidence, fault,
# need, outage, shown, a verb "look") are plain English in a sentence, and are not here.
RETIRED = [
    (r"standard(?! (?:error|input|output|streams?)\b)", "default"),
    (r"(?:observation|sighting)s?|(?:a|an|each|every|first|last|next|one|per|this) looks?", "poll, snapshot, report"),
    (r"(?:un)?settl(?:e|es|ed|ing)", "in doubt; resolve"),
    (r"(?:adopt|recall)(?:s|ed|ing)?|adoption", "recover"),
    (r"(?<!question )(?<!quotation )(?<!byte order )marks?", "tag"),
    (r"(?<!line )endings?", "outcome, cause; end"),
    (r"(?:fleet|board)s?", "scheduler, placement"),
    (r"(?<!ssh-)(?<!user-)agents?", "server controller"),
    (r"(?:trouble|complaint|obstacle)s?", "health issue, error, problem"),
    (r"census", "counts by state"),
    (r"anew", "again"),
    (r"(?:is|are|was|were|be|been|stays?) away|(?:can|cannot|could|not|to) be had", "unavailable, unreachable"),
    (r"unseal(?:s|ed|ing)?", "decrypt"),
    (r"(?:is|are|was|were|be|been) over(?! (?:the|a|an|its|their|\d))", "ended, finished"),
    (r"(?<!there )(?:is|are|was|were|be) no (?!longer\b|more\b|later\b)\w+", "is not a ..."),
    (r"stands?(?![-\w])(?! by\b)|stood", "is, has"),
    (r"told", "reported, shown"),
    (r"whoever", "name who it is"),
    (r"as (?:it|they) comes?", "as received, by default"),
    (r"please", "leave it out"),
]  # fmt: skip
# A sentence whose subject is a clause: "What is over stays as it is".
CLAUSE = re.compile(r"(?m)(?:(?<=[.;:] )|^)[*_]*(?:What|Who) (?!to\b)[a-z][^?\n]*$")
WORDS = [(re.compile(rf"(?i)(?<![\w.-])(?:{pattern})(?![\w])"), better) for pattern, better in RETIRED]

# SQL and shell scripts are not prose.
CODE = re.compile(r"^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|PRAGMA|WITH|BEGIN|CASE)\b|\bIS (?:NOT )?NULL\b|; do\b")

LIST = pathlib.Path(__file__).with_name("words.txt")


def literals(text: str) -> list:
    """The string literals of a Swift file: (line, text), with a bar in the place of each interpolation."""
    found = []

    def string(start: int) -> int:
        """Reads the literal at `start`, and those in its interpolations; returns where it ends."""
        hashes = len(text[start:]) - len(text[start:].lstrip("#")) if text[start] == "#" else 0
        quote = '"""' if text.startswith('"""', start + hashes) else '"'
        end, escape = quote + "#" * hashes, "\\" + "#" * hashes
        at, parts = start + hashes + len(quote), []
        while at < len(text) and not text.startswith(end, at) and (quote != '"' or text[at] != "\n"):
            if text.startswith(escape + "(", at):
                at = code(at + len(escape) + 1, ")")
                parts.append("|")
            elif text.startswith(escape, at):
                parts.append(" " if text[at + len(escape) : at + len(escape) + 1] in "nt\n" else "?")
                at += len(escape) + 1
            else:
                parts.append(text[at])
                at += 1
        found.append((text.count("\n", 0, start) + 1, "".join(parts)))
        return at + len(end)

    def code(at: int, closing: str = "") -> int:
        """Reads code until its closing bracket, or all of it."""
        depth = 0
        while at < len(text):
            if text.startswith("//", at) and not closing:
                at = text.find("\n", at) if "\n" in text[at:] else len(text)
            elif text.startswith("/*", at) and not closing:
                at = text.find("*/", at) + 2 if "*/" in text[at:] else len(text)
            elif re.match(r'#*"', text[at : at + 4]):
                at = string(at)
            elif closing and text[at] == "(":
                depth, at = depth + 1, at + 1
            elif closing and text[at] == closing:
                at += 1
                if depth == 0:
                    return at
                depth -= 1
            else:
                at += 1
        return at

    code(0)
    return sorted(found)


def prose(text: str) -> list:
    """The lines of a Markdown file that are prose: (line, text), without code, comments and the targets of links."""

    def blank(match: re.Match) -> str:
        return "\n" * match[0].count("\n")

    text = re.sub(r"(?ms)^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?^ {0,3}\1[`~]*\s*?$", blank, text)
    text = re.sub(r"(?s)<!--.*?-->", blank, text)
    return [(number, re.sub(r"\]\([^)]*\)", "]", line)) for number, line in enumerate(text.split("\n"), 1)]


def findings(file: pathlib.Path) -> list:
    """(line, words, what is better) of each retired word in a file."""
    if file.suffix == ".md":
        texts = prose(file.read_text())
    else:
        texts = [(line, text) for line, text in literals(file.read_text()) if " " in text and not CODE.search(text)]
    found = []
    for line, text in texts:
        text = re.sub(r"`[^`]*`", "`", text)
        found += [(line, match[0], better) for pattern, better in WORDS for match in pattern.finditer(text)]
        if not text.startswith("#"):
            found += [(line, match[0][:40], "name the subject") for match in CLAUSE.finditer(text)]
    return sorted(found)


def files() -> list:
    listed = ["git", "ls-files", "-co", "--exclude-standard", "*.md", "Sources/*.swift", "connectors/*.swift"]
    paths = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\n")
    return [path for path in map(pathlib.Path, sorted(set(filter(None, paths)))) if path.exists()]


def allowed() -> dict:
    lines = LIST.read_text().splitlines() if LIST.exists() else []
    return {path: int(count) for count, path in (line.split(" ", 1) for line in lines)}


def report(path: str, found: list) -> list:
    return [f"{path}:{line}: '{words}': write: {better}" for line, words, better in found]


def faults(found: dict, listed: dict) -> list:
    """What is wrong: files with more findings than words.txt allows, and entries that are larger than needed."""
    wrong = []
    for path in sorted(found.keys() | listed.keys()):
        count, most = len(found.get(path, [])), listed.get(path, 0)
        if count > most:
            wrong += report(path, found[path])
            wrong.append(f"{path}: {count} retired words, {most} are allowed")
        elif count < most:
            wrong.append(f"{path}: {count} retired words, words.txt allows {most}: run deploy/lint/words.py --write")
    return wrong


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--all"], ["--write"]):
        sys.exit(__doc__)
    found = {str(file): lines for file in files() if (lines := findings(file))}
    total, most = sum(map(len, found.values())), sum(allowed().values())
    if sys.argv[1:] == ["--all"]:
        print("\n".join(line for path in found for line in report(path, found[path])))
        sys.exit(0)
    if sys.argv[1:] == ["--write"]:
        if LIST.exists() and total > most:
            sys.exit(f"there are {total} retired words, more than the {most} of words.txt: see --all")
        LIST.write_text("".join(f"{len(lines)} {path}\n" for path, lines in sorted(found.items())))
        sys.exit(0)
    wrong = faults(found, allowed())
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)

#!/usr/bin/env python3
"""Checks the relative links of the documentation: links.py, run in the root of the repository.

Each file that a Markdown file in the repository links to exists, and each anchor is a heading in it.
"""

import pathlib
import re
import subprocess
import sys
import urllib.parse

LINK = re.compile(r"!?\[(?:[^\]\\]|\\.)*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"(?m)^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s+\".*\")?\s*$")
HEADING = re.compile(r"(?m)^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*$")


def without_blocks(text: str) -> str:
    return re.sub(r"(?ms)^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?^ {0,3}\1[`~]*\s*?$", "", text)


def anchors(text: str) -> set:
    """The anchors of the headings, as GitHub makes them."""
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for heading in HEADING.findall(without_blocks(text)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = 0
        while (name := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(name)
    return found


def faults(file: pathlib.Path) -> list:
    wrong = []
    text = re.sub(r"`[^`\n]+`", "", without_blocks(file.read_text()))
    for link in LINK.findall(text) + REFERENCE.findall(text):
        parts = urllib.parse.urlsplit(link)
        if parts.scheme or link.startswith("//"):
            continue
        path = urllib.parse.unquote(parts.path)
        target = (file.parent / path) if path else file
        if not target.exists():
            wrong.append(f"{file}: the link to {link} leads to no file")
        elif parts.fragment and target.suffix == ".md" and parts.fragment not in anchors(target.read_text()):
            wrong.append(f"{file}: the link to {link} leads to no heading")
    return wrong


if __name__ == "__main__":
    listed = ["git", "ls-files", "-co", "--exclude-standard", "*.md"]
    files = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\n")
    wrong = [fault for file in sorted(filter(None, files)) for fault in faults(pathlib.Path(file))]
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)

"""What was measured, in docs/reliability.md."""

import sys

from harness import REPOSITORY


def write(section: str, lines: list):
    """Puts the lines in place of what that section of the manual had, if the command line has --write."""
    if "--write" not in sys.argv:
        return
    file = REPOSITORY / "docs/reliability.md"
    begin, end = f"<!-- measured: {section} -->\n", "<!-- end -->\n"
    before, rest = file.read_text().split(begin)
    file.write_text(before + begin + "".join(line + "\n" for line in lines) + end + rest.split(end, 1)[1])


def number(standard: float) -> float:
    """The first argument that is a number."""
    return next((float(word) for word in sys.argv[1:] if word.replace(".", "", 1).isdigit()), standard)

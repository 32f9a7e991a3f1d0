"""The statements of the battery: one file for each kind, and plan.py."""

import pathlib
import re

import plan

HERE = pathlib.Path(__file__).parent


def chosen(kind, pattern):
    """Those of a kind, or of all kinds, whose name matches a pattern."""
    return (statement for statement in kinds() if kind in (None, statement[0]) and re.search(pattern, statement[1]))


def kinds():
    """Kind, name and SQL of each statement."""
    for file in sorted(HERE.glob("*.sql")):
        for name, sql in read(file):
            yield file.stem, name, sql
    for name, sql in plan.statements():
        yield "plan", name, sql


def read(file):
    """A line `-- name` before each statement, which is one line; the first line of the file is a title."""
    lines = iter(file.read_text().splitlines()[1:])
    for line in lines:
        assert line.startswith("-- "), f"{file.name}: {line}"
        yield line[3:], next(lines)

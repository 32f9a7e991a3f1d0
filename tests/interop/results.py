#!/usr/bin/env python3
"""Compares the table in docs/clients/README.md with what the suites of `run` showed:

    tests/interop/results.py DIRECTORY

The versions in the text of docs/clients/ must be those that the suites install.

DIRECTORY has the suites' logs. results.toml names the tests that show that a client can do a step. It is a failure if
one of them did not run, or did not pass. UPDATE_DOCS=1 writes the table instead of comparing it.
"""

import json
import os
import pathlib
import re
import sys
import tomllib
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "clients" / "README.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"

# A line of a log that says how a test went: the first group that matches is the name of one that passed, the second of
# one that did not.
LINES = re.compile(
    # pytest -v
    r"(?:[^:]*/)?(?:([^/:]+\.py::.*) PASSED|([^/:]+\.py::.*) (?:FAILED|ERROR|SKIPPED|XFAIL|XPASS)) .*"
    # The Java files, and the examples.
    r"|ok {6}(.*)|FAILED {2}(.*)"
    # go test -v; not its subtests, which fail their test.
    r"|--- PASS: (\S+) \(.*|--- (?:FAIL|SKIP): (\S+) \(.*"
    # node --test
    r"|✔ (.*) \([\d.]+ms\)|[✖﹣] (.*) \([\d.]+ms\).*"
)


def tests(log):
    """The tests of a suite, by name: whether each passed."""
    found = {}
    for line in log.read_text(errors="replace").splitlines():
        if match := LINES.fullmatch(line):
            name = match[match.lastindex]
            found[name] = found.get(name, True) and match.lastindex % 2 == 1
    return found


def version(file, package):
    """The version of a package that a suite installs, if it installs it."""
    text = (HERE / file).read_text()
    if file.endswith(".json"):
        return json.loads(text)["packages"].get(f"node_modules/{package}", {}).get("version")
    if file.endswith(".xml"):
        name = {"": "http://maven.apache.org/POM/4.0.0"}
        for dependency in xml.etree.ElementTree.fromstring(text).iterfind(".//dependency", name):
            if dependency.find("artifactId", name).text == package:
                return dependency.find("version", name).text
        return None
    separator = " v" if file.endswith(".mod") else "=="
    found = re.search(rf"^\s*{re.escape(package)}{separator}(\S+)", text, re.MULTILINE)
    return found and found[1]


def outdated():
    """The versions in the text of the pages that no suite installs, such as: `pyarrow` 26.0.1, go/adbc@v1.12.0."""
    mention = re.compile(r"`([^`\s]+)`\s+(\d+\.\d+\.\d+)|(\S+)@v(\d+\.\d+\.\d+)")
    files = ["requirements.txt", "requirements-sqlalchemy.txt", "jdbc/pom.xml", "go/go.mod", "node/package-lock.json"]
    mentions = 0
    for page in sorted(PAGE.parent.glob("*.md")):
        for match in mention.finditer(page.read_text()):
            mentions += 1
            package, named = filter(None, match.groups())
            installed = {found for file in files if (found := version(file, package.rsplit(":")[-1]))}
            if named not in installed:
                yield f"{page.name}: {package} {named}, but the suites install {', '.join(installed) or 'none'}"
    assert mentions > 10, "the pages name versions in another way"


def limited(client):
    """The steps that a client cannot do, or not wholly: the text of the cell, the footnote, and the tests."""
    return {
        step: (text, note, tests) for text in ("no", "partly") for step, (note, *tests) in client.get(text, {}).items()
    }


def pause_log(client):
    """The log of a client's pause, without its ending."""
    return f"pause-{client.get('pause_log', client['log'])}"


def problems(client, logs):
    """What is wrong with the tests that are named for a client. Those of the step `pause` are in logs of their own."""
    named = [*client["yes"].items(), *((step, tests) for step, (_, _, tests) in limited(client).items())]
    for step, patterns in named:
        found = logs[pause_log(client) if step == "pause" else client["log"]]
        for pattern in patterns:
            wanted = re.compile(re.escape(pattern).replace(r"\*", ".*"))
            matching = [name for name in found if wanted.fullmatch(name)]
            if not matching:
                yield f"{client['name']}, {step}: no test `{pattern}` ran"
            yield from (f"{client['name']}, {step}: `{name}` did not pass" for name in matching if not found[name])


def table(declared):
    """The table and its footnotes, in Markdown."""
    steps, numbers = declared["steps"], {}

    def cell(client, step):
        text, note, _ = limited(client).get(step, ("yes" if step in client["yes"] else "", None, None))
        note = note or client.get("notes", {}).get(step)
        return f"{text} ({numbers.setdefault(note, len(numbers) + 1)})" if note else text

    rows = [["client", "version", *steps], ["---"] * (len(steps) + 2)]
    for client in declared["clients"]:
        named = [step for group in ("yes", "no", "partly") for step in client.get(group, {})]
        unknown = {*named, *client.get("notes", {})} - {*steps}
        assert not unknown and len(named) == len({*named}), (client["name"], unknown)
        assert all(tests for text, _, tests in limited(client).values() if text == "partly"), client["name"]
        rows.append([client["name"], version(*client["version"]), *(cell(client, step) for step in steps)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    assert {*numbers} == {*declared["footnotes"]}, {*declared["footnotes"]} - {*numbers}
    lines += ["", *(f"{number}. {declared['footnotes'][note]}" for note, number in numbers.items())]
    return "\n".join(lines) + "\n"


def main(logs):
    declared = tomllib.loads((HERE / "results.toml").read_text())
    names = {name for client in declared["clients"] for name in [client["log"], pause_log(client)]}
    found = {suite: tests(logs / f"{suite}.log") for suite in names}
    wrong = [problem for client in declared["clients"] for problem in problems(client, found)]
    wrong += outdated()
    if wrong:
        sys.exit("\n".join(wrong))

    before, rest = PAGE.read_text().split(BEGIN)
    shown, after = rest.split(END)
    expected = "\n" + table(declared) + "\n"
    if shown == expected:
        print(f"the table of {len(declared['clients'])} clients is up to date")
    elif "UPDATE_DOCS" in os.environ:
        PAGE.write_text(before + BEGIN + expected + END + after)
    else:
        sys.exit(f"docs/clients/README.md has another table (UPDATE_DOCS=1 writes it):\n{expected}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

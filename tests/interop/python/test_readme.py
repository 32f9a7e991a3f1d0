"""The Python blocks of the README run unchanged, except for the server's address."""

import pathlib
import re

import pytest

README = pathlib.Path(__file__).parents[3] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_readme_shows_python():
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(block, server, capsys):
    exec(compile(block.replace("grpc://127.0.0.1:50051", server), "README.md", "exec"), {})

    assert "62137902" in capsys.readouterr().out

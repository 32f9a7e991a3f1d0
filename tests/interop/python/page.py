"""The statements of StackQL's documentation of image_actions (tests/page), and ids of the simulated account."""

import pathlib

_PAGE = pathlib.Path(__file__).parents[2] / "page"

IMAGE = 62137902
ACTION = 36804636
ACTIONS = 366


def _fill(example, **values):
    statement = (_PAGE / f"{example}.sql").read_text()
    for name, value in values.items():
        statement = statement.replace(f"{{{{ {name} }}}}", str(value))
    assert "{{" not in statement
    return statement


GET = _fill("get", image_id=IMAGE, action_id=ACTION)
LIST = _fill("list", image_id=IMAGE)


def exec_of(image):
    """The page's EXEC. It lacks `type`, which the API requires."""
    return _fill("exec", image_id=image)


FIELDS = "id resource_id completed_at region region_slug resource_type started_at status type".split()
COLUMNS = FIELDS + ["image_id", "action_id"]

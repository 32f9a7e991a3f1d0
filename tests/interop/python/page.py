"""The statements of StackQL's documentation of image_actions, unchanged, and ids of the simulated account."""

IMAGE = 62137902
ACTION = 36804636
ACTIONS = 366

_GET = """\
SELECT
id,
resource_id,
completed_at,
region,
region_slug,
resource_type,
started_at,
status,
type
FROM digitalocean.compute.image_actions
WHERE image_id = '{{ image_id }}' -- required
AND action_id = '{{ action_id }}' -- required;
"""

_LIST = """\
SELECT
id,
resource_id,
completed_at,
region,
region_slug,
resource_type,
started_at,
status,
type
FROM digitalocean.compute.image_actions
WHERE image_id = '{{ image_id }}' -- required;
"""

_EXEC = (
    "EXEC digitalocean.compute.image_actions.image_actions_post \n"
    "@image_id='{{ image_id }}' --required;\n"
)


def _fill(statement, **values):
    for name, value in values.items():
        statement = statement.replace(f"{{{{ {name} }}}}", str(value))
    assert "{{" not in statement
    return statement


GET = _fill(_GET, image_id=IMAGE, action_id=ACTION)
LIST = _fill(_LIST, image_id=IMAGE)


def exec_of(image):
    """The page's EXEC. It lacks `type`, which the API requires."""
    return _fill(_EXEC, image_id=image)


FIELDS = "id resource_id completed_at region region_slug resource_type started_at status type".split()
COLUMNS = FIELDS + ["image_id", "action_id"]

"""DuckDB as an oracle: the same statements in the server and in DuckDB, over the account's rows.

The server returns the same rows as DuckDB, or an error with a hint. tests/interop/run starts both
without rate limits. OCEANFLIGHT_BATTERY=6 runs six times as many statements.
"""

import collections
import decimal
import os
import types

import pyarrow
import pytest

import duck_battery
import duck_random
from duck_compare import Answer, Outcome, Verdict, load, rows, run, same

TIMES = int(os.environ.get("OCEANFLIGHT_BATTERY", "1"))
SEED = "oceanflight"

# The rejections of the battery: the maximum number of statements (with OCEANFLIGHT_BATTERY=1), and the reason.
REJECTED = {
    "a subquery uses a column of the outer query where that cannot be turned into a join: below a LIMIT, a UNION or a"
    " window, in an outer join, or in an aggregate": (
        77,
        "a correlated LIMIT, UNION, HAVING or window is computed for each outer row; as a join it is computed once",
    ),
    "a subquery used as a value may return more than one row": (
        21,
        "`x = (SELECT v FROM r WHERE r.id = l.k)`: nothing tells that an id is there once",
    ),
    "the subquery has to be read more than once, and a LIMIT without an ORDER BY that distinguishes all rows may return"
    " different rows each time": (
        8,
        "IN asks for the rows and for the NULLs, and the LIMIT's order is by a column that is not selected",
    ),
}
# The rejections of the random expressions.
REJECTED_EXPRESSIONS = {}


@pytest.fixture(scope="module")
def database(server):
    with load(server) as database:
        yield database


@pytest.fixture(scope="module")
def battery(server, database):
    return run(duck_battery.Battery().cells(TIMES), server, database)


@pytest.fixture(scope="module")
def expressions(server, database):
    return run(duck_random.statements(SEED, 400 * TIMES), server, database)


def assert_none(outcomes, *verdicts):
    """Fails with the shortest outcome that has one of the verdicts."""
    found = sorted((each for each in outcomes if each.verdict in verdicts), key=lambda each: len(each.statement.sql))
    if found:
        shown = "\n".join(f"{each.verdict.value}: {each}" for each in found[:5])
        pytest.fail(f"{len(found)} of {len(outcomes)} statements, such as\n{shown}", pytrace=False)


def assert_rejected_as_listed(outcomes, listed):
    """Fails if a rejection is not listed, or occurs more often than listed."""
    kinds = collections.defaultdict(list)
    for outcome in outcomes:
        if outcome.verdict is Verdict.REJECTED:
            kinds[outcome.kind].append(outcome)
    unlisted = []
    for kind, found in kinds.items():
        most, _ = listed.get(kind, (0, ""))
        if len(found) > most * TIMES:
            shortest = min(found, key=lambda outcome: len(outcome.statement.sql))
            unlisted.append(f"{len(found)} refusals, listed are {most}: {kind}\n{shortest}")
    if unlisted:
        pytest.fail("\n".join(unlisted), pytrace=False)


class TestSubqueries:
    def test_the_battery_covers_every_predicate_and_position(self):
        cells = duck_battery.Battery().cells()

        assert len({cell.sql for cell in cells}) == len(cells) >= 2000
        positions = [*duck_battery.POSITIONS, *duck_battery.HAVING]
        assert {(cell.predicate, cell.position) for cell in cells} == {
            (predicate, position) for predicate in duck_battery.PREDICATES for position in positions
        }
        assert cells == duck_battery.Battery().cells()
        # Statuses that change while the account runs.
        assert not any(word in cell.sql for cell in cells for word in ("completed", "in-progress"))

    def test_duckdb_accepts_every_statement(self, battery):
        assert_none(battery, Verdict.NOT_ACCEPTED)

    @pytest.mark.parametrize("position", [*duck_battery.POSITIONS, *duck_battery.HAVING])
    def test_the_rows_are_those_of_duckdb(self, battery, position):
        cells = [outcome for outcome in battery if outcome.statement.position == position]

        assert_none(cells, Verdict.DIFFERENT, Verdict.FAILED)

    def test_rejections_are_listed(self, battery):
        assert_rejected_as_listed(battery, REJECTED)


class TestExpressions:
    def test_the_statements_are_distinct(self):
        texts = [statement.sql for statement in duck_random.statements(SEED, 400)]

        assert len(set(texts)) > 380
        assert texts == [statement.sql for statement in duck_random.statements(SEED, 400)]

    def test_duckdb_accepts_every_statement(self, expressions):
        assert_none(expressions, Verdict.NOT_ACCEPTED)

    @pytest.mark.parametrize("shape", duck_random.SHAPES)
    def test_the_values_are_those_of_duckdb(self, expressions, shape):
        found = [outcome for outcome in expressions if outcome.statement.shape == shape]

        assert len(found) >= 10
        assert_none(found, Verdict.DIFFERENT, Verdict.FAILED)

    def test_rejections_are_listed(self, expressions):
        assert_rejected_as_listed(expressions, REJECTED_EXPRESSIONS)


class TestComparing:
    """The comparison itself: which values are equal, and which differ."""

    @staticmethod
    def equal(ours, theirs, ordered=False):
        return same(rows(pyarrow.table({"v": ours})), rows(pyarrow.table({"v": theirs})), ordered)

    def test_numbers_are_equal_independent_of_their_type(self):
        assert self.equal([2, None], [decimal.Decimal("2.0"), None])
        assert self.equal([2], [2.0])
        assert self.equal([0.1 + 0.2], [decimal.Decimal("0.3")])
        assert self.equal([float("nan")], [float("nan")])

    def test_a_number_that_lost_its_fraction_is_a_difference(self):
        assert not self.equal([2], [2.5])
        assert not self.equal([2], [decimal.Decimal("2.5")])
        assert not self.equal([decimal.Decimal("2.50")], [decimal.Decimal("2.51")])

    def test_a_boolean_is_not_a_number_and_null_is_not_a_value(self):
        assert not self.equal([True], [1])
        assert not self.equal([None], [0])
        assert not self.equal([None], [""])

    def test_times_are_equal_as_instants(self):
        noon = pyarrow.array([1_700_000_000], pyarrow.timestamp("s"))

        assert self.equal(noon, noon.cast(pyarrow.timestamp("ns", "UTC")))
        assert not self.equal(noon, noon.cast(pyarrow.date32()))
        assert not self.equal(noon, noon.cast(pyarrow.int64()))

    def test_the_number_of_rows_matters_and_their_order_if_requested(self):
        assert self.equal([1, 2, 2], [2, 1, 2])
        assert not self.equal([1, 2, 2], [1, 1, 2])
        assert not self.equal([1, 2], [2, 1], ordered=True)
        assert not self.equal([1], [1, 1])
        assert not self.equal([[1, 2]], [[2, 1]])

    def test_only_an_invalid_argument_with_a_hint_is_a_rejection(self):
        def verdict(error):
            return Outcome(types.SimpleNamespace(sql="", ordered=False), Answer(error=error), Answer([])).verdict

        assert verdict("INVALID_ARGUMENT: [FlightSQL] no\nhint: so (InvalidArgument; ExecuteQuery)") is Verdict.REJECTED
        assert verdict("INVALID_ARGUMENT: [FlightSQL] no (InvalidArgument; ExecuteQuery)") is Verdict.FAILED
        assert verdict("INTERNAL: [FlightSQL] no\nhint: report it (Internal; ExecuteQuery)") is Verdict.FAILED

"""Polars reads over ADBC."""

import polars

import page


def test_a_frame_has_what_adbc_fetched(connection, ask):
    frame = polars.read_database(page.LIST, connection=connection)

    assert frame.height == page.ACTIONS
    assert frame.sort("id").equals(polars.from_arrow(ask(page.LIST)).sort("id"))


def test_a_frame_keeps_the_types(connection):
    schema = polars.read_database(page.LIST, connection=connection).schema

    assert schema["id"] == polars.Int64
    assert schema["started_at"] == polars.Datetime("ns", "UTC")
    assert isinstance(schema["region"], polars.Struct)


def test_a_parameter(connection):
    frame = polars.read_database(
        "SELECT id FROM image_actions WHERE image_id = ? AND action_id = ?",
        connection=connection,
        execute_options={"parameters": (page.IMAGE, page.ACTION)},
    )

    assert frame["id"].to_list() == [page.ACTION]


def test_an_empty_frame_has_its_columns(connection):
    frame = polars.read_database(
        "SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2", connection=connection
    )

    assert frame.height == 0
    assert frame.columns == page.COLUMNS

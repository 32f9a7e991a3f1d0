import adbc_driver_flightsql.dbapi as flightsql
import duckdb

SQL = "SELECT type, started_at, completed_at FROM image_actions WHERE image_id = ?"

with flightsql.connect("grpc://127.0.0.1:50051", autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute(SQL, (62137902,))
        # DuckDB finds the variable `stream` by its name. It can read it once, so its rows go into a table.
        stream = cursor.fetch_record_batch()
        duckdb.sql("CREATE TABLE actions AS SELECT * FROM stream")

for row in duckdb.sql("SELECT type, count(completed_at) FROM actions GROUP BY type ORDER BY type").fetchall():
    print(*row)

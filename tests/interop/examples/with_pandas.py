import adbc_driver_flightsql.dbapi as flightsql
import pandas

SQL = "SELECT type, started_at, completed_at FROM image_actions WHERE image_id = 62137902"

with flightsql.connect("grpc://127.0.0.1:50051", autocommit=True) as connection:
    actions = pandas.read_sql(SQL, connection)

actions["seconds"] = (actions["completed_at"] - actions["started_at"]).dt.total_seconds()
print(actions.groupby("type")["seconds"].max())

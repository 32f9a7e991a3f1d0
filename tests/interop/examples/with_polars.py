import adbc_driver_flightsql.dbapi as flightsql
import polars

SQL = "SELECT id, region_slug FROM image_actions WHERE image_id = ? AND type = ?"

with flightsql.connect("grpc://127.0.0.1:50051", autocommit=True) as connection:
    values = {"parameters": (62137902, "transfer")}
    actions = polars.read_database(SQL, connection, execute_options=values)

for region, count in actions.group_by("region_slug").len().sort("region_slug").rows():
    print(region, count)

from sqlalchemy import MetaData, Table, create_engine, func, inspect, select

# TLS is the default of this dialect. It finds tables only if their type is spelled `table`.
URL = "adbc+flightsql://127.0.0.1:50051?tls=false&header.table_types=table"
# The server has no transactions: without autocommit, the driver warns.
engine = create_engine(URL, connect_args={"autocommit": True})

print(*inspect(engine).get_table_names(schema="compute"))

actions = Table("image_actions", MetaData(), schema="compute", autoload_with=engine)
statuses = (
    select(actions.c.status, func.count())
    .where(actions.c.image_id == 62137902)
    .group_by(actions.c.status)
    .order_by(actions.c.status)
)
with engine.connect() as connection:
    for status, count in connection.execute(statuses):
        print(status, count)

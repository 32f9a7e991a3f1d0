from sqlalchemy import create_engine, inspect, text

# Superset needs the same URL.
URL = "datafusion://127.0.0.1:50051?insecure=true&feature-sqlalchemy-prepared-statements=on"
SQL = "SELECT status, count(*) FROM image_actions WHERE image_id = :image GROUP BY status ORDER BY status"

engine = create_engine(URL)
print(*(column["name"] for column in inspect(engine).get_columns("regions", schema="compute")))
with engine.connect() as connection:
    for status, count in connection.execute(text(SQL), {"image": 62137902}):
        print(status, count)

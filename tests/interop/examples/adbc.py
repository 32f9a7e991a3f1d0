import adbc_driver_flightsql.dbapi as flightsql

SQL = "SELECT id, type, status, started_at FROM image_actions WHERE image_id = ? ORDER BY id LIMIT 3"

# The server has no transactions: without autocommit=True, the driver warns.
with flightsql.connect("grpc://127.0.0.1:50051", autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute(SQL, (62137902,))
        for row in cursor.fetchall():
            print(*row)

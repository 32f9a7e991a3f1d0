import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

/** The same checks of the driver alone, in a pool of HikariCP, and under Spring's JdbcTemplate. */
class Tour extends Checks {
    /** Returns the rows of a statement, by the names of the columns. */
    interface Reader {
        List<Map<String, Object>> read(String sql, Object... values) throws Exception;
    }

    static final String MANY = "SELECT value FROM generate_series(1, 100000)";
    static final String ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000)";

    static void run(Connection connection, String url) {
        logins(url);
        cancels(url);
        try (HikariDataSource pool = Pools.pool(url, "SELECT 1")) {
            readers(connection, pool, url).forEach((client, reader) -> tour(client, connection, reader));
        }
    }

    static Map<String, Reader> readers(Connection connection, HikariDataSource pool, String url) {
        Map<String, Reader> readers = new LinkedHashMap<>();
        readers.put("the driver", (sql, values) -> read(connection, sql, values));
        readers.put("HikariCP", (sql, values) -> {
            try (Connection borrowed = pool.getConnection()) {
                return read(borrowed, sql, values);
            }
        });
        // JdbcTemplate reads columns by their indexes, and this driver has no object for a timestamp with a zone.
        JdbcTemplate template = new JdbcTemplate(new DriverManagerDataSource(url + "&timestamps=without_zone"));
        readers.put("Spring", template::queryForList);
        return readers;
    }

    static void logins(String url) {
        for (String login : List.of("&user=anybody&password=secret", "&token=dop_v1_any")) {
            String name = login.substring(1, login.indexOf('='));
            check("a login with " + name, () -> {
                try (Connection connection = DriverManager.getConnection(url + login)) {
                    same(List.of(1L), ask(connection, "SELECT 1", row -> row.getLong(1)));
                }
            });
        }
    }

    static void cancels(String url) {
        check("a statement is cancelled", () -> {
            try (Connection connection = DriverManager.getConnection(url); Statement statement = connection.createStatement()) {
                ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
                // More than once: the first may come before the statement begins.
                timer.scheduleWithFixedDelay(() -> cancel(statement), 300, 300, TimeUnit.MILLISECONDS);
                String message = failure(Exception.class, () -> rows(statement.executeQuery(ENDLESS), row -> row.getLong(1)));
                timer.shutdown();
                that(message.toLowerCase().contains("cancel"), message); // and not that it took too long
            }
        });
    }

    static void cancel(Statement statement) {
        try {
            statement.cancel();
        } catch (SQLException failure) {
            throw new IllegalStateException(failure);
        }
    }

    static void tour(String client, Connection connection, Reader reader) {
        check(client + ": previews", () -> {
            for (String table : Metadata.tables(connection)) {
                int rows = reader.read("SELECT * FROM " + table + " LIMIT 100").size();
                that(rows > 0 && rows <= 100, table + ": " + rows);
            }
            same(Jdbc.COLUMNS, List.copyOf(reader.read("SELECT * FROM compute.image_actions LIMIT 1").get(0).keySet()));
        });
        check(client + ": the list example", () -> {
            List<Map<String, Object>> found = reader.read(Jdbc.LIST);
            same(Jdbc.ACTIONS, found.size());
            same(Jdbc.ACTIONS, found.stream().map(row -> row.get("id")).collect(Collectors.toSet()).size());
        });
        check(client + ": the get example", () -> {
            List<Map<String, Object>> found = reader.read(Jdbc.GET);
            same(1, found.size());
            same(Jdbc.ACTION, found.get(0).get("id"));
            same("nyc3", ((Map<?, ?>) found.get(0).get("region")).get("slug").toString());
        });
        check(client + ": a parameter, and NULL", () -> {
            String sql = "SELECT id FROM image_actions WHERE image_id = ?";
            same(Jdbc.ACTIONS, reader.read(sql, Jdbc.IMAGE).size());
            same(0, reader.read(sql, 7L).size());
            same(0, reader.read(sql, (Object) null).size());
        });
        check(client + ": a join", () -> {
            String sql = "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id = ?";
            same(Jdbc.ACTIONS, reader.read(sql, Jdbc.IMAGE).size());
        });
        check(client + ": EXEC posts once", () -> {
            Jdbc.Transfer transfer = Jdbc.next(connection);
            Jdbc.posting(1, () -> {
                Map<String, Object> row = reader.read(transfer.exec()).get(0);
                same(transfer.region(), row.get("region_slug"));
            });
        });
        check(client + ": an error has a hint, and the next statement runs", () -> {
            Exception refused = null;
            try {
                reader.read("SELECT id FROM image_action");
            } catch (Exception failure) {
                refused = failure;
            }
            that(refused != null, "not refused");
            StringBuilder messages = new StringBuilder();
            for (Throwable cause = refused; cause != null; cause = cause.getCause()) messages.append(cause.getMessage()).append('\n');
            that(messages.toString().contains("hint: did you mean `image_actions`?"), messages);
            same(1, reader.read(Jdbc.GET).size());
        });
        check(client + ": an empty result", () -> {
            same(List.of(), reader.read("SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2"));
            same(List.of(), reader.read("SELECT * FROM image_actions WHERE image_id = ?", 7L));
        });
        check(client + ": a hundred thousand rows", () -> {
            Set<Object> values = reader.read(MANY).stream().map(row -> row.get("value")).collect(Collectors.toSet());
            same(100_000, values.size());
        });
        check(client + ": timestamps", () -> {
            String sql = "SELECT started_at, CAST(date_part('epoch', started_at) AS BIGINT) AS seconds FROM image_actions WHERE image_id = ?";
            List<Map<String, Object>> found = reader.read(sql, Jdbc.IMAGE);
            same(Jdbc.ACTIONS, found.size());
            for (Map<String, Object> row : found) {
                same(Instant.ofEpochSecond((Long) row.get("seconds")), ((Timestamp) row.get("started_at")).toInstant());
            }
        });
        check(client + ": two statements at once", () -> {
            CyclicBarrier together = new CyclicBarrier(2);
            ExecutorService threads = Executors.newFixedThreadPool(2);
            List<Future<Integer>> sizes = new ArrayList<>();
            for (String sql : List.of(MANY, Jdbc.LIST)) {
                sizes.add(threads.submit(() -> {
                    together.await(20, TimeUnit.SECONDS);
                    return reader.read(sql).size();
                }));
            }
            threads.shutdown();
            same(List.of(100_000, Jdbc.ACTIONS), List.of(sizes.get(0).get(), sizes.get(1).get()));
        });
    }

    static List<Map<String, Object>> read(Connection connection, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) {
                if (values[i] == null) statement.setNull(i + 1, Types.BIGINT);
                else statement.setObject(i + 1, values[i]);
            }
            return rows(statement.executeQuery(), row -> {
                ResultSetMetaData columns = row.getMetaData();
                Map<String, Object> found = new LinkedHashMap<>();
                for (int i = 1; i <= columns.getColumnCount(); i++) {
                    String name = columns.getColumnLabel(i);
                    // By name: getObject(int) has no case for a timestamp with a zone in this driver.
                    found.put(name, row.getObject(name));
                }
                return found;
            });
        }
    }
}

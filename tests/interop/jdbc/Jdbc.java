import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TimeZone;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Makes the calls of JDBC tools: {@code java -cp CLASSES:JARS Jdbc URL ACCOUNT}, where ACCOUNT is the address of the
 * simulated account behind the server. The other files' checks are run from here too; only those of {@link TimeZones} need
 * JVMs of their own.
 *
 * <p>Prints a line for each check, and exits with 1 if any has failed.
 */
public class Jdbc extends Checks {
    static final long IMAGE = 62137902;
    static final long ACTION = 36804636;
    static final int ACTIONS = 366;

    static final String LIST = example("list");
    static final String GET = example("get");

    /** A statement of StackQL's documentation of image_actions, with the account's ids. */
    static String example(String name) {
        try {
            String statement = Files.readString(Path.of(System.getenv("SPECIFICATION_PAGE"), name + ".sql"));
            return statement.replace("{{ image_id }}", "" + IMAGE).replace("{{ action_id }}", "" + ACTION);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static final String METHOD = "digitalocean.compute.image_actions.image_actions_post";
    // Without lon1 and tor1, which the prism suite uses.
    static final List<String> REGIONS =
            List.of("nyc1", "nyc3", "sfo2", "sfo3", "ams3", "sgp1", "fra1", "blr1", "syd1");

    static final List<String> COLUMNS = List.of("id", "resource_id", "completed_at", "region", "region_slug",
            "resource_type", "started_at", "status", "type", "image_id", "action_id");
    static final Map<String, Integer> TYPES = Map.of(
            "id", Types.BIGINT,
            "completed_at", Types.TIMESTAMP_WITH_TIMEZONE,
            "region", Types.JAVA_OBJECT,
            "region_slug", Types.VARCHAR,
            "started_at", Types.TIMESTAMP_WITH_TIMEZONE,
            "image_id", Types.BIGINT);

    static List<Long> ids(PreparedStatement statement) throws SQLException {
        return rows(statement.executeQuery(), row -> row.getLong("id"));
    }

    /** An image, and a region. */
    record Transfer(long image, String region) {
        String exec() {
            return "EXEC %s @image_id='%d', @type='transfer', @region='%s'".formatted(METHOD, image, region);
        }

        void bind(PreparedStatement statement) throws SQLException {
            statement.setLong(1, image);
            statement.setString(2, region);
        }

        /** The row of its action. */
        String row(String status) {
            return image + " transfer " + region + " " + status;
        }
    }

    static final String PREPARED = "EXEC " + METHOD + " @image_id=?, @type='transfer', @region=?";
    static final RowReader<String> ROW = row -> row.getLong("image_id") + " " + row.getString("type") + " "
            + row.getString("region_slug") + " " + row.getString("status");

    /** The transfers that {@link #next} has not returned yet. */
    static Deque<Transfer> left;
    /** The simulated account's address. */
    static String account;

    /** Returns a transfer that can be executed; each is returned once. */
    static Transfer next(Connection connection) throws SQLException {
        if (left == null) left = new ArrayDeque<>(transfers(connection, "NOT array_has(images.regions, r.slug)"));
        if (left.isEmpty()) throw new AssertionError("the account has no image and region left that no check has transferred");
        return left.pop();
    }

    /** Returns a transfer of an image to a region that it is already in. */
    static Transfer refusedTransfer(Connection connection) throws SQLException {
        return transfers(connection, "array_has(images.regions, r.slug)").get(0);
    }

    static List<Transfer> transfers(Connection connection, String condition) throws SQLException {
        String regions = "(VALUES ('" + String.join("'), ('", REGIONS) + "')) r (slug)";
        String sql = "SELECT images.id, r.slug FROM images CROSS JOIN " + regions
                + " WHERE NOT images.public AND images.status = 'available' AND images.type IN ('snapshot', 'custom')"
                + " AND images.id <> " + IMAGE + " AND " + condition + " ORDER BY r.slug, images.id";
        return ask(connection, sql, row -> new Transfer(row.getLong("id"), row.getString("slug")));
    }

    static final HttpClient HTTP = HttpClient.newHttpClient();

    /** Sends a request to the simulated account, and returns the response's body. */
    static String account(String method, String path, String body) throws Exception {
        HttpRequest.BodyPublisher publisher = HttpRequest.BodyPublishers.ofString(body);
        HttpRequest request = HttpRequest.newBuilder(URI.create(account + path)).method(method, publisher).build();
        return HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body();
    }

    /** Returns the numbers of POSTs that the simulated account has executed, and received. */
    static List<Long> posts() throws Exception {
        String requests = account("GET", "/_demo/requests", "");
        return List.of(sum("\"posts\":(\\d+)", requests), sum("\"POST [^\"]*\":(\\d+)", requests));
    }

    /** Returns the number of requests received. */
    static long requests() throws Exception {
        return sum("\"total\":(\\d+)", account("GET", "/_demo/requests", ""));
    }

    static long sum(String pattern, String text) {
        Stream<MatchResult> found = Pattern.compile(pattern).matcher(text).results();
        return found.mapToLong(match -> Long.parseLong(match.group(1))).sum();
    }

    /** Runs a call, and checks how many POSTs were executed and received. */
    static void posting(long executed, long sent, Act act) throws Exception {
        List<Long> before = posts();
        act.run();
        List<Long> after = posts();
        same(List.of(executed, sent), List.of(after.get(0) - before.get(0), after.get(1) - before.get(1)));
    }

    static void posting(long times, Act act) throws Exception {
        posting(times, times, act);
    }

    public static void main(String[] arguments) throws Exception {
        // The driver converts a timestamp with a zone to wall-clock time of the JVM's zone.
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        stopAfterSeconds(600);

        account = arguments[1];
        Connection connection = DriverManager.getConnection(arguments[0]);
        statements(connection);
        parameters(connection);
        joins(connection);
        executions(connection);
        updates(connection);
        listings(connection);
        metadata(connection);
        Metadata.run(connection, arguments[0]);
        sessions(connection, arguments[0]);
        errors(connection);
        Pools.run(arguments[0]);
        SpringTemplates.run(connection, arguments[0]);
        Tour.run(connection, arguments[0]);
        check(connection, "closing closes", open -> {
            open.close();
            that(open.isClosed(), "an open connection");
        });

        exit();
    }

    static void statements(Connection connection) {
        check(connection, "the connection is valid", open -> that(open.isValid(10), "an invalid connection"));
        check(connection, "the list example answers every action", open -> {
            List<Long> ids = ask(open, LIST, row -> row.getLong("id"));
            same(ACTIONS, ids.size());
            same(ACTIONS, Set.copyOf(ids).size());
        });
        check(connection, "the get example answers the action", open ->
                same(List.of(ACTION), ask(open, GET, row -> row.getLong(1))));
        check(connection, "a result's columns have names and types", open -> {
            try (Statement statement = open.createStatement();
                    ResultSet results = statement.executeQuery("SELECT * FROM image_actions WHERE image_id = " + IMAGE)) {
                ResultSetMetaData columns = results.getMetaData();
                same(COLUMNS.size(), columns.getColumnCount());
                for (int i = 1; i <= COLUMNS.size(); i++) {
                    same(COLUMNS.get(i - 1), columns.getColumnName(i));
                    // The driver uses ARROW:FLIGHT:SQL:REMARKS as the label, by which tools find a column.
                    same(COLUMNS.get(i - 1), columns.getColumnLabel(i));
                    Integer type = TYPES.get(columns.getColumnName(i));
                    if (type != null) same(type, columns.getColumnType(i));
                }
            }
        });
        check(connection, "an empty result has its columns", open -> {
            // Not createStatement: there the driver returns the columns of an empty result twice,
            // https://github.com/apache/arrow-java/issues/44
            String sql = "SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2";
            try (PreparedStatement statement = open.prepareStatement(sql); ResultSet results = statement.executeQuery()) {
                same(COLUMNS.size(), results.getMetaData().getColumnCount());
                that(!results.next(), "a row");
            }
        });
        check(connection, "a timestamp is the same instant as in the API", open -> {
            String sql = "SELECT started_at, CAST(date_part('epoch', started_at) AS BIGINT) AS seconds"
                    + " FROM image_actions WHERE image_id = " + IMAGE + " AND action_id = " + ACTION;
            ask(open, sql, row -> {
                Instant instant = Instant.ofEpochSecond(row.getLong("seconds"));
                same(instant, row.getTimestamp("started_at").toInstant());
                same(instant, row.getObject("started_at", Instant.class));
                that(row.getString("started_at").startsWith(instant.toString().substring(0, 4)), row.getString(1));
                return null;
            });
        });
        check(connection, "a timestamp that is null", open -> {
            String sql = "SELECT completed_at FROM image_actions WHERE completed_at IS NULL AND image_id = " + IMAGE;
            for (Timestamp found : ask(open, sql, row -> row.getTimestamp(1))) same(null, found);
        });
        check(connection, "a struct as an object and as text", open -> {
            String sql = "SELECT region, region_slug FROM image_actions WHERE region IS NOT NULL AND image_id = " + IMAGE;
            List<String> slugs = ask(open, sql, row -> {
                String slug = row.getString("region_slug");
                that(row.getObject("region") instanceof Map<?, ?> region && slug.equals(String.valueOf(region.get("slug"))),
                        row.getObject("region"));
                that(row.getString("region").contains(slug), row.getString("region"));
                return slug;
            });
            that(!slugs.isEmpty(), "no action with a region");
        });
        check(connection, "a list", open -> {
            List<Object> found = ask(open, "SELECT regions FROM images WHERE id = " + IMAGE, row -> row.getObject(1));
            same(1, found.size());
            that(found.get(0) != null, found);
        });
        check(connection, "a count, a limit, an order", open -> {
            String from = " FROM image_actions WHERE image_id = " + IMAGE;
            same(List.of((long) ACTIONS), ask(open, "SELECT count(*)" + from, row -> row.getLong(1)));
            same(1, ask(open, "SELECT id" + from + " LIMIT 1", row -> row.getLong(1)).size());
            List<Long> ids = ask(open, "SELECT id" + from + " ORDER BY id", row -> row.getLong(1));
            same(ids.stream().sorted().toList(), ids);
        });
        check(connection, "execute and its result set", open -> {
            try (Statement statement = open.createStatement()) {
                that(statement.execute("SELECT 1"), "no result set");
                same(List.of(1L), rows(statement.getResultSet(), row -> row.getLong(1)));
            }
        });
    }

    static void parameters(Connection connection) {
        check(connection, "a number bound with setLong, twice", open -> {
            try (PreparedStatement statement = open.prepareStatement("SELECT id FROM image_actions WHERE image_id = ?")) {
                same(1, statement.getParameterMetaData().getParameterCount());
                statement.setLong(1, IMAGE);
                same(ACTIONS, ids(statement).size());
                statement.setLong(1, 7);
                same(0, ids(statement).size());
                statement.setLong(1, IMAGE);
                same(ACTIONS, ids(statement).size());
            }
        });
        check(connection, "a number and a text, by position", open -> {
            String sql = "SELECT id FROM image_actions WHERE image_id = ? AND status = ? AND action_id = ?";
            try (PreparedStatement statement = open.prepareStatement(sql)) {
                List<String> status = ask(open, GET, row -> row.getString("status"));
                statement.setLong(1, IMAGE);
                statement.setString(2, status.get(0));
                statement.setLong(3, ACTION);
                same(List.of(ACTION), ids(statement));
            }
        });
        check(connection, "numbered parameters", open -> {
            String sql = "SELECT id FROM image_actions WHERE action_id = $2 AND image_id = $1";
            try (PreparedStatement statement = open.prepareStatement(sql)) {
                statement.setLong(1, IMAGE);
                statement.setLong(2, ACTION);
                same(List.of(ACTION), ids(statement));
            }
        });
        check(connection, "a NULL selects nothing", open -> {
            try (PreparedStatement statement = open.prepareStatement("SELECT id FROM image_actions WHERE image_id = ?")) {
                statement.setNull(1, Types.BIGINT);
                same(List.of(), ids(statement));
            }
        });
        check(connection, "a parameter of a CAST has its type", open -> {
            try (PreparedStatement statement = open.prepareStatement("SELECT CAST(? AS BIGINT), coalesce(?, 'none')")) {
                same(Types.BIGINT, statement.getParameterMetaData().getParameterType(1));
                statement.setLong(1, 5);
                statement.setString(2, "some");
                same(List.of("5 some"), rows(statement.executeQuery(), row -> row.getLong(1) + " " + row.getString(2)));
            }
        });
        check(connection, "times, days and intervals arrive as they were set", open -> {
            String sql = "SELECT CAST(CAST(? AS TIMESTAMP) AS VARCHAR), CAST(CAST(? AS DATE) AS VARCHAR),"
                    + " CAST(CAST(? AS TIME) AS VARCHAR), count(*) FROM account.actions WHERE started_at > now() - ?";
            try (PreparedStatement statement = open.prepareStatement(sql)) {
                statement.setTimestamp(1, java.sql.Timestamp.valueOf("2024-02-03 04:05:06.789"));
                statement.setDate(2, java.sql.Date.valueOf("2024-02-03"));
                statement.setTime(3, java.sql.Time.valueOf("05:06:07"));
                statement.setString(4, "36500 days");
                String expected = "2024-02-03T04:05:06.789 2024-02-03 05:06:07 true";
                same(List.of(expected), rows(statement.executeQuery(), row -> row.getString(1) + " " + row.getString(2) + " "
                        + row.getString(3) + " " + (row.getLong(4) > 900)));
            }
        });
        check(connection, "a column has the type that all of its values fit in", open -> {
            same(List.of(1.0, 2.5), ask(open, "SELECT 1 AS x UNION ALL SELECT 2.5 ORDER BY x", row -> row.getDouble(1)));
            same(List.of(0.5, 1.0),
                    ask(open, "SELECT lag(x, 1, 0.5) OVER (ORDER BY x) AS y FROM (VALUES (1), (2)) t(x)", row -> row.getDouble(1)));
        });
        check(connection, "a NOT IN beside NULL, and one in a SELECT list", open -> {
            String sql = "SELECT count(*) FROM images WHERE id = 5 OR id NOT IN (SELECT CAST(NULL AS BIGINT))";
            same(List.of(0L), ask(open, sql, row -> row.getLong(1)));
            same(List.of(false, true), ask(open, "SELECT DISTINCT public NOT IN (SELECT true) AS p FROM images ORDER BY p",
                    row -> row.getBoolean(1)));
        });
        check(connection, "a parameter whose type nothing tells is text", open -> {
            try (PreparedStatement statement = open.prepareStatement("SELECT ? AS echo")) {
                statement.setString(1, "so be it");
                same(List.of("so be it"), rows(statement.executeQuery(), row -> row.getString(1)));
            }
        });
    }

    static void joins(Connection connection) {
        check(connection, "a join with parameters, twice", open -> {
            String sql = "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id"
                    + " WHERE i.id = ? AND a.status = ?";
            try (PreparedStatement statement = open.prepareStatement(sql)) {
                same(Types.BIGINT, statement.getParameterMetaData().getParameterType(1));
                same(Types.VARCHAR, statement.getParameterMetaData().getParameterType(2));
                statement.setLong(1, IMAGE);
                for (String status : List.of("completed", "errored")) {
                    statement.setString(2, status);
                    String pinned = "SELECT id FROM image_actions WHERE image_id = " + IMAGE + " AND status = '" + status + "'";
                    List<Long> ids = ask(open, pinned, row -> row.getLong("id"));
                    that(!ids.isEmpty(), "no action that is " + status);
                    same(Set.copyOf(ids), Set.copyOf(ids(statement)));
                }
            }
        });
        check(connection, "previews of all images' actions", open -> {
            long images = ask(open, "SELECT count(*) FROM images WHERE NOT public", row -> row.getLong(1)).get(0);
            try (Statement statement = open.createStatement()) {
                long before = requests();
                same(100, rows(statement.executeQuery("SELECT * FROM image_actions LIMIT 100"), row -> row.getLong("id")).size());
                long few = requests() - before;
                that(few < images, few);
                try (ResultSet results = statement.executeQuery("SELECT * FROM image_actions")) {
                    that(results.next(), "no rows"); // and no more are read
                }
                // This driver stops after the batch that reaches the maximum.
                statement.setMaxRows(10);
                int rows = rows(statement.executeQuery("SELECT * FROM image_actions"), row -> null).size();
                that(rows >= 10 && rows < ACTIONS, rows);
            }
        });
    }

    static void executions(Connection connection) {
        check(connection, "EXEC by executeQuery posts once", open -> {
            Transfer transfer = next(open);
            posting(1, () -> same(List.of(transfer.row("in-progress")), ask(open, transfer.exec(), ROW)));
        });
        check(connection, "EXEC by execute posts once, and is a query", open -> {
            Transfer transfer = next(open);
            posting(1, () -> {
                try (Statement statement = open.createStatement()) {
                    that(statement.execute(transfer.exec()), "no result set");
                    same(List.of(transfer.row("in-progress")), rows(statement.getResultSet(), ROW));
                    that(!statement.getMoreResults(), "another result set");
                    same(-1, statement.getUpdateCount());
                }
            });
        });
        check(connection, "a prepared EXEC executed twice posts twice", open -> {
            try (PreparedStatement statement = open.prepareStatement(PREPARED)) {
                posting(0, () -> {
                    ResultSetMetaData columns = statement.getMetaData();
                    List<String> names = new ArrayList<>();
                    for (int i = 1; i <= columns.getColumnCount(); i++) names.add(columns.getColumnLabel(i));
                    same(COLUMNS, names);
                    same(2, statement.getParameterMetaData().getParameterCount());
                    same(Types.BIGINT, statement.getParameterMetaData().getParameterType(1));
                    same(Types.VARCHAR, statement.getParameterMetaData().getParameterType(2));
                });
                for (int i = 0; i < 2; i++) {
                    Transfer transfer = next(open);
                    transfer.bind(statement);
                    posting(1, () -> same(List.of(transfer.row("in-progress")), rows(statement.executeQuery(), ROW)));
                }
            }
        });
        check(connection, "the same values once more are sent once more", open -> {
            try (PreparedStatement statement = open.prepareStatement(PREPARED + ", @@await='10m'")) {
                Transfer transfer = next(open);
                transfer.bind(statement);
                posting(1, () -> same(List.of(transfer.row("completed")), rows(statement.executeQuery(), ROW)));
                posting(0, 1, () -> {
                    String message = failure(() -> rows(statement.executeQuery(), ROW));
                    that(message.contains("already in that region"), message);
                });
            }
        });
        check(connection, "AWAIT answers the end", open -> {
            Transfer transfer = next(open);
            String sql = transfer.exec().replaceFirst("EXEC", "EXEC /*+ AWAIT */");
            posting(1, () -> same(List.of(transfer.row("completed")), ask(open, sql, ROW)));
        });
        check(connection, "CALL", open -> {
            Transfer transfer = next(open);
            String sql = "CALL %s(image_id => %d, type => 'transfer', region => '%s', await => '10m')"
                    .formatted(METHOD, transfer.image, transfer.region);
            posting(1, () -> same(List.of(transfer.row("completed")), ask(open, sql, ROW)));
        });
        check(connection, "the page's own EXEC is refused with one that works", open -> posting(0, () -> {
            String message = refused(open, "EXEC " + METHOD + " \n@image_id='" + IMAGE + "' --required;\n");
            that(message.contains("EXEC " + METHOD + " @image_id='" + IMAGE + "', @type='convert'"), message);
        }));
        check(connection, "an EXEC whose answer is lost is sent once", open -> {
            Transfer transfer = next(open);
            account("POST", "/_demo/faults", "POST /v2/images/" + transfer.image + "/actions times=1 reset-after");
            posting(1, () -> {
                String message = failure(() -> ask(open, transfer.exec(), ROW));
                that(message.contains("may have been executed"), message);
                that(message.contains("type transfer, status "), message);
            });
        });
    }

    static void updates(Connection connection) {
        check(connection, "executeUpdate of a statement posts once", open -> {
            Transfer transfer = next(open);
            posting(1, () -> {
                try (Statement statement = open.createStatement()) {
                    int count = statement.executeUpdate(transfer.exec());
                    // This driver treats a statement with columns as a query: it reads the row, and returns -1.
                    that(count == -1 || count == 1, count);
                }
            });
        });
        check(connection, "executeUpdate of a prepared statement posts once each time", open -> {
            try (PreparedStatement statement = open.prepareStatement(PREPARED)) {
                for (int i = 0; i < 2; i++) {
                    next(open).bind(statement);
                    posting(1, () -> same(1, statement.executeUpdate()));
                }
            }
        });
        check(connection, "a batch posts once for each row", open -> {
            try (PreparedStatement statement = open.prepareStatement(PREPARED)) {
                for (int i = 0; i < 2; i++) {
                    next(open).bind(statement);
                    statement.addBatch();
                }
                // This driver returns one count for all rows.
                posting(2, () -> same(2, IntStream.of(statement.executeBatch()).sum()));
            }
        });
        check(connection, "a batch ends with the first row that fails, and says what was done", open -> {
            try (PreparedStatement statement = open.prepareStatement(PREPARED)) {
                for (Transfer transfer : List.of(next(open), refusedTransfer(open), next(open))) {
                    transfer.bind(statement);
                    statement.addBatch();
                }
                posting(1, 2, () -> {
                    String message = failure(statement::executeBatch);
                    that(message.startsWith("row 2 of 3: ") && message.contains("; done before it: id "), message);
                });
            }
        });
        check(connection, "an update that cannot work is refused", open -> {
            try (PreparedStatement statement = open.prepareStatement(PREPARED)) {
                statement.setLong(1, IMAGE);
                statement.setString(2, null);
                posting(0, () -> {
                    String message = failure(statement::executeUpdate);
                    that(message.contains("needs `region`"), message);
                });
            }
        });
    }

    static void listings(Connection connection) {
        RowReader<String> first = row -> row.getString(1);
        check(connection, "SHOW PROVIDERS, SERVICES and RESOURCES", open -> {
            that(ask(open, "SHOW PROVIDERS", first).contains("digitalocean"), "no digitalocean");
            that(ask(open, "SHOW SERVICES IN digitalocean", first).contains("compute"), "no compute");
            List<String> resources = ask(open, "SHOW RESOURCES IN digitalocean.compute", first);
            that(resources.containsAll(List.of("image_actions", "images")), resources);
        });
        check(connection, "SHOW METHODS", open -> {
            String sql = "SHOW METHODS IN digitalocean.compute.image_actions";
            RowReader<String> reader = row -> row.getString("MethodName") + "(" + row.getString("RequiredParams") + ")";
            List<String> methods = List.of("actions_get(action_id)", "image_actions_get(image_id, action_id)",
                    "image_actions_list(image_id)", "image_actions_post(image_id, type)");
            same(methods, ask(open, sql, reader));
            same(List.of("image_actions_post"), ask(open, sql + " WHERE SQLVerb = 'EXEC'", first));
        });
        check(connection, "SHOW with a parameter", open -> {
            try (PreparedStatement statement = open.prepareStatement("SHOW METHODS IN images WHERE SQLVerb = ?")) {
                statement.setString(1, "EXEC");
                same(List.of("convert", "transfer"), rows(statement.executeQuery(), first));
            }
        });
        check(connection, "DESCRIBE", open -> {
            same(COLUMNS, ask(open, "DESCRIBE digitalocean.compute.image_actions", first));
            // None is required, because each may be omitted.
            RowReader<String> listed = row -> row.getString("pushed_down_to").contains("_list") ? row.getString("name") : "";
            List<String> names = ask(open, "DESCRIBE EXTENDED digitalocean.compute.image_actions", listed);
            same(List.of("image_id"), names.stream().filter(name -> !name.isEmpty()).toList());
        });
        check(connection, "DESCRIBE METHOD", open ->
                same(List.of("image_id", "type", "region"), ask(open, "DESCRIBE METHOD " + METHOD, first)));
        check(connection, "the tables of what there is", open -> {
            String sql = "SELECT m.method FROM oceanflight.meta.methods m JOIN oceanflight.meta.resources r ON r.id = m.returns"
                    + " WHERE m.sql_verb = 'EXEC' AND r.resource = 'image_actions'";
            that(ask(open, sql, first).contains("image_actions_post"), "no image_actions_post");
            RowReader<String> name = row -> row.getString("TABLE_NAME");
            List<String> names = rows(open.getMetaData().getTables("oceanflight", "meta", null, null), name);
            that(names.containsAll(List.of("columns", "methods", "resources")), names);
        });
        check(connection, "a table is made and dropped", open -> {
            try (Statement statement = open.createStatement()) {
                statement.executeUpdate("CREATE OR REPLACE TABLE datasets.public.of_jdbc AS SELECT 7 AS x");
                same(List.of("7"), ask(open, "SELECT x FROM datasets.public.of_jdbc", first));
                statement.executeUpdate("DROP TABLE datasets.public.of_jdbc");
            }
        });
        check(connection, "the server does not say that it only reads", open ->
                that(!open.getMetaData().isReadOnly(), "read only"));
    }

    static void metadata(Connection connection) {
        check(connection, "getCatalogs", open -> {
            List<String> names = rows(open.getMetaData().getCatalogs(), row -> row.getString("TABLE_CAT"));
            that(names.contains("digitalocean"), names);
            same(names.stream().sorted().toList(), names);
        });
        check(connection, "getSchemas", open -> {
            DatabaseMetaData data = open.getMetaData();
            RowReader<String> name = row -> row.getString("TABLE_CATALOG") + "." + row.getString("TABLE_SCHEM");
            for (List<String> names : List.of(rows(data.getSchemas(), name), rows(data.getSchemas("digitalocean", null), name))) {
                that(names.contains("digitalocean.compute"), names);
                that(names.contains("digitalocean.information_schema"), names);
            }
            same(List.of("digitalocean.compute"), rows(data.getSchemas("digitalocean", "comp%"), name));
            same(List.of(), rows(data.getSchemas("elsewhere", null), name));
        });
        check(connection, "getTables", open -> {
            DatabaseMetaData data = open.getMetaData();
            RowReader<String> name = row -> row.getString("TABLE_NAME");
            for (String catalog : new String[] {null, "digitalocean"}) {
                List<String> names = rows(data.getTables(catalog, "compute", null, null), name);
                that(names.containsAll(List.of("image_actions", "images")), names);
                same(List.of("image_actions"), rows(data.getTables(catalog, "compute", "image\\_actions", null), name));
                same(List.of("image_actions"), rows(data.getTables(catalog, "%", "image_action_", null), name));
                that(rows(data.getTables(catalog, "compute", "image%", null), name).containsAll(List.of("image_actions", "images")), catalog);
            }
            same(List.of(), rows(data.getTables("elsewhere", null, null, null), name));
            same(List.of(), rows(data.getTables(null, null, "no_such_table", null), name));
            that(rows(data.getTables(null, null, null, new String[] {"TABLE"}), name).contains("image_actions"), "no TABLE");
            that(rows(data.getTables("%", null, null, new String[] {"base table"}), name).contains("image_actions"), "no BASE TABLE");
            same(List.of(), rows(data.getTables(null, null, null, new String[] {"NO SUCH TYPE"}), name));
            rows(data.getTables(null, "compute", "images", null), row -> {
                same("TABLE", row.getString("TABLE_TYPE"));
                return row.getString("REMARKS");
            });
        });
        check(connection, "getTableTypes", open -> {
            List<String> types = rows(open.getMetaData().getTableTypes(), row -> row.getString("TABLE_TYPE"));
            that(types.contains("TABLE"), types);
        });
        check(connection, "getColumns of image_actions", open -> {
            List<String> names = new ArrayList<>();
            rows(open.getMetaData().getColumns("digitalocean", "compute", "image\\_actions", null), row -> {
                String name = row.getString("COLUMN_NAME");
                names.add(name);
                same(names.size(), row.getInt("ORDINAL_POSITION"));
                if (TYPES.containsKey(name)) same(TYPES.get(name), row.getInt("DATA_TYPE"));
                that(!row.getString("TYPE_NAME").isBlank(), name + " has no type's name");
                that(row.getString("REMARKS") != null, name + " has no remarks");
                if (name.equals("id")) same(DatabaseMetaData.columnNoNulls, row.getInt("NULLABLE"));
                if (name.equals("completed_at")) same(DatabaseMetaData.columnNullable, row.getInt("NULLABLE"));
                same(row.getInt("NULLABLE") == DatabaseMetaData.columnNullable ? "YES" : "NO", row.getString("IS_NULLABLE"));
                return null;
            });
            same(COLUMNS, names);
        });
        check(connection, "getColumns by a pattern", open -> {
            RowReader<String> name = row -> row.getString("COLUMN_NAME");
            same(List.of("region", "region_slug"), rows(open.getMetaData().getColumns(null, null, "image_actions", "region%"), name));
            same(List.of(), rows(open.getMetaData().getColumns(null, null, "no_such_table", null), name));
        });
        check(connection, "the keys of tables", open -> {
            DatabaseMetaData data = open.getMetaData();
            RowReader<String> column = row -> row.getString("COLUMN_NAME") + " " + row.getInt("KEY_SEQ") + " " + row.getString("PK_NAME");
            same(List.of("id 1 images_pkey"), rows(data.getPrimaryKeys("digitalocean", "compute", "images"), column));
            same(List.of(), rows(data.getPrimaryKeys(null, null, "no_such_table"), column));
            RowReader<String> key = row -> row.getString("PKTABLE_NAME") + "." + row.getString("PKCOLUMN_NAME") + " "
                    + row.getString("FKTABLE_NAME") + "." + row.getString("FKCOLUMN_NAME") + " " + row.getInt("UPDATE_RULE");
            String expected = "images.id image_actions.image_id " + DatabaseMetaData.importedKeyNoAction;
            same(List.of(expected), rows(data.getImportedKeys(null, null, "image_actions"), key));
            that(rows(data.getExportedKeys(null, "compute", "images"), key).contains(expected), "no exported key");
            same(List.of(expected), rows(data.getCrossReference(null, null, "images", null, null, "image_actions"), key));
        });
        check(connection, "each function that the server lists works in an escape", open -> {
            DatabaseMetaData data = open.getMetaData();
            that(List.of(data.getStringFunctions().split(", *")).containsAll(List.of("UCASE", "LOCATE")), data.getStringFunctions());
            that(data.getTimeDateFunctions().contains("YEAR"), data.getTimeDateFunctions());
            same(List.of("AB 2026"), ask(open, "SELECT {fn UCASE('ab')} || ' ' || {fn YEAR(DATE '2026-11-27')}", row -> row.getString(1)));
        });
        check(connection, "outer joins are supported", open -> {
            DatabaseMetaData data = open.getMetaData();
            that(data.supportsOuterJoins() && data.supportsFullOuterJoins() && data.supportsLimitedOuterJoins(), "no outer joins");
        });
        check(connection, "a decimal of a result has its precision and scale", open -> {
            try (PreparedStatement statement = open.prepareStatement("SELECT CAST(1.5 AS DECIMAL(12, 3)) AS d, NULL AS n, CAST(200 AS TINYINT UNSIGNED) AS u");
                    ResultSet results = statement.executeQuery()) {
                ResultSetMetaData columns = results.getMetaData();
                same("12 3 DECIMAL", columns.getPrecision(1) + " " + columns.getScale(1) + " " + columns.getColumnTypeName(1));
                same(Types.VARCHAR, columns.getColumnType(2));
                that(results.next(), "no row");
                same(200, results.getInt("u"));
            }
        });
        check(connection, "getTypeInfo", open -> {
            // This driver never sends CommandGetXdbcTypeInfo, and returns no rows; a later version may.
            List<Integer> types = rows(open.getMetaData().getTypeInfo(), row -> row.getInt("DATA_TYPE"));
            that(types.isEmpty() || types.contains(Types.BIGINT), types);
            same(types.stream().sorted().toList(), types);
        });
        check(connection, "the product has a name and a version", open -> {
            DatabaseMetaData data = open.getMetaData();
            that(data.getDatabaseProductName().toLowerCase().contains("oceanflight"), data.getDatabaseProductName());
            that(!data.getDatabaseProductVersion().isBlank(), "no version");
            same("\"", data.getIdentifierQuoteString());
            that(!data.supportsTransactions(), "transactions");
        });
    }

    static void sessions(Connection connection, String url) {
        check(connection, "a timestamp without a zone is an object, by index", open -> {
            String sql = "SELECT started_at FROM image_actions WHERE image_id = " + IMAGE + " AND action_id = " + ACTION;
            Instant expected = ask(open, sql, row -> row.getTimestamp(1)).get(0).toInstant();
            // The driver sends parameters of the URL that it does not know as headers.
            try (Connection other = DriverManager.getConnection(url + "&timestamps=without_zone")) {
                Object found = ask(other, sql, row -> row.getObject(1)).get(0);
                that(found instanceof Timestamp && ((Timestamp) found).toInstant().equals(expected), found);
                same(Types.TIMESTAMP, ask(other, sql, row -> row.getMetaData().getColumnType(1)).get(0));
            }
        });
        check(connection, "a schema in the URL completes names", open -> {
            String sql = "SELECT method FROM methods WHERE method = 'image_actions_post'";
            refused(open, sql);
            // Not in a try: with a catalog, this version of the driver closes its session twice, and throws.
            Connection other = DriverManager.getConnection(url + "&catalog=oceanflight&schema=meta");
            same(List.of("image_actions_post"), ask(other, sql, row -> row.getString(1)));
        });
    }

    static void errors(Connection connection) {
        check(connection, "SQL that does not parse", open -> refused(open, "SELEC id FROM images"));
        check(connection, "an unknown table names the nearest", open -> {
            String message = refused(open, "SELECT id FROM image_action WHERE image_id = 1");
            that(message.contains("image_actions"), message);
        });
        check(connection, "the connection still works after an error", open ->
                same(List.of(ACTION), ask(open, GET, row -> row.getLong("id"))));
    }
}

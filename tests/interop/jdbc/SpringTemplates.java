import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Calendar;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import java.util.stream.Stream;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.flight.FlightRuntimeException;
import org.springframework.jdbc.UncategorizedSQLException;
import org.springframework.jdbc.core.DataClassRowMapper;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.namedparam.NamedParameterJdbcTemplate;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

/** Spring's JdbcTemplate, which reads columns by index with getObject, and sets parameters by the class of the value. */
class SpringTemplates extends Checks {
    record Image(long id, String name, boolean isPublic, Double sizeGigabytes, Instant createdAt) {}

    static void run(Connection connection, String url) {
        JdbcTemplate template = new JdbcTemplate(new DriverManagerDataSource(url));
        JdbcTemplate withoutZone = new JdbcTemplate(new DriverManagerDataSource(url + "&timestamps=without_zone"));

        check("queryForList of every table, with timestamps without_zone", () -> {
            for (String table : Metadata.tables(connection)) {
                String sql = "SELECT * FROM " + table + " ORDER BY 1 LIMIT 5";
                List<Map<String, Object>> found = withoutZone.queryForList(sql);
                same(withoutZone.query(sql, (row, number) -> texts(row)), found.stream().map(SpringTemplates::texts).toList());
                that(!found.isEmpty() && found.size() <= 5, table + ": " + found.size());
            }
        });
        check("queryForList of every table, with timestamps with_zone", () -> {
            for (String table : Metadata.tables(connection)) {
                String sql = "SELECT * FROM " + table + " LIMIT 5";
                boolean timestamps = Metadata.columns(connection, table).stream().anyMatch(column -> column.endsWith(" " + Types.TIMESTAMP_WITH_TIMEZONE));
                if (timestamps) {
                    // The driver's getObject(int) has no case for a timestamp with a zone.
                    same("not implemented", failure(RuntimeException.class, () -> template.queryForList(sql)));
                } else {
                    that(!template.queryForList(sql).isEmpty(), table);
                }
            }
        });
        check("queryForList of the tables of what there is", () -> {
            for (String table : List.of("oceanflight.meta.columns", "oceanflight.meta.methods", "oceanflight.meta.parameters",
                    "oceanflight.meta.resources", "information_schema.tables", "information_schema.columns", "information_schema.routines")) {
                that(!template.queryForList("SELECT * FROM " + table + " LIMIT 5").isEmpty(), table);
            }
        });
        check("timestamps with a zone as fields of a class", () -> {
            String sql = "SELECT id, name, public AS is_public, size_gigabytes, created_at FROM images WHERE id = ?";
            Image image = template.queryForObject(sql, new DataClassRowMapper<>(Image.class), Jdbc.IMAGE);
            same(Jdbc.IMAGE, image.id);
            same(ask(connection, "SELECT created_at FROM images WHERE id = " + Jdbc.IMAGE, row -> row.getObject(1, Instant.class)),
                    List.of(image.createdAt));
        });
        check("a list must be read before its result is closed in this driver", () -> {
            String sql = "SELECT regions FROM images WHERE id = " + Jdbc.IMAGE;
            List<Object> regions = template.queryForObject(sql, (row, number) -> List.of((Object[]) row.getArray(1).getArray()));
            that(!regions.isEmpty(), regions);
            Array late = (Array) template.queryForMap(sql).get("regions");
            failure(IndexOutOfBoundsException.class, late::getArray);
        });
        check("parameters by the class of the value", () -> {
            String sql = "SELECT count(*) FROM image_actions WHERE image_id = ?";
            for (Object id : List.of(Jdbc.IMAGE, (int) Jdbc.IMAGE, BigDecimal.valueOf(Jdbc.IMAGE))) {
                same((long) Jdbc.ACTIONS, template.queryForObject(sql, Long.class, id));
            }
            same(0L, template.queryForObject(sql, Long.class, (Object) null));
            same(0L, template.queryForObject(sql + " AND id < ?", Long.class, Jdbc.IMAGE, (byte) 5));
            List<String> statuses = template.queryForList(
                    "SELECT DISTINCT status FROM image_actions WHERE image_id = ? AND status = ?", String.class, Jdbc.IMAGE, "errored");
            same(List.of("errored"), statuses);
            long all = template.queryForObject("SELECT count(*) FROM images", Long.class);
            long shown = template.queryForObject("SELECT count(*) FROM images WHERE public = ?", Long.class, true);
            long hidden = template.queryForObject("SELECT count(*) FROM images WHERE public = ?", Long.class, false);
            same(all, shown + hidden);
            String sizes = "SELECT count(*) FROM images WHERE size_gigabytes >= ? OR size_gigabytes < ? OR size_gigabytes IS NULL";
            same(all, template.queryForObject(sizes, Long.class, 2.5, 2.5f));
        });
        check("named parameters, and a list of them", () -> {
            NamedParameterJdbcTemplate named = new NamedParameterJdbcTemplate(template);
            Map<String, ?> values = Map.of("ids", List.of(Jdbc.IMAGE, 5L, 6L), "status", "available");
            same(List.of(Map.of("id", Jdbc.IMAGE)), named.queryForList("SELECT id FROM images WHERE id IN (:ids) AND status = :status", values));
            same(List.of(Jdbc.IMAGE), JdbcClient.create(template).sql("SELECT id FROM images WHERE id = :id").param("id", Jdbc.IMAGE).query(Long.class).list());
        });
        check("times as parameters", () -> {
            String sql = "SELECT count(*) FROM images WHERE created_at > ?";
            long all = template.queryForObject("SELECT count(*) FROM images", Long.class);
            Calendar calendar = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
            calendar.setTimeInMillis(0);
            for (Object epoch : List.of(new Timestamp(0), new java.util.Date(0), calendar)) {
                same(all, template.queryForObject(sql, Long.class, epoch));
            }
            // The driver sends no java.time.
            String message = failure(UncategorizedSQLException.class, () -> template.queryForObject(sql, Long.class, Instant.EPOCH));
            that(message.contains("Binding value of type OBJECT is not yet supported"), message);
        });
        check("a fraction is cut off without an error where the server expects an integer, in this driver", () -> {
            same(2L, template.queryForObject("SELECT ? + 1", Long.class, 1.5));
            same(-1294967296, template.queryForObject("SELECT CAST(? AS INT)", Integer.class, 3_000_000_000L));
        });
        check("limits of a template, and a stream", () -> {
            JdbcTemplate limited = new JdbcTemplate(template.getDataSource());
            limited.setMaxRows(3);
            limited.setFetchSize(2);
            limited.setQueryTimeout(30);
            same(3, limited.queryForList("SELECT id FROM account.actions").size());
            try (Stream<Long> ids = template.queryForStream("SELECT id FROM account.actions", (row, number) -> row.getLong(1))) {
                same(3L, ids.limit(3).count());
            }
        });
        check("update and queryForMap execute EXEC once", () -> {
            Jdbc.Transfer transfer = Jdbc.next(connection);
            Jdbc.posting(1, () -> same(1, template.update(Jdbc.PREPARED, transfer.image(), transfer.region())));
            Jdbc.Transfer other = Jdbc.next(connection);
            Jdbc.posting(1, () -> same(other.region(), withoutZone.queryForMap(Jdbc.PREPARED, other.image(), other.region()).get("region_slug")));
        });
        check("errors have no SQLSTATE in this driver, and are unchecked when a prepared statement is executed", () -> {
            String message = failure(UncategorizedSQLException.class, () -> template.queryForList("SELECT id FROM image_action WHERE image_id = 1"));
            that(message.contains("SQL state [null]") && message.contains("image_actions"), message);
            try {
                template.queryForList("SELECT id FROM image_action WHERE image_id = ?", 1L);
                throw new AssertionError("not refused");
            } catch (UncategorizedSQLException failure) {
                // The server's message is not in the exception's own.
                that(failure.getRootCause().getMessage().contains("image_actions"), failure.getRootCause());
            }
            message = failure(FlightRuntimeException.class, () -> template.queryForList("SELECT CAST(CAST(? AS VARCHAR) AS BIGINT)", "x"));
            that(message.contains("Cannot cast string 'x'"), message);
        });
    }

    /** Returns the names and values of a row as texts, without lists: those are gone after the result. */
    static List<String> texts(ResultSet row) throws SQLException {
        ResultSetMetaData columns = row.getMetaData();
        List<String> texts = new ArrayList<>();
        for (int i = 1; i <= columns.getColumnCount(); i++) {
            String text = columns.getColumnType(i) == Types.ARRAY ? text(row.getArray(i)) : row.getString(i);
            texts.add(columns.getColumnLabel(i) + "=" + text);
        }
        return texts;
    }

    static List<String> texts(Map<String, Object> row) {
        return row.entrySet().stream().map(value -> value.getKey() + "=" + text(value.getValue())).toList();
    }

    static String text(Object value) {
        if (value instanceof Array) return "a list";
        return value == null ? null : String.valueOf(value);
    }
}

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Calls every method of DatabaseMetaData, and compares what it lists with results. */
class Metadata extends Checks {
    static final String TODO = "RuntimeException: todo: implement this method";

    /** What throws in this version of the driver. Nothing of it is the server's. */
    static final Map<String, String> THROWN = new TreeMap<>(Map.ofEntries(
            Map.entry("deletesAreDetected", TODO),
            Map.entry("insertsAreDetected", TODO),
            Map.entry("updatesAreDetected", TODO),
            Map.entry("othersDeletesAreVisible", TODO),
            Map.entry("othersInsertsAreVisible", TODO),
            Map.entry("othersUpdatesAreVisible", TODO),
            Map.entry("ownDeletesAreVisible", TODO),
            Map.entry("ownInsertsAreVisible", TODO),
            Map.entry("ownUpdatesAreVisible", TODO),
            Map.entry("supportsResultSetHoldability", TODO),
            // Keys are those of one table, so null is a mistake of the caller.
            Map.entry("getCrossReference", "NullPointerException: Parent Table cannot be null."),
            Map.entry("getExportedKeys", "NullPointerException: Table cannot be null."),
            Map.entry("getImportedKeys", "NullPointerException: Table cannot be null."),
            Map.entry("getPrimaryKeys", "NullPointerException: null")));

    static void run(Connection connection, String url) {
        check(connection, "every method of the metadata, with several arguments", open -> {
            Map<String, String> thrown = new TreeMap<>();
            for (Method method : methods()) {
                for (Object[] arguments : arguments(method)) {
                    try {
                        readAll(method.invoke(open.getMetaData(), arguments));
                    } catch (InvocationTargetException failure) {
                        Throwable cause = failure.getCause();
                        that(!isFromServer(cause), method.getName() + Arrays.deepToString(arguments) + ": " + cause);
                        thrown.put(method.getName(), cause.getClass().getSimpleName() + ": " + cause.getMessage());
                    }
                }
            }
            same(THROWN, thrown);
        });
        check(connection, "a name that is in no catalog lists nothing", open -> {
            DatabaseMetaData data = open.getMetaData();
            for (String name : List.of("", "\\", "a\\", "'", "\"", "é", "[a-z]*", "\0", "a;b", "IMAGES")) {
                for (int at = 0; at < 3; at++) {
                    String[] names = new String[3];
                    names[at] = name;
                    same(0, rows(data.getTables(names[0], names[1], names[2], null), row -> row).size());
                    same(0, rows(data.getColumns(names[0], names[1], names[2], null), row -> row).size());
                    if (names[2] == null) names[2] = "images";
                    same(0, rows(data.getPrimaryKeys(names[0], names[1], names[2]), row -> row).size());
                    same(0, rows(data.getImportedKeys(names[0], names[1], names[2]), row -> row).size());
                }
                same(0, rows(data.getColumns(null, null, null, name), row -> row).size());
                same(0, rows(data.getTables(null, null, null, new String[] {name}), row -> row).size());
            }
        });
        check(connection, "a listing without rows has no columns in this driver", open -> {
            try (ResultSet tables = open.getMetaData().getTables("elsewhere", null, null, null)) {
                same(0, tables.getMetaData().getColumnCount());
            }
        });
        for (String timestamps : List.of("with_zone", "without_zone")) {
            check("getColumns has the types of results, with timestamps " + timestamps, () -> {
                try (Connection open = DriverManager.getConnection(url + "&timestamps=" + timestamps)) {
                    for (String table : tables(open)) same(columns(open, table), resultColumns(open, table));
                }
            });
        }
        check(connection, "conversions are those of CAST", open -> {
            DatabaseMetaData data = open.getMetaData();
            that(data.supportsConvert(), "no conversions");
            that(data.supportsConvert(Types.BIGINT, Types.VARCHAR), "no conversion of BIGINT to VARCHAR");
            that(data.supportsConvert(Types.VARCHAR, Types.TIMESTAMP), "no conversion of VARCHAR to TIMESTAMP");
        });
        check(connection, "what the driver says without asking the server", open -> {
            DatabaseMetaData data = open.getMetaData();
            // Wrong: the server converts names without quotes to lower case, and says so (SQL_IDENTIFIER_CASE).
            that(data.storesUpperCaseIdentifiers() && !data.storesLowerCaseIdentifiers(), "right since this version");
            // The driver's, where the product's should be.
            same(data.getDriverMajorVersion(), data.getDatabaseMajorVersion());
            same(0, rows(data.getFunctions(null, null, "%"), row -> row).size());
            same(0, rows(data.getProcedures(null, null, "%"), row -> row).size());
        });
    }

    static List<Method> methods() {
        return Stream.of(DatabaseMetaData.class.getMethods())
                .filter(method -> method.getDeclaringClass() == DatabaseMetaData.class)
                .sorted(Comparator.comparing(Method::toString))
                .toList();
    }

    /** Returns lists of arguments: nulls, patterns, the names of a table, and empty texts. */
    static List<Object[]> arguments(Method method) {
        Class<?>[] types = method.getParameterTypes();
        if (types.length == 0) return Collections.singletonList(new Object[0]);
        List<List<String>> texts = List.of(
                Arrays.asList(null, null, null), List.of("%", "%", "%"), List.of("digitalocean", "compute", "image_actions"), List.of("", "", ""));
        int[] numbers = switch (method.getName()) {
            case "supportsTransactionIsolationLevel" -> new int[] {
                    Connection.TRANSACTION_NONE, Connection.TRANSACTION_READ_UNCOMMITTED, Connection.TRANSACTION_READ_COMMITTED,
                    Connection.TRANSACTION_SERIALIZABLE};
            case "supportsResultSetHoldability" -> new int[] {
                    ResultSet.HOLD_CURSORS_OVER_COMMIT, ResultSet.CLOSE_CURSORS_AT_COMMIT, ResultSet.HOLD_CURSORS_OVER_COMMIT, ResultSet.CLOSE_CURSORS_AT_COMMIT};
            case "supportsConvert" -> new int[] {Types.BIGINT, Types.VARCHAR, Types.TIMESTAMP, Types.ARRAY};
            case "getBestRowIdentifier" -> new int[] {
                    DatabaseMetaData.bestRowTemporary, DatabaseMetaData.bestRowTransaction, DatabaseMetaData.bestRowSession, DatabaseMetaData.bestRowSession};
            default -> new int[] {ResultSet.TYPE_FORWARD_ONLY, ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.TYPE_SCROLL_SENSITIVE, ResultSet.CONCUR_READ_ONLY};
        };
        if (method.getName().startsWith("supportsResultSetType")) numbers[3] = ResultSet.TYPE_FORWARD_ONLY;
        List<Object[]> lists = new ArrayList<>();
        for (int set = 0; set < texts.size(); set++) {
            Object[] arguments = new Object[types.length];
            for (int i = 0; i < types.length; i++) {
                if (types[i] == String.class) arguments[i] = texts.get(set).get(i % 3);
                else if (types[i] == int.class) arguments[i] = numbers[set];
                else if (types[i] == boolean.class) arguments[i] = set % 2 == 0;
                else if (types[i] == String[].class) arguments[i] = new String[][] {null, {"TABLE"}, {"VIEW"}, {}}[set];
                else if (types[i] == int[].class) arguments[i] = new int[][] {null, {Types.STRUCT}, {Types.DISTINCT}, {}}[set];
                else throw new AssertionError("no argument for " + method);
            }
            lists.add(arguments);
        }
        return lists;
    }

    static void readAll(Object returned) throws SQLException {
        if (!(returned instanceof ResultSet results)) return;
        int columns = results.getMetaData().getColumnCount();
        rows(results, row -> {
            for (int i = 1; i <= columns; i++) row.getObject(i);
            return null;
        });
    }

    /** Returns the tables of the account, with catalog and schema. */
    static List<String> tables(Connection connection) throws SQLException {
        List<String> tables = rows(connection.getMetaData().getTables("digitalocean", null, null, new String[] {"TABLE"}),
                row -> row.getString("TABLE_CAT") + "." + row.getString("TABLE_SCHEM") + "." + row.getString("TABLE_NAME"));
        that(tables.size() >= 7, tables);
        return tables;
    }

    /** Returns the names of a table's columns, with their types. */
    static List<String> columns(Connection connection, String table) throws SQLException {
        String[] names = table.split("\\.");
        return rows(connection.getMetaData().getColumns(names[0], names[1], names[2].replace("_", "\\_"), null),
                row -> row.getString("COLUMN_NAME") + " " + row.getInt("DATA_TYPE"));
    }

    /** Returns the same of a result. */
    static List<String> resultColumns(Connection connection, String table) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet results = statement.executeQuery("SELECT * FROM " + table + " LIMIT 1")) {
            that(results.next(), table + " has no rows"); // without a row this driver has each column twice
            ResultSetMetaData columns = results.getMetaData();
            List<String> found = new ArrayList<>();
            for (int i = 1; i <= columns.getColumnCount(); i++) found.add(columns.getColumnName(i) + " " + columns.getColumnType(i));
            return found;
        }
    }
}

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.flight.FlightRuntimeException;

/**
 * What the suites are written with. They extend this class, because Java cannot import the methods of a class that is in
 * no package.
 */
class Checks {
    interface Check {
        void run(Connection connection) throws Exception;
    }

    interface Act {
        void run() throws Exception;
    }

    interface RowReader<T> {
        T read(ResultSet row) throws SQLException;
    }

    static int failed = 0;

    static void check(Connection connection, String name, Check check) {
        check(name, () -> check.run(connection));
    }

    static void check(String name, Act check) {
        try {
            check.run();
            System.out.println("ok      " + name);
        } catch (Exception | AssertionError failure) {
            failed++;
            System.out.println("FAILED  " + name);
            failure.printStackTrace(System.out);
        }
    }

    static void that(boolean holds, Object found) {
        if (!holds) throw new AssertionError("found: " + found);
    }

    static void same(Object expected, Object found) {
        if (!Objects.equals(expected, found)) throw new AssertionError("expected " + expected + ", found " + found);
    }

    static <T> List<T> rows(ResultSet results, RowReader<T> reader) throws SQLException {
        try (results) {
            List<T> rows = new ArrayList<>();
            while (results.next()) rows.add(reader.read(results));
            return rows;
        }
    }

    static <T> List<T> ask(Connection connection, String sql, RowReader<T> reader) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return rows(statement.executeQuery(sql), reader);
        }
    }

    /** Returns the server's error message, which must be readable. */
    static String refused(Connection connection, String sql) {
        try {
            ask(connection, sql, row -> null);
        } catch (SQLException refused) {
            String message = String.valueOf(refused.getMessage());
            that(message.length() < 800, message);
            Pattern debug = Pattern.compile("Some\\(|Error\\(|SchemaError|Context\\(|\\w::\\w|\\\\n|Backtrace");
            that(!debug.matcher(message).find(), message);
            return message;
        }
        throw new AssertionError("not refused: " + sql);
    }

    /** Returns the message of the exception that the call must throw. */
    static String failure(Act act) throws Exception {
        return failure(SQLException.class, act);
    }

    /** Returns the message of the exception of this type that the call must throw. */
    static String failure(Class<? extends Exception> type, Act act) throws Exception {
        try {
            act.run();
        } catch (Exception failure) {
            if (!type.isInstance(failure)) throw failure;
            return String.valueOf(failure.getMessage());
        }
        throw new AssertionError("nothing failed");
    }

    /** Whether the exception is an answer of the server, or of the network. The driver's own exceptions are not. */
    static boolean isFromServer(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof FlightRuntimeException) return true;
        }
        return false;
    }

    /** Ends the program: with 1 if any check has failed. */
    static void exit() {
        System.out.println(failed == 0 ? "every check passed" : failed + " checks failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    static void stopAfterSeconds(int seconds) {
        Thread watch = new Thread(() -> {
            try {
                Thread.sleep(seconds * 1000L);
            } catch (InterruptedException woken) {
                return;
            }
            System.out.println("FAILED  not done after " + seconds + " seconds");
            Thread.getAllStackTraces().forEach((thread, frames) -> {
                if (thread.getName().equals("main")) Stream.of(frames).forEach(frame -> System.out.println("        at " + frame));
            });
            Runtime.getRuntime().halt(1);
        });
        watch.setDaemon(true);
        watch.start();
    }
}

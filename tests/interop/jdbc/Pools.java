import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.pool.HikariPool.PoolInitializationException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.arrow.driver.jdbc.ArrowFlightConnection;

/** Connections in a pool of HikariCP, and connections that are lost. */
class Pools extends Checks {
    static final int SIZE = 3;
    /** How many milliseconds a connection that must be lent may take: the machine may be slow. */
    static final long PATIENCE = 20_000;
    static final String COUNT = "SELECT count(*) FROM image_actions WHERE image_id = " + Jdbc.IMAGE;

    static void run(String url) {
        // Otherwise only connections that were idle for half a second are validated.
        System.setProperty("com.zaxxer.hikari.aliveBypassWindowMs", "-1");
        for (String test : new String[] {null, "SELECT 1"}) {
            check("a pool that validates by " + (test == null ? "isValid" : test), () -> {
                try (HikariDataSource pool = pool(url, test)) {
                    lendsToSeveral(pool);
                    lendsAgain(pool);
                    lendsAfterAnError(pool);
                }
            });
        }
        check("a pool that is closed closes its connections", () -> {
            HikariDataSource pool = pool(url, null);
            ArrowFlightConnection borrowed = pool.getConnection().unwrap(ArrowFlightConnection.class);
            ArrowFlightConnection returned = used(pool);
            that(borrowed != returned, "one connection for two borrowers");
            pool.close();
            that(returned.isClosed() && borrowed.isClosed(), "an open connection");
            that(failure(pool::getConnection).contains("closed"), "a connection");
        });
        check("what a borrower sets does not reach the next one", () -> {
            try (HikariDataSource pool = pool(url, null)) {
                for (int i = 0; i < SIZE; i++) {
                    try (Connection connection = pool.getConnection()) {
                        connection.setAutoCommit(false);
                        connection.setReadOnly(true);
                        connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
                        // This driver sends neither. One that does would have to set it back.
                        connection.setCatalog("oceanflight");
                        connection.setSchema("meta");
                        refused(connection, "SELECT method FROM methods");
                        connection.rollback();
                    }
                    try (Connection connection = pool.getConnection()) {
                        that(connection.getAutoCommit() && !connection.isReadOnly(), "not set back");
                        same(Connection.TRANSACTION_NONE, connection.getTransactionIsolation());
                        same((long) Jdbc.ACTIONS, count(connection));
                    }
                }
            }
        });
        check("a result that a borrower leaves open is closed with its connection", () -> {
            try (HikariDataSource pool = pool(url, null)) {
                Connection borrowed = pool.getConnection();
                ResultSet left = borrowed.createStatement().executeQuery("SELECT id FROM account.actions");
                that(left.next(), "no rows");
                borrowed.close();
                that(left.isClosed(), "an open result");
                for (int i = 0; i < SIZE; i++) used(pool);
            }
            // Without a pool the driver frees nothing.
            Connection connection = DriverManager.getConnection(url);
            that(connection.createStatement().executeQuery("SELECT id FROM account.actions").next(), "no rows");
            failure(connection::close);
        });
        check("a pool replaces connections that are lost", () -> {
            try (Relay relay = new Relay(url); HikariDataSource pool = pool(relay.url(), "SELECT 1")) {
                for (int i = 0; i < 3; i++) {
                    used(pool);
                    relay.cut();
                }
            }
        });
        check("a connection that is lost connects again", () -> {
            try (Relay relay = new Relay(url); Connection connection = DriverManager.getConnection(relay.url())) {
                that(answers(connection), "no answer");
                relay.cut();
                int failures = 0;
                while (!answers(connection)) {
                    that(++failures < 20, "20 failures");
                    Thread.sleep(50);
                }
            }
        });
        check("isValid asks the server nothing in this driver", () -> {
            Relay relay = new Relay(url);
            relay.close();
            try (Connection connection = DriverManager.getConnection(relay.url()); HikariDataSource pool = pool(relay.url(), null)) {
                that(connection.isValid(10), "right since this version");
                that(!answers(connection), "an answer of a server that is gone");
                try (Connection borrowed = pool.getConnection()) {
                    that(!answers(borrowed), "an answer of a server that is gone");
                }
            }
            failure(PoolInitializationException.class, () -> pool(relay.url(), "SELECT 1"));
        });
    }

    static HikariDataSource pool(String url, String test) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(url);
        config.setConnectionTestQuery(test);
        config.setMinimumIdle(0);
        config.setMaximumPoolSize(SIZE);
        config.setConnectionTimeout(PATIENCE);
        return new HikariDataSource(config);
    }

    /** All connections are used at once, and one more borrower waits until one is returned. */
    static void lendsToSeveral(HikariDataSource pool) throws Exception {
        List<Connection> borrowed = new ArrayList<>();
        Set<ArrowFlightConnection> different = new HashSet<>();
        for (int i = 0; i < SIZE; i++) {
            borrowed.add(pool.getConnection());
            different.add(borrowed.get(i).unwrap(ArrowFlightConnection.class));
        }
        same(SIZE, different.size());
        ExecutorService threads = Executors.newFixedThreadPool(SIZE);
        try {
            List<Future<Long>> counts = new ArrayList<>();
            for (Connection connection : borrowed) counts.add(threads.submit(() -> count(connection)));
            for (Future<Long> count : counts) same((long) Jdbc.ACTIONS, count.get());
            Future<Connection> waiting = threads.submit(() -> pool.getConnection());
            while (pool.getHikariPoolMXBean().getThreadsAwaitingConnection() == 0) {
                that(!waiting.isDone(), "one more borrower did not wait");
                Thread.sleep(10);
            }
            borrowed.remove(0).close();
            borrowed.add(waiting.get());
            that(different.contains(waiting.get().unwrap(ArrowFlightConnection.class)), "a connection too many");
        } finally {
            threads.shutdown();
        }
        for (Connection connection : borrowed) connection.close();
        same(0, pool.getHikariPoolMXBean().getActiveConnections());
        same(SIZE, pool.getHikariPoolMXBean().getIdleConnections());
    }

    static void lendsAgain(HikariDataSource pool) throws SQLException {
        Set<ArrowFlightConnection> different = new HashSet<>();
        for (int i = 0; i < 2 * SIZE; i++) different.add(used(pool));
        that(different.size() <= SIZE, different);
        same(SIZE, pool.getHikariPoolMXBean().getTotalConnections());
    }

    static void lendsAfterAnError(HikariDataSource pool) throws SQLException {
        for (int i = 0; i < SIZE; i++) {
            try (Connection connection = pool.getConnection()) {
                refused(connection, "SELEC id FROM images");
            }
        }
        used(pool);
        same(SIZE, pool.getHikariPoolMXBean().getTotalConnections());
    }

    /** Borrows a connection, runs a query, and returns the connection to the pool. */
    static ArrowFlightConnection used(HikariDataSource pool) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            same(List.of(1L), ask(connection, "SELECT 1", row -> row.getLong(1)));
            return connection.unwrap(ArrowFlightConnection.class);
        }
    }

    static long count(Connection connection) throws SQLException {
        return ask(connection, COUNT, row -> row.getLong(1)).get(0);
    }

    static boolean answers(Connection connection) {
        try (Statement statement = connection.createStatement(); ResultSet results = statement.executeQuery("SELECT 1")) {
            return results.next();
        } catch (SQLException failure) {
            return false;
        }
    }
}

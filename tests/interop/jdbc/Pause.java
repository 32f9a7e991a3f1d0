import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.DriverManager;
import java.util.Map;

/** Connections that are not used for a while: Pause URL SECONDS. */
class Pause extends Checks {
    public static void main(String[] arguments) throws Exception {
        String url = arguments[0];
        int pause = Integer.parseInt(arguments[1]);
        stopAfterSeconds(pause + 120);

        try (Connection connection = DriverManager.getConnection(url); HikariDataSource pool = Pools.pool(url, "SELECT 1")) {
            Map<String, Tour.Reader> readers = Tour.readers(connection, pool, url);
            for (Tour.Reader reader : readers.values()) same(1, reader.read(Jdbc.GET).size());
            Thread.sleep(pause * 1000L);
            readers.forEach((client, reader) -> check(client + ": a pause", () -> same(1, reader.read(Jdbc.GET).size())));
        }

        exit();
    }
}

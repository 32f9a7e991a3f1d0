import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;

public class Pool {
    public static void main(String[] arguments) throws Exception {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl("jdbc:arrow-flight-sql://127.0.0.1:50051/?useEncryption=false");
        // The driver's isValid does not ask the server.
        config.setConnectionTestQuery("SELECT 1");
        try (var pool = new HikariDataSource(config);
                var connection = pool.getConnection();
                var statement = connection.prepareStatement("SELECT count(*) FROM image_actions WHERE image_id = ?")) {
            statement.setLong(1, 62137902);
            try (var count = statement.executeQuery()) {
                count.next();
                System.out.println(count.getLong(1));
            }
        }
    }
}

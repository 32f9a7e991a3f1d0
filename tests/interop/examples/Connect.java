import java.sql.DriverManager;
import java.sql.Timestamp;
import java.time.Instant;

public class Connect {
    public static void main(String[] arguments) throws Exception {
        // With timeZone=UTC, setTimestamp sends the instant that it is given.
        String url = "jdbc:arrow-flight-sql://127.0.0.1:50051/?useEncryption=false&timeZone=UTC";
        String sql = "SELECT id, type, started_at FROM image_actions WHERE image_id = ? AND started_at < ? ORDER BY id";
        try (var connection = DriverManager.getConnection(url); var statement = connection.prepareStatement(sql)) {
            statement.setLong(1, 62137902);
            statement.setTimestamp(2, Timestamp.from(Instant.parse("2026-01-03T00:00:00Z")));
            try (var actions = statement.executeQuery()) {
                while (actions.next()) {
                    Instant started = actions.getObject(3, Instant.class);
                    System.out.println(actions.getLong(1) + " " + actions.getString(2) + " " + started);
                }
            }
        }
    }
}

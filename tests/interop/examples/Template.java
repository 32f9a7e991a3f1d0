import java.time.LocalDateTime;
import org.springframework.jdbc.core.DataClassRowMapper;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

public class Template {
    record Action(long id, String type, LocalDateTime startedAt) {}

    public static void main(String[] arguments) {
        // queryForList and queryForMap need timestamps=without_zone. The times are in UTC.
        String url = "jdbc:arrow-flight-sql://127.0.0.1:50051/?useEncryption=false&timestamps=without_zone";
        JdbcTemplate template = new JdbcTemplate(new DriverManagerDataSource(url));

        System.out.println(template.queryForMap("SELECT * FROM images WHERE id = ?", 62137902).get("name"));
        String sql = "SELECT id, type, started_at FROM image_actions WHERE image_id = ? ORDER BY id LIMIT 2";
        template.query(sql, new DataClassRowMapper<>(Action.class), 62137902).forEach(System.out::println);
    }
}

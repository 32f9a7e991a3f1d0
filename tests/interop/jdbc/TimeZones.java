import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.zone.ZoneOffsetTransition;
import java.util.ArrayList;
import java.util.Calendar;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TimeZone;
import java.util.stream.Collectors;

/**
 * Which accessors return the instant that the server has sent, and which setters send the instant that was set, in JVMs
 * of several time zones: {@code java -Duser.timezone=ZONE -cp CLASSES:JARS TimeZones URL}. A JVM for each zone, because
 * the driver keeps the one in which it has bound its first parameter.
 *
 * <p>Accessors of {@code java.time} are exact in every zone. {@code java.sql.Timestamp} is exact in UTC only: the driver
 * takes the time on UTC's clock for one on the JVM's clock. Setters are exact with a calendar of UTC.
 *
 * <p>The zones that `run` starts: whole and half hours on both sides of UTC, with and without summer time.
 */
class TimeZones extends Checks {
    static final List<Instant> ALL = instants(
            // No zone changes its offset within days of these.
            "2024-01-15T12:00:00Z", "2024-07-15T12:00:00.123Z",
            // New York's clock skips 2:00 to 3:00. UTC's clock shows 2:30; then the minute before, and the one after.
            "2024-03-10T02:30:00Z", "2024-03-10T06:59:00Z", "2024-03-10T07:01:00Z",
            // It shows 1:30 twice.
            "2024-11-03T01:30:00Z", "2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z",
            // The same of Berlin, whose clock skips 2:00 to 3:00, and shows 2:30 twice.
            "2024-03-31T02:30:00Z", "2024-03-31T00:59:00Z", "2024-03-31T01:01:00Z",
            "2024-10-27T02:30:00Z", "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z",
            "1969-12-31T23:59:59.5Z");

    /** What came of an instant: the difference in offsets of the JVM's zone, or that the call throws. */
    enum Outcome { EXACT, ONE_OFFSET, TWO_OFFSETS, THROWS }

    /** How a value is read, what comes of it in a session with zones, and in one without. */
    record Accessor(String name, RowReader<Object> reader, Outcome withZone, Outcome withoutZone) {}

    static final List<Accessor> ACCESSORS = List.of(
            new Accessor("getObject(int, Instant)", row -> row.getObject(1, Instant.class), Outcome.EXACT, Outcome.THROWS),
            new Accessor("getObject(int, OffsetDateTime)", row -> row.getObject(1, OffsetDateTime.class), Outcome.EXACT, Outcome.THROWS),
            new Accessor("getObject(int, ZonedDateTime)", row -> row.getObject(1, ZonedDateTime.class), Outcome.EXACT, Outcome.THROWS),
            // The time on UTC's clock.
            new Accessor("getObject(int, LocalDateTime)", row -> row.getObject(1, LocalDateTime.class), Outcome.EXACT, Outcome.EXACT),
            new Accessor("getObject(int, Timestamp)", row -> row.getObject(1, Timestamp.class), Outcome.ONE_OFFSET, Outcome.ONE_OFFSET),
            new Accessor("getObject(String)", row -> row.getObject("t"), Outcome.ONE_OFFSET, Outcome.ONE_OFFSET),
            new Accessor("getTimestamp(int, UTC)", row -> row.getTimestamp(1, utc()), Outcome.ONE_OFFSET, Outcome.ONE_OFFSET),
            new Accessor("getTimestamp(int, null)", row -> row.getTimestamp(1, null), Outcome.ONE_OFFSET, Outcome.ONE_OFFSET),
            // The driver subtracts the offset once more, where it should have added it.
            new Accessor("getTimestamp(int)", row -> row.getTimestamp(1), Outcome.TWO_OFFSETS, Outcome.TWO_OFFSETS),
            new Accessor("getTimestamp(String)", row -> row.getTimestamp("t"), Outcome.TWO_OFFSETS, Outcome.TWO_OFFSETS),
            // "not implemented": the driver's getObject(int) has no case for a timestamp with a zone. Spring reads so.
            new Accessor("getObject(int)", row -> row.getObject(1), Outcome.THROWS, Outcome.TWO_OFFSETS),
            new Accessor("getObject(int, String)", row -> row.getObject(1, String.class), Outcome.THROWS, Outcome.THROWS),
            new Accessor("getLong(int)", row -> row.getLong(1), Outcome.THROWS, Outcome.THROWS));

    interface Binder {
        void bind(PreparedStatement statement, int parameter, Instant instant) throws SQLException;
    }

    /** How an instant is set, and what comes of it in any session. */
    record Setter(String name, Binder binder, Outcome outcome) {}

    static final List<Setter> SETTERS = List.of(
            new Setter("setTimestamp(int, Timestamp, UTC)", (s, at, i) -> s.setTimestamp(at, Timestamp.from(i), utc()), Outcome.EXACT),
            new Setter("setTimestamp(int, Timestamp, null)", (s, at, i) -> s.setTimestamp(at, Timestamp.from(i), null), Outcome.EXACT),
            // Milliseconds since 1970.
            new Setter("setLong", (s, at, i) -> s.setLong(at, i.toEpochMilli()), Outcome.EXACT),
            new Setter("setTimestamp(int, Timestamp)", (s, at, i) -> s.setTimestamp(at, Timestamp.from(i)), Outcome.ONE_OFFSET),
            new Setter("setObject(int, Timestamp)", (s, at, i) -> s.setObject(at, Timestamp.from(i)), Outcome.ONE_OFFSET),
            new Setter("setObject(int, java.util.Date)", (s, at, i) -> s.setObject(at, java.util.Date.from(i)), Outcome.ONE_OFFSET),
            // The driver sends no java.time, and a Timestamp only without a type.
            new Setter("setObject(int, Instant)", (s, at, i) -> s.setObject(at, i), Outcome.THROWS),
            new Setter("setObject(int, OffsetDateTime)", (s, at, i) -> s.setObject(at, i.atOffset(ZoneOffset.UTC)), Outcome.THROWS),
            new Setter("setObject(int, ZonedDateTime)", (s, at, i) -> s.setObject(at, i.atZone(ZoneId.systemDefault())), Outcome.THROWS),
            new Setter("setObject(int, LocalDateTime)", (s, at, i) -> s.setObject(at, onUtcsClock(i)), Outcome.THROWS),
            new Setter("setObject(int, Timestamp, TIMESTAMP)", (s, at, i) -> s.setObject(at, Timestamp.from(i), Types.TIMESTAMP), Outcome.THROWS),
            new Setter("setObject(int, Instant, TIMESTAMP_WITH_TIMEZONE)",
                    (s, at, i) -> s.setObject(at, i, Types.TIMESTAMP_WITH_TIMEZONE), Outcome.THROWS),
            new Setter("setString", (s, at, i) -> s.setString(at, i.toString()), Outcome.THROWS));

    public static void main(String[] arguments) {
        stopAfterSeconds(300);
        String url = arguments[0];
        String inZone = " in a JVM of " + TimeZone.getDefault().getID();
        for (String timestamps : List.of("with_zone", "without_zone")) {
            check("timestamps " + timestamps + inZone, () -> {
                try (Connection connection = DriverManager.getConnection(url + "&timestamps=" + timestamps)) {
                    reads(connection, timestamps.equals("with_zone"));
                }
            });
        }
        check("timestamps as parameters" + inZone, () -> {
            try (Connection connection = DriverManager.getConnection(url)) {
                for (String type : List.of("TIMESTAMPTZ", "TIMESTAMP")) sends(connection, type);
            }
        });
        check("a parameter of the type of a column" + inZone, () -> {
            try (Connection connection = DriverManager.getConnection(url)) {
                compares(connection);
            }
        });
        check("the driver's option timeZone=UTC" + inZone, () -> {
            try (Connection connection = DriverManager.getConnection(url + "&timeZone=UTC")) {
                withCalendarOfUtc(connection);
            }
        });
        check("timestamps AT TIME ZONE of the JVM" + inZone, () -> {
            try (Connection connection = DriverManager.getConnection(url)) {
                atTimeZone(connection);
            }
        });
        check("days and times" + inZone, () -> {
            try (Connection connection = DriverManager.getConnection(url)) {
                daysAndTimes(connection);
            }
        });
        exit();
    }

    static void reads(Connection connection, boolean withZone) throws SQLException {
        List<String> wrong = new ArrayList<>();
        List<Instant> sent = new ArrayList<>(ALL);
        ask(connection, literals("TIMESTAMPTZ '%s'"), row -> {
            Instant instant = sent.remove(0);
            for (Accessor accessor : ACCESSORS) {
                Outcome expected = withZone ? accessor.withZone : accessor.withoutZone;
                String found = read(accessor.reader, row, instant);
                if (!outcomes(instant, found).contains(expected)) wrong.add(accessor.name + " of " + instant + ": " + found);
            }
            // The text is UTC's time, without a zone; in the hour that the JVM's clock skips, it is an hour more.
            String text = Timestamp.valueOf(onUtcsClock(instant)).toString();
            if (!text.equals(row.getString(1))) wrong.add("getString of " + instant + ": " + row.getString(1));
            return null;
        });
        that(sent.isEmpty(), sent);
        that(wrong.isEmpty(), String.join("\n        ", wrong));

        String sql = "SELECT started_at, CAST(date_part('epoch', started_at) AS BIGINT) AS seconds FROM image_actions"
                + " WHERE image_id = " + Jdbc.IMAGE + " LIMIT 20";
        ask(connection, sql, row -> {
            Instant instant = Instant.ofEpochSecond(row.getLong("seconds"));
            same(onUtcsClock(instant), row.getObject("started_at", LocalDateTime.class));
            if (withZone) same(instant, row.getObject("started_at", Instant.class));
            return null;
        });
    }

    static void sends(Connection connection, String type) throws SQLException {
        String sql = "SELECT " + String.join(", ", Collections.nCopies(ALL.size(), "CAST(CAST(? AS " + type + ") AS VARCHAR)"));
        List<String> wrong = new ArrayList<>();
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (Setter setter : SETTERS) {
                List<Instant> received = received(statement, setter.binder);
                if (received == null) {
                    if (setter.outcome != Outcome.THROWS) wrong.add(setter.name + " throws");
                    continue;
                }
                for (int i = 0; i < ALL.size(); i++) {
                    Instant expected = switch (setter.outcome) {
                        case EXACT -> ALL.get(i);
                        case ONE_OFFSET -> ALL.get(i).plus(offset(ALL.get(i)));
                        default -> null;
                    };
                    if (!received.get(i).equals(expected)) wrong.add(setter.name + " of " + ALL.get(i) + ": " + received.get(i));
                }
            }
        }
        that(wrong.isEmpty(), type + "\n        " + String.join("\n        ", wrong));
    }

    static void compares(Connection connection) throws SQLException {
        String sql = "SELECT id FROM image_actions WHERE image_id = " + Jdbc.IMAGE + " AND action_id = " + Jdbc.ACTION;
        Instant started = ask(connection, sql.replace("SELECT id", "SELECT started_at"), row -> row.getObject(1, Instant.class)).get(0);
        try (PreparedStatement statement = connection.prepareStatement(sql + " AND started_at = ?")) {
            same(Types.TIMESTAMP_WITH_TIMEZONE, statement.getParameterMetaData().getParameterType(1));
            // The driver writes milliseconds in whichever unit it is told, so the server has to ask for milliseconds.
            same("Timestamp(MILLISECOND, UTC)", statement.getParameterMetaData().getParameterTypeName(1));
            statement.setTimestamp(1, Timestamp.from(started), utc());
            same(List.of(Jdbc.ACTION), Jdbc.ids(statement));
            statement.setTimestamp(1, Timestamp.from(started.plusMillis(1)), utc());
            same(List.of(), Jdbc.ids(statement));
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT CAST(CAST(? AS TIMESTAMPTZ) AS VARCHAR)")) {
            statement.setTimestamp(1, Timestamp.from(Instant.parse("2024-01-15T12:00:00.123456789Z")), utc());
            same(List.of("2024-01-15T12:00:00.123Z"), rows(statement.executeQuery(), row -> row.getString(1)));
        }
    }

    /** With this option, what has no calendar of its own has UTC's: setTimestamp is exact, and setDate is not. */
    static void withCalendarOfUtc(Connection connection) throws SQLException {
        String sql = "SELECT " + String.join(", ", Collections.nCopies(ALL.size(), "CAST(CAST(? AS TIMESTAMPTZ) AS VARCHAR)"));
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            same(ALL, received(statement, (s, at, instant) -> s.setTimestamp(at, Timestamp.from(instant))));
            same(ALL, received(statement, (s, at, instant) -> s.setObject(at, Timestamp.from(instant))));
        }
        // A Date is the midnight at which its day begins on the JVM's clock, and what is sent is UTC's day of this moment.
        Date date = Date.valueOf("2024-07-03");
        LocalDate day = LocalDate.ofInstant(Instant.ofEpochMilli(date.getTime()), ZoneOffset.UTC);
        try (PreparedStatement statement = connection.prepareStatement("SELECT CAST(CAST(? AS DATE) AS VARCHAR)")) {
            statement.setDate(1, date);
            same(List.of(day.toString()), rows(statement.executeQuery(), row -> row.getString(1)));
        }
        List<LocalDateTime> expected = ALL.stream().map(instant -> Timestamp.valueOf(onUtcsClock(instant)).toLocalDateTime()).toList();
        same(expected, ask(connection, literals("TIMESTAMPTZ '%s'"), row -> row.getTimestamp(1).toLocalDateTime()));
    }

    /** A way to read java.sql.Timestamp in other zones: exact, except in the hour that the clock shows twice. */
    static void atTimeZone(Connection connection) throws SQLException {
        String zone = TimeZone.getDefault().getID();
        List<Instant> sent = new ArrayList<>(ALL);
        ask(connection, literals("TIMESTAMPTZ '%s' AT TIME ZONE '" + zone + "'"), row -> {
            Instant instant = sent.remove(0);
            boolean once = ZoneId.systemDefault().getRules().getValidOffsets(LocalDateTime.ofInstant(instant, ZoneId.systemDefault())).size() == 1;
            if (once) {
                same(instant, row.getTimestamp(1).toInstant());
                same(instant, ((Timestamp) row.getObject("t")).toInstant());
                same(instant, row.getObject(1, Instant.class));
            }
            return null;
        });
    }

    static void daysAndTimes(Connection connection) throws Exception {
        LocalDate day = LocalDate.of(2024, 7, 3);
        ask(connection, "SELECT DATE '" + day + "'", row -> {
            same(day, row.getDate(1).toLocalDate());
            same(day, ((Date) row.getObject(1)).toLocalDate());
            same(day, row.getObject(1, LocalDate.class));
            same(day.toString(), row.getString(1));
            return null;
        });
        LocalTime time = LocalTime.of(1, 2, 3);
        // The driver takes a time for a moment of the first of January 1970 in UTC, and shows it on the JVM's clock.
        LocalTime shifted = LocalDateTime.ofInstant(time.atDate(LocalDate.EPOCH).toInstant(ZoneOffset.UTC), ZoneId.systemDefault()).toLocalTime();
        ask(connection, "SELECT TIME '" + time + "'", row -> {
            same(shifted, row.getTime(1).toLocalTime());
            same(shifted, row.getObject(1, LocalTime.class));
            same(shifted.toString(), row.getString(1));
            return null;
        });
        try (PreparedStatement statement = connection.prepareStatement("SELECT CAST(CAST(? AS DATE) AS VARCHAR), CAST(CAST(? AS TIME) AS VARCHAR)")) {
            statement.setDate(1, Date.valueOf(day));
            statement.setTime(2, Time.valueOf(time));
            same(List.of(day + " " + time), rows(statement.executeQuery(), row -> row.getString(1) + " " + row.getString(2)));
            failure(() -> {
                statement.setObject(1, day);
                statement.executeQuery();
            });
        }
    }

    /** Returns the instants that the server has received, or null if the driver does not send them. */
    static List<Instant> received(PreparedStatement statement, Binder binder) throws SQLException {
        try {
            for (int i = 0; i < ALL.size(); i++) binder.bind(statement, i + 1, ALL.get(i));
            List<Instant> received = new ArrayList<>();
            try (ResultSet results = statement.executeQuery()) {
                that(results.next(), "no row");
                for (int i = 1; i <= ALL.size(); i++) received.add(instant(results.getString(i)));
            }
            return received;
        } catch (SQLException | RuntimeException failure) {
            that(!isFromServer(failure), failure);
            return null;
        }
    }

    /** Returns "throws", or the difference of the value read to the instant. */
    static String read(RowReader<Object> reader, ResultSet row, Instant instant) {
        try {
            return Duration.between(instant, instant(reader.read(row))).toString();
        } catch (SQLException | RuntimeException failure) {
            that(!isFromServer(failure), failure);
            return "throws";
        }
    }

    /** Returns the outcomes that a difference may be. In UTC all are the same. */
    static List<Outcome> outcomes(Instant instant, String found) {
        if (found.equals("throws")) return List.of(Outcome.THROWS);
        List<Outcome> outcomes = new ArrayList<>();
        Instant once = Timestamp.valueOf(onUtcsClock(instant)).toInstant();
        if (found.equals("PT0S")) outcomes.add(Outcome.EXACT);
        if (found.equals(Duration.between(instant, once).toString())) outcomes.add(Outcome.ONE_OFFSET);
        // Near a change of the offset the two that are subtracted may differ.
        for (Duration one : offsetsNear(instant)) {
            for (Duration other : offsetsNear(instant)) {
                if (found.equals(one.plus(other).negated().toString())) outcomes.add(Outcome.TWO_OFFSETS);
            }
        }
        return outcomes;
    }

    /** The offsets that the JVM's zone has within two days of an instant. */
    static Set<Duration> offsetsNear(Instant instant) {
        Set<Duration> offsets = new HashSet<>(Set.of(offset(instant)));
        ZoneOffsetTransition change = ZoneId.systemDefault().getRules().previousTransition(instant.plus(Duration.ofDays(2)));
        if (change != null && change.getInstant().isAfter(instant.minus(Duration.ofDays(2)))) {
            offsets.add(Duration.ofSeconds(change.getOffsetBefore().getTotalSeconds()));
            offsets.add(Duration.ofSeconds(change.getOffsetAfter().getTotalSeconds()));
        }
        return offsets;
    }

    static Instant instant(Object value) {
        if (value instanceof Instant instant) return instant;
        if (value instanceof OffsetDateTime time) return time.toInstant();
        if (value instanceof ZonedDateTime time) return time.toInstant();
        if (value instanceof LocalDateTime time) return time.toInstant(ZoneOffset.UTC);
        if (value instanceof Timestamp time) return time.toInstant();
        if (value instanceof String text && text.endsWith("Z")) return Instant.parse(text);
        if (value instanceof String text) return LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
        throw new AssertionError("found: " + value);
    }

    /** The offset of the JVM's zone. */
    static Duration offset(Instant instant) {
        return Duration.ofSeconds(ZoneId.systemDefault().getRules().getOffset(instant).getTotalSeconds());
    }

    static LocalDateTime onUtcsClock(Instant instant) {
        return LocalDateTime.ofInstant(instant, ZoneOffset.UTC);
    }

    static Calendar utc() {
        return Calendar.getInstance(TimeZone.getTimeZone("UTC"));
    }

    /** Returns a statement with a row for each instant. */
    static String literals(String literal) {
        List<String> rows = new ArrayList<>();
        for (int i = 0; i < ALL.size(); i++) rows.add("(" + i + ", " + literal.formatted(ALL.get(i)) + ")");
        return rows.stream().collect(Collectors.joining(", ", "SELECT t FROM (VALUES ", ") v (n, t) ORDER BY n"));
    }

    static List<Instant> instants(String... texts) {
        return List.of(texts).stream().map(Instant::parse).toList();
    }
}

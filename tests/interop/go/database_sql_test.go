package interop

import (
	"database/sql"
	"testing"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-adbc/go/adbc/sqldriver"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
)

// openSql opens the server with Go's database/sql, over ADBC's driver.
func openSql(t *testing.T) *sql.DB {
	t.Helper()
	connector, err := sqldriver.Driver{Driver: driver.NewDriver(memory.DefaultAllocator)}.OpenConnector("uri=" + server)
	require.NoError(t, err)
	database := sql.OpenDB(connector)
	t.Cleanup(func() { require.NoError(t, database.Close()) })
	return database
}

func TestDatabaseSqlScansValues(t *testing.T) {
	query := "SELECT id, status, started_at, completed_at FROM image_actions WHERE image_id = 62137902"
	rows, err := openSql(t).QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()

	found, ended := 0, 0
	for rows.Next() {
		var (
			id        int64
			status    string
			started   time.Time
			completed sql.NullTime
		)
		require.NoError(t, rows.Scan(&id, &status, &started, &completed))
		require.WithinRange(t, started, time.Unix(0, 0), time.Now(), id)
		require.False(t, status == "in-progress" && completed.Valid, id)
		if completed.Valid {
			ended++
		}
		found++
	}
	require.NoError(t, rows.Err())
	require.Equal(t, actionCount, found)
	require.NotZero(t, ended)
}

func TestDatabaseSqlBindsValues(t *testing.T) {
	database := openSql(t)
	for id, expected := range map[int64]int{image: actionCount, 7: 0} {
		// The driver binds values only to a statement that is prepared, and closes it with its first result.
		query := "SELECT count(*) FROM image_actions WHERE image_id = ? AND type <> ?"
		statement, err := database.PrepareContext(t.Context(), query)
		require.NoError(t, err)
		defer statement.Close()

		var count int
		require.NoError(t, statement.QueryRowContext(t.Context(), id, "nothing").Scan(&count))
		require.Equal(t, expected, count)
	}
}

func TestDatabaseSqlReturnsTheServersError(t *testing.T) {
	_, err := openSql(t).QueryContext(t.Context(), "SELECT statuss FROM image_actions")

	require.Contains(t, refusal(t, err, adbc.StatusInvalidArgument).Msg, "did you mean `status`?")
}

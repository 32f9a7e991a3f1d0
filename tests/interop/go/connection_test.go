package interop

import (
	"maps"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
)

type options map[string]string

// connect opens a connection without options, as most clients do.
func connect(t *testing.T) adbc.Connection { return connectWith(t, nil) }

func connectWith(t *testing.T, more options) adbc.Connection {
	all := options{adbc.OptionKeyURI: server}
	maps.Copy(all, more)
	database, err := driver.NewDriver(memory.DefaultAllocator).NewDatabase(all)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, database.Close()) })
	connection, err := database.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connection.Close()) })
	return connection
}

// setOption sets an option of an open connection.
func setOption(connection adbc.Connection, key, value string) error {
	return connection.(adbc.PostInitOptions).SetOption(key, value)
}

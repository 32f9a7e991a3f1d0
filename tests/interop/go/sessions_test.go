package interop

import (
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"
)

func TestAConnectionNeedsNoCredentialsAndAcceptsAll(t *testing.T) {
	for name, with := range map[string]options{
		"none":              nil,
		"a user":            {adbc.OptionKeyUsername: "user", adbc.OptionKeyPassword: "password"},
		"an empty password": {adbc.OptionKeyUsername: "user", adbc.OptionKeyPassword: ""},
		"a token":           {driver.OptionAuthorizationHeader: "Bearer token"},
		"cookies":           {driver.OptionCookieMiddleware: adbc.OptionValueEnabled},
		"a user, cookies": {
			adbc.OptionKeyUsername: "user", adbc.OptionKeyPassword: "password",
			driver.OptionCookieMiddleware: adbc.OptionValueEnabled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, action, ask(t, connectWith(t, with), getExample).rows[0]["id"])
		})
	}
}

// currentSchema asks the server.
func currentSchema(t *testing.T, connection adbc.Connection) string {
	t.Helper()
	schema, err := connection.(adbc.GetSetOptions).GetOption(adbc.OptionKeyCurrentDbSchema)
	require.NoError(t, err)
	return schema
}

func TestTheCurrentSchemaIsSetForOneConnection(t *testing.T) {
	for name, with := range map[string]options{
		"by its connection": nil,
		"by a cookie":       {driver.OptionCookieMiddleware: adbc.OptionValueEnabled},
		"by a token":        {adbc.OptionKeyUsername: "user", adbc.OptionKeyPassword: "password"},
	} {
		t.Run(name, func(t *testing.T) {
			connection, other := connectWith(t, with), connectWith(t, with)
			require.NoError(t, setOption(connection, adbc.OptionKeyCurrentDbSchema, "account"))

			require.Equal(t, "account", currentSchema(t, connection))
			require.NotEmpty(t, ask(t, connection, "SELECT id FROM actions LIMIT 1").rows)
			require.Equal(t, "compute", currentSchema(t, other))
		})
	}
}

func TestOptionsCanBeHeaders(t *testing.T) {
	connection := connectWith(t, options{
		driver.OptionRPCCallHeaderPrefix + "schema":     "account",
		driver.OptionRPCCallHeaderPrefix + "timestamps": "without_zone",
	})
	found := ask(t, connection, "SELECT started_at FROM actions LIMIT 1")

	require.Equal(t, "account", currentSchema(t, connection))
	require.Empty(t, found.schema.Field(0).Type.(*arrow.TimestampType).TimeZone)
}

func TestAWrongOptionIsRejected(t *testing.T) {
	connection := connect(t)
	for key, value := range map[string]string{
		adbc.OptionKeyCurrentCatalog:                       "nothing",
		driver.OptionSessionOptionPrefix + "query_timeout": "soon",
		driver.OptionSessionOptionPrefix + "max_requests":  "many",
		driver.OptionSessionOptionPrefix + "timestamps":    "unix",
	} {
		wrong := setOption(connection, key, value)
		require.Contains(t, refusal(t, wrong, adbc.StatusInvalidArgument).Msg, "invalid value", key)
	}
	unknown := setOption(connection, driver.OptionSessionOptionPrefix+"nothing", "1")
	require.Contains(t, refusal(t, unknown, adbc.StatusInvalidArgument).Msg, "invalid name")

	header := connectWith(t, options{driver.OptionRPCCallHeaderPrefix + "catalog": "nothing"})
	_, err := try(t.Context(), header, "SELECT 1")
	require.Contains(t, refusal(t, err, adbc.StatusInvalidArgument).Msg, "`nothing`")
}

func TestTheLimitsOfASessionAreKept(t *testing.T) {
	connection := connect(t)

	require.NoError(t, setOption(connection, driver.OptionSessionOptionPrefix+"max_requests", "0"))
	_, err := try(t.Context(), connection, listExample)
	// ADBC has no code for RESOURCE_EXHAUSTED.
	require.Contains(t, refusal(t, err, adbc.StatusInternal).Msg, "ResourceExhausted")

	require.NoError(t, setOption(connection, driver.OptionSessionOptionPrefix+"query_timeout", "300ms"))
	_, err = try(t.Context(), connection, endless)
	require.Contains(t, refusal(t, err, adbc.StatusTimeout).Msg, "300ms")
}

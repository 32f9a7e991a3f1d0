package interop

import (
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql/schema_ref"
	"github.com/stretchr/testify/require"
)

func tableRef(name string) flightsql.TableRef { return flightsql.TableRef{Table: name} }

func TestPrimaryKeys(t *testing.T) {
	client := wireClient(t)
	for name, key := range map[string][]any{"images": {"id"}, "image_actions": {"image_id", "id"}, "regions": {"slug"}} {
		info, err := client.GetPrimaryKeys(t.Context(), tableRef(name))
		found := readInfo(t, client, info, err)

		require.Equal(t, key, found.column("column_name"), name)
		// Not their order: the server has that of FlightSql.proto, and Arrow's Go has another,
		// https://github.com/apache/arrow-java/issues/43
		require.ElementsMatch(t, schema_ref.PrimaryKeys.Fields(), found.schema.Fields())
	}
}

func TestForeignKeys(t *testing.T) {
	client := wireClient(t)

	info, err := client.GetImportedKeys(t.Context(), tableRef("image_actions"))
	imported := readInfo(t, client, info, err)
	info, err = client.GetExportedKeys(t.Context(), tableRef("images"))
	exported := readInfo(t, client, info, err)
	info, err = client.GetCrossReference(t.Context(), tableRef("images"), tableRef("image_actions"))
	crossed := readInfo(t, client, info, err)

	for _, found := range []result{imported, exported, crossed} {
		require.NotEmpty(t, found.rows)
		require.True(t, schema_ref.CrossReference.Equal(found.schema), found.schema)
	}
	require.Contains(t, crossed.column("fk_column_name"), "image_id")
	for _, key := range crossed.rows {
		require.Equal(t, "images", key["pk_table_name"])
		require.Equal(t, "image_actions", key["fk_table_name"])
		require.Contains(t, imported.rows, key)
		require.Contains(t, exported.rows, key)
	}
}

// ADBC's driver does not ask for keys: GetObjects has an empty list of constraints for each table, whatever the server
// would return. If this fails, the driver has learned to ask.
func TestGetObjectsHasNoKeys(t *testing.T) {
	tables := compute(objects(t, adbc.ObjectDepthAll, filters{}))["db_schema_tables"]

	require.Equal(t, []any{}, named(tables, "table_name", "images")["table_constraints"])
}

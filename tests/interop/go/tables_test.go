package interop

import (
	"errors"
	"fmt"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"
)

// A preview of every table that is listed, as a database browser makes it.
func TestEachTableCanBePreviewed(t *testing.T) {
	connection := connect(t)
	for _, catalog := range objects(t, adbc.ObjectDepthTables, filters{}) {
		for _, schema := range catalog["catalog_db_schemas"].([]any) {
			for _, table := range schema.(row)["db_schema_tables"].([]any) {
				catalogName := catalog["catalog_name"].(string)
				schemaName := schema.(row)["db_schema_name"].(string)
				tableName := table.(row)["table_name"].(string)
				name := fmt.Sprintf("%q.%q.%q", catalogName, schemaName, tableName)

				t.Run(name, func(t *testing.T) {
					found := ask(t, connection, "SELECT * FROM "+name+" LIMIT 5")
					require.LessOrEqual(t, len(found.rows), 5)

					described, err := connection.GetTableSchema(t.Context(), &catalogName, &schemaName, tableName)
					require.NoError(t, err)
					require.Equal(t, typesOf(described), typesOf(found.schema))
				})
			}
		}
	}
}

// typesOf returns each column's name and type. All columns of a result can be NULL, and those of a table as declared.
func typesOf(schema *arrow.Schema) []string {
	types := []string{}
	for _, field := range schema.Fields() {
		types = append(types, field.Name+" "+field.Type.String())
	}
	return types
}

func TestATablesSchemaSaysWhichColumnsCanBeNull(t *testing.T) {
	schema, err := connect(t).GetTableSchema(t.Context(), nil, nil, "image_actions")
	require.NoError(t, err)

	required := []string{}
	for _, field := range schema.Fields() {
		if !field.Nullable {
			required = append(required, field.Name)
		}
	}
	require.Equal(t, columnNames, namesOf(schema))
	require.Equal(t, []string{"id", "image_id", "action_id"}, required)
}

func TestTheSchemaOfNoTableIsNotFound(t *testing.T) {
	_, err := connect(t).GetTableSchema(t.Context(), nil, nil, "no_such_table")

	var refused adbc.Error
	require.True(t, errors.As(err, &refused), err)
	require.Equal(t, adbc.StatusNotFound, refused.Code)
}

package interop

import (
	"testing"

	"github.com/apache/arrow-adbc/go/adbc/validation"
	"github.com/stretchr/testify/suite"
)

// ADBC's suite, in which quirks_test.go declares what the server has.
func TestValidation(t *testing.T) {
	quirks := &quirks{info: sqlInfo(t)}

	t.Run("database", func(t *testing.T) { suite.Run(t, &validation.DatabaseTests{Quirks: quirks}) })
	t.Run("connection", func(t *testing.T) {
		suite.Run(t, &connectionTests{validation.ConnectionTests{Quirks: quirks}})
	})
	t.Run("statement", func(t *testing.T) { suite.Run(t, &validation.StatementTests{Quirks: quirks}) })
}

// connectionTests skips the two tests of ADBC's suite that create a table, which no quirk turns off.
type connectionTests struct{ validation.ConnectionTests }

func (c *connectionTests) TestMetadataGetTableSchema() {
	c.T().Skip(errNoTables.Error() + ": tables_test.go checks the schemas of the tables that there are")
}

func (c *connectionTests) TestMetadataGetObjectsColumns() {
	c.T().Skip(errNoTables.Error() + ": objects_test.go has its cases for a table that there is")
}

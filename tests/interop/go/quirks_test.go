package interop

import (
	"errors"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// errNoTables is returned to tests that create a table.
var errNoTables = errors.New("the server has no CREATE TABLE, INSERT or DROP TABLE")

// quirks describes the server to ADBC's validation suite.
type quirks struct {
	t         *testing.T
	allocator *memory.CheckedAllocator
	// What the server says of itself in SqlInfo, read without ADBC.
	info map[flightsql.SqlInfo]any
}

func (q *quirks) SetupDriver(t *testing.T) adbc.Driver {
	q.t = t
	q.allocator = memory.NewCheckedAllocator(memory.DefaultAllocator)
	return driver.NewDriver(q.allocator)
}

func (q *quirks) TearDownDriver(t *testing.T, _ adbc.Driver) {
	// A stream that the server leaves open would hold memory.
	q.allocator.AssertSize(t, 0)
}

func (q *quirks) DatabaseOptions() map[string]string {
	return map[string]string{adbc.OptionKeyURI: server}
}
func (q *quirks) Alloc() memory.Allocator  { return q.allocator }
func (q *quirks) Catalog() string          { return "digitalocean" }
func (q *quirks) DBSchema() string         { return "compute" }
func (q *quirks) BindParameter(int) string { return "?" }

func (q *quirks) SupportsConcurrentStatements() bool    { return true }
func (q *quirks) SupportsCurrentCatalogSchema() bool    { return true }
func (q *quirks) SupportsExecuteSchema() bool           { return true }
func (q *quirks) SupportsGetParameterSchema() bool      { return true }
func (q *quirks) SupportsDynamicParameterBinding() bool { return true }

// The driver has options and partitions: the server only needs to return a ticket that another connection can read.
func (q *quirks) SupportsGetSetOptions() bool   { return true }
func (q *quirks) SupportsPartitionedData() bool { return true }

// ADBC's tests skip without a reason, so that it is logged here.

func (q *quirks) SupportsTransactions() bool {
	return q.lacks("DigitalOcean's API has no transactions: an EXEC starts its action at once")
}

func (q *quirks) SupportsBulkIngest(string) bool {
	return q.lacks("the API's lists take no rows: the only statement that writes is EXEC")
}

func (q *quirks) SupportsErrorIngestIncompatibleSchema() bool {
	return q.lacks("without bulk ingest, no schema can be wrong")
}

func (q *quirks) SupportsStatistics() bool {
	return q.lacks("Flight SQL has no call for statistics, so that the driver cannot ask for them")
}

func (q *quirks) lacks(reason string) bool {
	q.t.Helper()
	q.t.Log("not supported:", reason)
	return false
}

// GetMetadata is what the driver must return for a code of GetInfo.
func (q *quirks) GetMetadata(code adbc.InfoCode) any {
	switch code {
	case adbc.InfoDriverName:
		return "ADBC Flight SQL Driver - Go"
	case adbc.InfoDriverVersion, adbc.InfoDriverArrowVersion:
		// In tests Go does not tell the versions of modules, https://github.com/golang/go/issues/33976
		return "(unknown or development build)"
	case adbc.InfoDriverADBCVersion:
		return adbc.AdbcVersion1_1_0
	case adbc.InfoVendorName:
		return q.info[flightsql.SqlInfoFlightSqlServerName]
	case adbc.InfoVendorVersion:
		return q.info[flightsql.SqlInfoFlightSqlServerVersion]
	case adbc.InfoVendorArrowVersion:
		return q.info[flightsql.SqlInfoFlightSqlServerArrowVersion]
	default:
		return nil
	}
}

// The tests that call one of these three are skipped in validation_test.go. If another one begins to, it fails.

func (q *quirks) CreateSampleTable(string, arrow.RecordBatch) error { return errNoTables }

func (q *quirks) DropTable(adbc.Connection, string) error { return errNoTables }

func (q *quirks) SampleTableSchemaMetadata(string, arrow.DataType) arrow.Metadata {
	return arrow.Metadata{}
}

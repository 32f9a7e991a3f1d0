package main

import (
	"database/sql"
	"fmt"
	"log"
	"time"

	"github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-adbc/go/adbc/sqldriver"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func main() {
	sql.Register("flightsql", sqldriver.Driver{Driver: flightsql.NewDriver(memory.DefaultAllocator)})
	database, err := sql.Open("flightsql", "uri=grpc://127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer database.Close()

	// The driver binds values to prepared statements only.
	query := "SELECT id, type, started_at FROM image_actions WHERE image_id = ? ORDER BY id LIMIT 3"
	statement, err := database.Prepare(query)
	if err != nil {
		log.Fatal(err)
	}
	defer statement.Close()
	rows, err := statement.Query(int64(62137902))
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var kind string
		var started time.Time
		if err := rows.Scan(&id, &kind, &started); err != nil {
			log.Fatal(err)
		}
		fmt.Println(id, kind, started.UTC())
	}
	if err := rows.Err(); err != nil {
		log.Fatal(err)
	}
}

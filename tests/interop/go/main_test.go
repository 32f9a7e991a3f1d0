// Package interop queries a running server with arrow-adbc's Go driver for Flight SQL: validation_test.go runs the
// suite with which ADBC tests its drivers, and the other files make the calls of a client.
package interop

import (
	"fmt"
	"os"
	"testing"
)

var (
	// The server's address: grpc://127.0.0.1:PORT.
	server = os.Getenv("OCEANFLIGHT_GRPC")
	// The simulated account's address: http://127.0.0.1:PORT.
	demo = os.Getenv("OCEANFLIGHT_DEMO")
)

func TestMain(m *testing.M) {
	if server == "" || demo == "" {
		fmt.Println("OCEANFLIGHT_GRPC or OCEANFLIGHT_DEMO is not set: tests/interop/run starts the servers and sets them")
		os.Exit(4)
	}
	os.Exit(m.Run())
}

//! Empty: this package is fetched, and never built.

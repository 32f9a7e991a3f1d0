//! What a client has set for all of its statements.

use std::time::Duration;

/// The options of a session. `None`: the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionOptions {
    /// The catalog of table names without one.
    pub catalog: Option<String>,
    /// The schema of table names without one.
    pub schema: Option<String>,
    /// The time limit of a query, if it is below the server's.
    pub timeout: Option<Duration>,
    /// The maximum number of requests of a query, if it is below the server's.
    pub max_requests: Option<u64>,
    /// Whether timestamps in results have their time zone, UTC.
    pub timestamps: Option<Timestamps>,
}

/// The types of timestamps in results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Timestamps {
    /// With the time zone UTC.
    #[default]
    WithZone,
    /// Without a time zone: the same instants, in UTC. For clients that cannot read a time zone.
    WithoutZone,
}

impl SessionOptions {
    /// The options that a plan depends on.
    pub fn of_plans(&self) -> Self {
        Self { timeout: None, max_requests: None, ..self.clone() }
    }

    /// Their size, in bytes.
    pub fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        size_of::<Self>() + text(&self.catalog) + text(&self.schema)
    }

    /// Takes options that are not set from others.
    pub fn or(self, others: &Self) -> Self {
        Self {
            catalog: self.catalog.or_else(|| others.catalog.clone()),
            schema: self.schema.or_else(|| others.schema.clone()),
            timeout: self.timeout.or(others.timeout),
            max_requests: self.max_requests.or(others.max_requests),
            timestamps: self.timestamps.or(others.timestamps),
        }
    }
}

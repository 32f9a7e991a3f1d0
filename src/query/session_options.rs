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
    /// Timestamps in results.
    pub timestamps: Option<Timestamps>,
    /// Lists, structs and maps in results.
    pub nested: Option<Nested>,
    /// Intervals and durations in results.
    pub intervals: Option<Intervals>,
    /// How the type of a table is spelled in lists of tables.
    pub table_types: Option<TableTypes>,
}

/// An option with a few values, each of which has a name.
pub trait Choice: Copy + Default + PartialEq + 'static {
    /// All values with their names.
    const NAMES: &'static [(&'static str, Self)];

    /// The value with this name.
    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The name of the value.
    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, value)| *value == self).map_or("", |(name, _)| name)
    }
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

impl Choice for Timestamps {
    const NAMES: &'static [(&'static str, Self)] =
        &[("with_zone", Self::WithZone), ("without_zone", Self::WithoutZone)];
}

/// The types of lists, structs and maps in results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Nested {
    /// Arrow's nested types.
    #[default]
    Arrow,
    /// Text in JSON. For clients that cannot read nested types.
    Json,
}

impl Choice for Nested {
    const NAMES: &'static [(&'static str, Self)] = &[("arrow", Self::Arrow), ("json", Self::Json)];
}

/// The types of intervals and durations in results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Intervals {
    /// Arrow's intervals and durations.
    #[default]
    Arrow,
    /// Text, as CAST(… AS TEXT) returns it. For clients that cannot read intervals.
    Text,
}

impl Choice for Intervals {
    const NAMES: &'static [(&'static str, Self)] = &[("arrow", Self::Arrow), ("text", Self::Text)];
}

/// How the type of a table is spelled in lists of tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TableTypes {
    /// `TABLE`, as JDBC defines it.
    #[default]
    Jdbc,
    /// `BASE TABLE`, as `information_schema` has it.
    InformationSchema,
    /// `table`, as sqlalchemy-adbc expects it.
    LowerCase,
}

impl Choice for TableTypes {
    const NAMES: &'static [(&'static str, Self)] =
        &[("TABLE", Self::Jdbc), ("BASE TABLE", Self::InformationSchema), ("table", Self::LowerCase)];
}

/// How the values of results are sent whose types some clients cannot read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResultTypes {
    /// Timestamps.
    pub timestamps: Timestamps,
    /// Lists, structs and maps.
    pub nested: Nested,
    /// Intervals and durations.
    pub intervals: Intervals,
}

impl SessionOptions {
    /// The options that a plan depends on.
    pub fn of_plans(&self) -> Self {
        Self { timeout: None, max_requests: None, table_types: None, ..self.clone() }
    }

    /// How the values of results are sent.
    pub fn result_types(&self) -> ResultTypes {
        let Self { timestamps, nested, intervals, .. } = self;
        ResultTypes {
            timestamps: timestamps.unwrap_or_default(),
            nested: nested.unwrap_or_default(),
            intervals: intervals.unwrap_or_default(),
        }
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
            nested: self.nested.or(others.nested),
            intervals: self.intervals.or(others.intervals),
            table_types: self.table_types.or(others.table_types),
        }
    }
}

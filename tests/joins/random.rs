//! Random joins: each query is made from its seed alone, and must return the rows of the oracle.
//!
//! `OCEANFLIGHT_RANDOM_QUERIES` is the number of queries, and `OCEANFLIGHT_RANDOM_SEED` the seed of the first one. To
//! repeat a failed query, set them to 1 and its seed.

use std::collections::BTreeSet;
use std::sync::Arc;

use fastrand::Rng;

use super::shapes::{Of, Order};
use super::trial::Trial;
use super::{STILL, check_filters};

/// After this number of wrong queries, the test stops.
const MAX_WRONG: usize = 5;

#[tokio::test]
async fn random_joins_return_the_rows_of_the_oracle() {
    check_random_joins(Trial::start(&[&[("62137902", 12)][..], STILL].concat()).await).await;
}

#[tokio::test]
async fn random_joins_return_the_same_rows_after_going_through_bytes() {
    let (totals, filters) = ([&[("62137902", 12)][..], STILL].concat(), Arc::default());

    check_random_joins(Trial::through_bytes(&totals, &filters).await).await;

    // A single query may have no filter.
    check_filters(&filters, if queries() < 100 { 0 } else { 100 });
}

async fn check_random_joins(mut trial: Trial) {
    let (first, queries) = (setting("OCEANFLIGHT_RANDOM_SEED", 1), queries());
    let mut wrong = Vec::new();

    for seed in first..first + queries {
        let Query { sql, wanted, keys } = Query::of(seed);
        let order = wanted.map_or(Order::Any, |all| Order::SomeOf(all.leak()));
        let answered = trial.rows(&sql, &sql, order).await;
        let asked = trial.asked_at_most(&keys, Of::Images).await;
        if let Err(problem) = answered.and(asked) {
            wrong.push(format!("seed {seed}: {problem}\n    {sql}"));
        }
        if wrong.len() == MAX_WRONG {
            break;
        }
    }

    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_seed_is_always_the_same_query_and_seeds_differ() {
    let all: Vec<_> = (0..50).map(|seed| Query::of(seed).sql).collect();

    assert_eq!(all, (0..50).map(|seed| Query::of(seed).sql).collect::<Vec<_>>());
    assert!(all.iter().collect::<BTreeSet<_>>().len() > 40);
}

fn queries() -> u64 {
    setting("OCEANFLIGHT_RANDOM_QUERIES", 100)
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// A join of images with their actions.
struct Query {
    sql: String,
    /// The statement with all rows, of which this one may return any.
    wanted: Option<String>,
    /// A statement that returns the images whose actions may be requested.
    keys: String,
}

/// The type of the driving side's key.
#[derive(Clone, Copy)]
enum Type {
    BigInt,
    Double,
    Int,
    Decimal,
    Text,
}

/// How a join compares its keys.
#[derive(Clone, Copy)]
struct Equality {
    of: Type,
    /// Whether NULL is equal to NULL. No action has a NULL there.
    null_too: bool,
}

/// The parts of a join so far.
struct Join {
    /// The text before SELECT.
    with: String,
    /// The text from FROM on.
    from: String,
    /// The text after it.
    condition: Option<String>,
    /// The expressions that can be selected.
    columns: Vec<&'static str>,
    /// The aggregate of the ids that the key is compared with, if it is not compared with each id.
    extreme: Option<&'static str>,
}

const IMAGES: &[&str] = &[
    "true",
    "NOT public",
    "public",
    "type = 'snapshot'",
    "type IN ('backup', 'custom')",
    "array_has(tags, 'golden')",
    "size_gigabytes > 5 AND NOT public",
    "created_at > TIMESTAMP '2026-03-01T00:00:00Z'",
    "id BETWEEN 62137902 AND 62137907",
    "name = 'no such name'",
    "type IN ('backup', 'custom', NULL)",
    "id IN (62137902, NULL)",
    "id IN (62137904, 62137905, 198012311, NULL)",
    "id NOT IN (62137902, NULL)",
    "(id IN (62137902, NULL)) IS NULL",
];

/// Images of the account, two public ones, the deleted one, unknown ones, and NULL.
const IDS: &[&str] = &[
    "62137902",
    "62137903",
    "62137904",
    "62137905",
    "62137906",
    "62137907",
    "62137950",
    "7555620",
    "7938269",
    "3184770011",
    "198012311",
    "195932981",
    "62130001",
    "7",
    "999",
    "NULL",
];

const ACTIONS: &[&str] = &[
    "true",
    "true",
    "status = 'completed'",
    "status = 'errored'",
    "type = 'transfer'",
    "type IN ('create', 'convert')",
    "region_slug = 'fra1'",
    "completed_at IS NULL",
    "resource_id IS NOT NULL AND id % 2 = 0",
    "type IN ('create', NULL)",
    "(image_id IN (62137904, NULL)) IS NULL",
    "image_id IN (62137902, NULL)",
    "image_id IN (62137904, 62130001, NULL)",
];

/// The images that a condition on the actions names: they are requested whether or not the other side has them.
const NAMED: &[(&str, &str)] = &[
    ("image_id IN (62137902, NULL)", "VALUES (62137902)"),
    ("image_id IN (62137904, 62130001, NULL)", "VALUES (62137904), (62130001)"),
];

/// Further conditions of a join on its two sides.
const RESIDUALS: &[&str] =
    &["", "", "", " AND b.v % 2 = 0", " AND b.w <> d.label", " AND b.w > 'create'", " AND d.label LIKE '%e%'"];

impl Query {
    fn of(seed: u64) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let equality = Equality::of(rng);
        let plain = driving(rng, true);
        let driving = equality.of.keyed(&plain);
        let join = Join::of(rng, &driving, equality);
        let key = match join.extreme {
            Some(extreme) => format!("SELECT TRY_CAST({extreme} AS BIGINT) FROM ({driving}) d"),
            None => format!("SELECT TRY_CAST({} AS BIGINT) FROM ({plain}) d", equality.of.cast()),
        };
        let text = join.relation_and_condition();
        let named =
            NAMED.iter().filter(|(filter, _)| text.contains(filter)).map(|(_, ids)| format!(" UNION ALL {ids}"));
        let keys = [key].into_iter().chain(named).collect();
        let (sql, wanted) = join.select(rng);
        Self { sql, wanted, keys }
    }
}

impl Type {
    /// The id as a key of this type.
    fn cast(self) -> &'static str {
        match self {
            Self::BigInt => "id",
            Self::Double => "CAST(id AS DOUBLE)",
            // One of the ids does not fit.
            Self::Int => "TRY_CAST(id AS INT)",
            Self::Decimal => "CAST(id AS DECIMAL(20, 0))",
            Self::Text => "CAST(id AS VARCHAR)",
        }
    }

    /// The same images with keys of this type, and some keys that are equal to no BIGINT.
    fn keyed(self, driving: &str) -> String {
        let more = match self {
            Self::BigInt => return driving.to_owned(),
            Self::Double => {
                " UNION ALL SELECT CAST('NaN' AS DOUBLE), 'not a number' UNION ALL SELECT CAST(7.5 AS DOUBLE), 'half'"
            }
            Self::Int | Self::Decimal => "",
            Self::Text => " UNION ALL SELECT 'none', 'no number'",
        };
        format!("SELECT {} AS id, label FROM ({driving}) t{more}", self.cast())
    }

    /// The actions' key, as it is compared.
    fn key(self, column: &str) -> String {
        if matches!(self, Self::Text) { format!("CAST({column} AS VARCHAR)") } else { column.to_owned() }
    }
}

impl Equality {
    fn of(rng: &mut Rng) -> Self {
        const TYPES: &[Type] =
            &[Type::BigInt, Type::BigInt, Type::BigInt, Type::Double, Type::Int, Type::Decimal, Type::Text];
        Self { of: pick(rng, TYPES), null_too: rng.u8(..5) == 0 }
    }

    /// The comparison of an action's column with a driving one.
    fn between(self, column: &str, key: &str) -> String {
        let column = self.of.key(column);
        // Parentheses, because of the precedence of IS.
        if self.null_too { format!("({column} IS NOT DISTINCT FROM {key})") } else { format!("{column} = {key}") }
    }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

/// Images with a label: `id` and `label`.
fn driving(rng: &mut Rng, outermost: bool) -> String {
    match rng.u8(..if outermost { 9 } else { 6 }) {
        0..=2 => format!("SELECT id, name AS label FROM images WHERE {}", pick(rng, IMAGES)),
        3 => written(rng),
        4 => "SELECT image['id'] AS id, name AS label FROM droplets".to_owned(),
        5 => "SELECT TRY_CAST(id AS BIGINT) AS id, name AS label FROM snapshots".to_owned(),
        6 | 7 => format!("{} UNION ALL {}", driving(rng, false), driving(rng, false)),
        _ => format!(
            "WITH given AS ({}) SELECT id, label FROM given \
             UNION ALL SELECT g.id, h.label FROM given g JOIN given h ON g.id = h.id",
            driving(rng, false)
        ),
    }
}

/// Literal ids, some of them twice.
fn written(rng: &mut Rng) -> String {
    let rows: Vec<_> =
        (0..rng.usize(1..=9)).map(|place| format!("(CAST({} AS BIGINT), 'value {place}')", pick(rng, IDS))).collect();
    format!("SELECT column1 AS id, column2 AS label FROM (VALUES {})", rows.join(", "))
}

/// Actions, or a subquery over them: `image_id`, a number `v` and a text `w`.
fn bound(rng: &mut Rng) -> String {
    let actions = pick(rng, ACTIONS);
    match rng.u8(..8) {
        0 | 1 => plain(actions),
        2 => grouped(actions),
        3 => format!("{} HAVING count(*) > {}", grouped(actions), rng.u8(1..4)),
        4 => format!(
            "SELECT image_id, CAST(row_number() OVER (PARTITION BY image_id ORDER BY id DESC) AS BIGINT) AS v, \
             status AS w FROM image_actions WHERE {actions}"
        ),
        5 => format!(
            "SELECT image_id, v, w FROM (SELECT image_id, id AS v, type AS w, \
             row_number() OVER (PARTITION BY image_id ORDER BY id DESC) AS place FROM image_actions WHERE {actions}) \
             WHERE place <= {}",
            rng.u8(1..4)
        ),
        6 => format!("{} UNION ALL {}", plain(actions), plain(pick(rng, ACTIONS))),
        _ => {
            format!("SELECT DISTINCT image_id, CAST(NULL AS BIGINT) AS v, type AS w FROM image_actions WHERE {actions}")
        }
    }
}

fn plain(actions: &str) -> String {
    format!("SELECT image_id, id AS v, type AS w FROM image_actions WHERE {actions}")
}

fn grouped(actions: &str) -> String {
    format!("SELECT image_id, count(*) AS v, max(type) AS w FROM image_actions WHERE {actions} GROUP BY image_id")
}

impl Join {
    fn of(rng: &mut Rng, driving: &str, equality: Equality) -> Self {
        let (actions, residual) = (bound(rng), pick(rng, RESIDUALS));
        let (d, b) = (format!("({driving}) d"), format!("({actions}) b"));
        let on = format!("{}{residual}", equality.between("b.image_id", "d.id"));
        let exists = format!("EXISTS (SELECT 1 FROM {b} WHERE {on})");
        let key = equality.of.key("image_id");
        match rng.u8(..17) {
            0 => Self::both(format!("{d} JOIN {b} ON {on}")).with_another(rng, equality),
            1 => Self::both(format!("{b} JOIN {d} ON {on}")).with_another(rng, equality),
            2 | 3 => Self::both(format!("{d} LEFT JOIN {b} ON {on}")).with_another(rng, equality),
            4 => Self::both(format!("{b} RIGHT JOIN {d} ON {on}")).with_another(rng, equality),
            5 => Self { condition: Some(on), ..Self::both(format!("{d}, {b}")) },
            6 => Self::images(d, exists),
            7 => Self::images(d, format!("NOT {exists}")),
            8 => Self::images(d, format!("d.label LIKE '%a%' OR {exists}")),
            9 => Self::images(d, format!("d.id IN (SELECT {key} FROM {b})")),
            10 => Self::images(format!("{d} LEFT JOIN {b} ON {on}"), "b.image_id IS NULL".to_owned()),
            11 => Self::actions(b, format!("{key} IN (SELECT id FROM {d})")),
            12 | 13 => Self::actions(b, format!("EXISTS (SELECT 1 FROM {d} WHERE {on})")),
            14 => {
                let extreme = pick(rng, &["min(id)", "max(id)"]);
                let condition = format!("{key} = (SELECT {extreme} FROM {d})");
                Self { extreme: Some(extreme), ..Self::actions(b, condition) }
            }
            15 => Self {
                with: format!("WITH d AS ({driving}) "),
                condition: Some("d.id IN (SELECT id FROM d WHERE label > 'c')".to_owned()),
                ..Self::both(format!("d JOIN {b} ON {on}"))
            },
            _ => Self::twice(driving, &b, &on, &format!("({}) b", bound(rng))),
        }
    }

    /// A CTE of the images that drives two joins.
    fn twice(driving: &str, first: &str, on: &str, second: &str) -> Self {
        let columns = "d.label, d.id, b.v, b.w";
        Self {
            with: format!("WITH d AS ({driving}) "),
            columns: vec!["label", "id", "v", "w"],
            ..Self::both(format!(
                "(SELECT {columns} FROM d JOIN {first} ON {on} \
                 UNION ALL SELECT {columns} FROM d LEFT JOIN {second} ON {on}) both_joins"
            ))
        }
    }

    fn both(from: String) -> Self {
        let columns = vec!["d.label", "d.id", "b.v", "b.w"];
        Self { with: String::new(), from, condition: None, columns, extreme: None }
    }

    fn images(from: String, condition: String) -> Self {
        Self { condition: Some(condition), columns: vec!["d.label", "d.id"], ..Self::both(from) }
    }

    fn actions(from: String, condition: String) -> Self {
        Self { condition: Some(condition), columns: vec!["b.w", "b.image_id", "b.v"], ..Self::both(from) }
    }

    /// Sometimes joins the images' actions a second time.
    fn with_another(mut self, rng: &mut Rng, equality: Equality) -> Self {
        if rng.u8(..3) == 0 {
            let kind = pick(rng, &["JOIN", "LEFT JOIN"]);
            let of_actions = Equality { of: Type::BigInt, ..equality };
            let (key, equality) = pick(rng, &[("d.id", equality), ("b.image_id", of_actions)]);
            let on = equality.between("c.image_id", key);
            self.from += &format!(" {kind} image_actions c ON {on} AND c.status = 'errored'");
            self.columns.push("c.id");
        }
        self
    }

    /// All that follows FROM.
    fn relation_and_condition(&self) -> String {
        let condition = self.condition.as_ref().map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        format!("{}{condition}", self.from)
    }

    /// The rows themselves, the first of them, some of them, those that differ, or groups of them; and for some of them
    /// the statement that has all.
    fn select(self, rng: &mut Rng) -> (String, Option<String>) {
        let (all, rest) = (self.columns.join(", "), format!("FROM {}", self.relation_and_condition()));
        let Self { with, columns, .. } = self;
        let rows = format!("{with}SELECT {all} {rest}");
        match rng.u8(..8) {
            0 => (format!("{rows} ORDER BY {all} LIMIT {}", rng.u8(1..20)), None),
            1 => (format!("{with}SELECT DISTINCT {all} {rest}"), None),
            2 => (format!("{with}SELECT {0}, count(*), max({1}) {rest} GROUP BY {0}", columns[0], columns[1]), None),
            3 => (format!("{with}SELECT count(*), count({}) {rest}", columns[columns.len() - 1]), None),
            4 => (format!("{rows} LIMIT {}", rng.u8(1..40)), Some(rows)),
            5 if rng.bool() => (format!("{rows} LIMIT {} OFFSET {}", rng.u8(1..20), rng.u8(1..20)), Some(rows)),
            _ => (rows, None),
        }
    }
}

//! Random joins: each query is made from its seed alone, and has to answer what the oracle does.
//!
//! `OCEANFLIGHT_RANDOM_QUERIES` says how many, and `OCEANFLIGHT_RANDOM_SEED` the first one's seed: 1 and that of a
//! query that failed is that query again.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::STILL;
use super::shapes::{Of, Order};
use super::trial::Trial;

/// After so many wrong ones, no more are tried.
const MOST_WRONG: usize = 5;

#[tokio::test]
async fn random_joins_answer_what_the_oracle_does() {
    let (first, queries) = (setting("OCEANFLIGHT_RANDOM_SEED", 1), setting("OCEANFLIGHT_RANDOM_QUERIES", 100));
    let mut trial = Trial::start(&[&[("62137902", 12)][..], STILL].concat()).await;
    let mut wrong = Vec::new();

    for seed in first..first + queries {
        let Query { sql, keys } = Query::of(seed);
        let answered = trial.rows(&sql, &sql, Order::Any).await;
        let asked = trial.asked_at_most(&keys, Of::Images).await;
        if let Err(problem) = answered.and(asked) {
            wrong.push(format!("seed {seed}: {problem}\n    {sql}"));
        }
        if wrong.len() == MOST_WRONG {
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

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// A join of images with their actions, and a statement that tells the images.
struct Query {
    sql: String,
    keys: String,
}

/// What a join is made of so far.
struct Join {
    /// From FROM on.
    from: String,
    /// Behind it.
    condition: Option<String>,
    /// What can be selected.
    columns: Vec<&'static str>,
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
];

/// The account's own, two public ones, the destroyed one, unknown ones, and none.
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
];

/// What else a join may ask of its two sides.
const RESIDUALS: &[&str] =
    &["", "", "", " AND b.v % 2 = 0", " AND b.w <> d.label", " AND b.w > 'create'", " AND d.label LIKE '%e%'"];

impl Query {
    fn of(seed: u64) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let driving = driving(rng, true);
        let join = Join::of(rng, &driving);
        Self { sql: join.select(rng), keys: format!("SELECT DISTINCT id FROM ({driving}) d") }
    }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

/// Images with a label: `id` and `label`.
fn driving(rng: &mut Rng, outermost: bool) -> String {
    match rng.u8(..if outermost { 8 } else { 6 }) {
        0..=2 => format!("SELECT id, name AS label FROM images WHERE {}", pick(rng, IMAGES)),
        3 => written(rng),
        4 => "SELECT image['id'] AS id, name AS label FROM droplets".to_owned(),
        5 => "SELECT TRY_CAST(id AS BIGINT) AS id, name AS label FROM snapshots".to_owned(),
        _ => format!("{} UNION ALL {}", driving(rng, false), driving(rng, false)),
    }
}

/// Ids that are written down, some of them twice.
fn written(rng: &mut Rng) -> String {
    let rows: Vec<_> =
        (0..rng.usize(1..=9)).map(|place| format!("(CAST({} AS BIGINT), 'value {place}')", pick(rng, IDS))).collect();
    format!("SELECT column1 AS id, column2 AS label FROM (VALUES {})", rows.join(", "))
}

/// Actions, or what is made of them: `image_id`, a number `v` and a text `w`.
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
    fn of(rng: &mut Rng, driving: &str) -> Self {
        let (bound, residual) = (bound(rng), pick(rng, RESIDUALS));
        let (d, b, on) = (format!("({driving}) d"), format!("({bound}) b"), format!("b.image_id = d.id{residual}"));
        let exists = format!("EXISTS (SELECT 1 FROM {b} WHERE {on})");
        match rng.u8(..12) {
            0 => Self::both(format!("{d} JOIN {b} ON {on}")).with_another(rng),
            1 => Self::both(format!("{b} JOIN {d} ON {on}")).with_another(rng),
            2 | 3 => Self::both(format!("{d} LEFT JOIN {b} ON {on}")).with_another(rng),
            4 => Self::both(format!("{b} RIGHT JOIN {d} ON {on}")).with_another(rng),
            5 => Self { condition: Some(on), ..Self::both(format!("{d}, {b}")) },
            6 => Self::images(d, exists),
            7 => Self::images(d, format!("NOT {exists}")),
            8 => Self::images(d, format!("d.label LIKE '%a%' OR {exists}")),
            9 => Self::images(d, format!("d.id IN (SELECT image_id FROM {b})")),
            10 => Self::images(format!("{d} LEFT JOIN {b} ON {on}"), "b.image_id IS NULL".to_owned()),
            _ => Self {
                from: b,
                condition: Some(format!("b.image_id IN (SELECT id FROM {d})")),
                columns: vec!["b.w", "b.image_id", "b.v"],
            },
        }
    }

    fn both(from: String) -> Self {
        Self { from, condition: None, columns: vec!["d.label", "d.id", "b.v", "b.w"] }
    }

    fn images(from: String, condition: String) -> Self {
        Self { from, condition: Some(condition), columns: vec!["d.label", "d.id"] }
    }

    /// Sometimes joins the images' actions a second time.
    fn with_another(mut self, rng: &mut Rng) -> Self {
        if rng.u8(..3) == 0 {
            let (kind, key) = (pick(rng, &["JOIN", "LEFT JOIN"]), pick(rng, &["d.id", "b.image_id"]));
            self.from += &format!(" {kind} image_actions c ON c.image_id = {key} AND c.status = 'errored'");
            self.columns.push("c.id");
        }
        self
    }

    /// The rows themselves, the first of them, those that differ, or groups of them.
    fn select(self, rng: &mut Rng) -> String {
        let Self { from, condition, columns } = self;
        let condition = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        let (all, rest) = (columns.join(", "), format!("FROM {from}{condition}"));
        match rng.u8(..6) {
            0 => format!("SELECT {all} {rest} ORDER BY {all} LIMIT {}", rng.u8(1..20)),
            1 => format!("SELECT DISTINCT {all} {rest}"),
            2 => format!("SELECT {0}, count(*), max({1}) {rest} GROUP BY {0}", columns[0], columns[1]),
            3 => format!("SELECT count(*), count({}) {rest}", columns[columns.len() - 1]),
            _ => format!("SELECT {all} {rest}"),
        }
    }
}

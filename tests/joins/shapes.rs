//! The shapes of queries over `image_actions`: the rows that each must return, and the requests that it may send.
//!
//! 62137902 has two pages of actions, 62137906 as well; 62137903 has none. 198012311 is a public image. 62130001 is a
//! deleted image: it is not in any list, but its actions can be read. There is no image 7 and no image 999.

use crate::support::ACTIONS;

/// A query, and what is expected of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The name of the shape: "an inner join".
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) answer: Answer,
    pub(super) order: Order,
    pub(super) asks: Asks,
    pub(super) of: Of,
}

/// Which rows are right. The oracle has two tables: `image_actions` with the actions of every image that can be read,
/// and `own_image_actions` with those of the account's own images.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// The rows of the statement itself: its images come from a join or from the statement.
    Bound,
    /// The rows of the account's own images: the statement has no image id.
    Own,
    /// The rows of this statement, if a statement has both.
    As(&'static str),
    /// None: the statement is rejected at planning, with a hint that contains this text.
    Refused(&'static str),
    /// None: the statement fails while it runs, with a hint that contains this text.
    Fails(&'static str),
}

/// How the rows are compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// In any order.
    Any,
    /// In the order of the statement, which is total.
    Total,
    /// The same number, and all of them among the rows of this statement.
    SomeOf(&'static str),
}

/// Which lists of actions are requested. No page is ever requested twice.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asks {
    /// Every page of the parents that this statement returns, and nothing else.
    Each(&'static str),
    /// Some of these pages; or single actions of these parents, with no more requests than there are pages.
    AtMost(&'static str),
    /// These requests.
    Only(&'static [&'static str]),
}

/// The kind of resource whose actions a shape reads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    Images,
    Droplets,
}

impl Of {
    /// The simulator's name of the actions' table.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Images => ACTIONS,
            Self::Droplets => "digitalocean/compute/droplet_actions",
        }
    }

    /// The column with the parent's id.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Images => "image_id",
            Self::Droplets => "droplet_id",
        }
    }

    /// How the request for a parent's actions begins.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Images => "GET /v2/images/",
            Self::Droplets => "GET /v2/droplets/",
        }
    }
}

const ALL: &str = "SELECT id FROM images";
const OWN_IMAGES: &str = "SELECT id FROM images WHERE NOT public";
const GOLDEN: &str = "SELECT id FROM images WHERE array_has(tags, 'golden')";

/// The images come from another part of the statement; in the simplest case from all of `images`.
const BOUND: Shape =
    Shape { name: "", sql: "", answer: Answer::Bound, order: Order::Any, asks: Asks::Each(ALL), of: Of::Images };

/// The statement has no image id.
const OWN: Shape = Shape { answer: Answer::Own, asks: Asks::Each(OWN_IMAGES), ..BOUND };

const REFUSED: Shape = Shape { answer: Answer::Refused(""), asks: Asks::Only(&[]), ..BOUND };

const DROPLETS: Shape = Shape { asks: Asks::Each("SELECT id FROM droplets"), of: Of::Droplets, ..BOUND };

pub(super) const SHAPES: &[Shape] = &[
    // Inner joins.
    Shape {
        name: "an inner join, the actions last",
        sql: "SELECT i.name, a.id, a.type FROM images i JOIN image_actions a ON a.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "an inner join, the actions first",
        sql: "SELECT i.name, a.id, a.type FROM image_actions a JOIN images i ON a.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "every column of both sides",
        sql: "SELECT * FROM images i JOIN image_actions a ON a.image_id = i.id WHERE array_has(i.tags, 'golden')",
        asks: Asks::Each(GOLDEN),
        ..BOUND
    },
    Shape {
        name: "a count of joined rows, without a column",
        sql: "SELECT count(*) FROM images i JOIN image_actions a ON a.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "the key of the actions alone",
        sql: "SELECT a.image_id FROM images i JOIN image_actions a ON a.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a filter on either side",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id \
              WHERE i.type = 'backup' AND a.status = 'completed'",
        asks: Asks::Each("SELECT id FROM images WHERE type = 'backup'"),
        ..BOUND
    },
    Shape {
        name: "a filter on the key itself",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id \
              WHERE i.id BETWEEN 62137903 AND 62137905",
        asks: Asks::Each("SELECT id FROM images WHERE id BETWEEN 62137903 AND 62137905"),
        ..BOUND
    },
    Shape {
        name: "a comma join",
        sql: "SELECT i.name, a.id FROM images i, image_actions a WHERE a.image_id = i.id AND NOT i.public",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "a comma join, the actions first",
        sql: "SELECT i.name, a.id FROM image_actions a, images i WHERE i.id = a.image_id AND i.public",
        asks: Asks::Each("SELECT id FROM images WHERE public"),
        ..BOUND
    },
    Shape {
        name: "USING",
        sql: "SELECT image_id, i.name, a.type \
              FROM (SELECT id AS image_id, name FROM images WHERE NOT public) i JOIN image_actions a USING (image_id)",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "a NATURAL JOIN",
        sql: "SELECT * FROM (SELECT id AS image_id, name FROM images WHERE type = 'backup') i \
              NATURAL JOIN (SELECT image_id, type FROM image_actions) a",
        asks: Asks::Each("SELECT id FROM images WHERE type = 'backup'"),
        ..BOUND
    },
    Shape {
        name: "a residual condition",
        sql: "SELECT i.name, a.id FROM images i \
              JOIN image_actions a ON a.image_id = i.id AND a.started_at > i.created_at",
        ..BOUND
    },
    Shape {
        name: "two keys, both from the driving side",
        sql: "SELECT v.note, a.type FROM (VALUES (62137902, 36804636, 'x'), (62137904, 36805527, 'y'), \
              (62137905, 36805527, 'an action of another image'), (999, 1, 'neither')) AS v(image, action, note) \
              JOIN image_actions a ON a.image_id = v.image AND a.id = v.action",
        asks: Asks::AtMost("VALUES (62137902), (62137904), (62137905), (999)"),
        ..BOUND
    },
    Shape {
        name: "two keys, the second under its other name",
        sql: "SELECT v.image, a.id FROM (VALUES (62137902, 36804636), (62137904, 36805527), (62137904, NULL), \
              (NULL, 36804636)) AS v(image, action) \
              JOIN image_actions a ON a.image_id = v.image AND a.action_id = v.action",
        asks: Asks::AtMost("VALUES (62137902), (62137904)"),
        ..BOUND
    },
    Shape {
        name: "a second equality that is no key",
        sql: "SELECT v.region, a.id FROM (VALUES (62137902, 'fra1'), (62137905, 'nyc1'), (62137905, 'sfo2')) \
              AS v(image, region) JOIN image_actions a ON a.image_id = v.image AND a.region_slug = v.region",
        asks: Asks::Each("VALUES (62137902), (62137905)"),
        ..BOUND
    },
    Shape {
        name: "a key that is computed",
        sql: "SELECT v.x, a.id FROM (VALUES (62137803), (62137805)) AS v(x) \
              JOIN image_actions a ON a.image_id = v.x + 100",
        asks: Asks::Each("VALUES (62137903), (62137905)"),
        ..BOUND
    },
    Shape {
        name: "a driving side without rows",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id \
              WHERE i.name = 'no such name'",
        asks: Asks::Each("SELECT id FROM images WHERE name = 'no such name'"),
        ..BOUND
    },
    Shape {
        name: "a join that cannot match",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id = 1 AND i.id = 2",
        asks: Asks::Only(&[]),
        ..BOUND
    },
    // Outer joins.
    Shape {
        name: "a LEFT JOIN",
        sql: "SELECT i.id, a.id, a.status FROM images i LEFT JOIN image_actions a ON a.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a LEFT JOIN with a condition on the actions",
        sql: "SELECT i.id, a.id FROM images i LEFT JOIN image_actions a ON a.image_id = i.id AND a.status = 'errored'",
        ..BOUND
    },
    Shape {
        name: "a LEFT JOIN with a condition on the images",
        sql: "SELECT i.id, a.id FROM images i LEFT JOIN image_actions a ON a.image_id = i.id AND NOT i.public",
        asks: Asks::AtMost(ALL),
        ..BOUND
    },
    Shape {
        name: "a LEFT JOIN that a filter makes an inner one",
        sql: "SELECT i.id, a.id FROM images i LEFT JOIN image_actions a ON a.image_id = i.id WHERE a.type = 'create'",
        ..BOUND
    },
    Shape {
        name: "a LEFT JOIN of unknown, destroyed and missing ids",
        sql: "SELECT v.id, a.id, a.type FROM (VALUES (7), (62130001), (NULL), (62137903)) AS v(id) \
              LEFT JOIN image_actions a ON a.image_id = v.id",
        asks: Asks::Each("VALUES (7), (62130001), (62137903)"),
        ..BOUND
    },
    Shape {
        name: "a LEFT JOIN whose actions are kept",
        sql: "SELECT a.id, i.name FROM image_actions a LEFT JOIN images i ON i.id = a.image_id AND i.type = 'snapshot'",
        ..OWN
    },
    Shape {
        name: "a RIGHT JOIN",
        sql: "SELECT i.id, a.id FROM image_actions a RIGHT JOIN images i ON a.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a RIGHT JOIN whose actions are kept",
        sql: "SELECT i.id, a.id FROM images i RIGHT JOIN image_actions a ON a.image_id = i.id",
        ..OWN
    },
    Shape {
        name: "a FULL JOIN",
        sql: "SELECT i.id, a.id FROM images i FULL JOIN image_actions a ON a.image_id = i.id",
        ..OWN
    },
    Shape {
        name: "a FULL JOIN with filtered images",
        sql: "SELECT i.id, a.id FROM (SELECT id FROM images WHERE array_has(tags, 'golden')) i \
              FULL JOIN image_actions a ON a.image_id = i.id",
        ..OWN
    },
    // Semi joins.
    Shape {
        name: "actions of images IN a query",
        sql: "SELECT id, type FROM image_actions \
              WHERE image_id IN (SELECT id FROM images WHERE array_has(tags, 'golden'))",
        asks: Asks::Each(GOLDEN),
        ..BOUND
    },
    Shape {
        name: "images IN a query of actions",
        sql: "SELECT id, name FROM images WHERE id IN (SELECT image_id FROM image_actions WHERE type = 'transfer')",
        ..BOUND
    },
    Shape {
        name: "EXISTS",
        sql: "SELECT id, name FROM images i WHERE EXISTS \
              (SELECT 1 FROM image_actions a WHERE a.image_id = i.id AND a.status = 'errored')",
        ..BOUND
    },
    Shape {
        name: "EXISTS around the actions",
        sql: "SELECT a.id FROM image_actions a WHERE EXISTS \
              (SELECT 1 FROM images i WHERE i.id = a.image_id AND i.type = 'custom')",
        asks: Asks::Each("SELECT id FROM images WHERE type = 'custom'"),
        ..BOUND
    },
    Shape {
        name: "EXISTS with a residual condition",
        sql: "SELECT i.id FROM images i WHERE EXISTS \
              (SELECT 1 FROM image_actions a WHERE a.image_id = i.id AND a.started_at < i.created_at)",
        ..BOUND
    },
    Shape {
        name: "IN a query and a filter",
        sql: "SELECT id FROM image_actions WHERE status = 'completed' \
              AND image_id IN (SELECT id FROM images WHERE public UNION ALL SELECT 62130001)",
        asks: Asks::Each("SELECT id FROM images WHERE public UNION ALL SELECT 62130001"),
        ..BOUND
    },
    Shape {
        name: "INTERSECT",
        sql: "SELECT id FROM images WHERE NOT public INTERSECT SELECT image_id FROM image_actions",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    // Anti joins.
    Shape {
        name: "NOT EXISTS",
        sql: "SELECT i.id, i.name FROM images i WHERE NOT EXISTS \
              (SELECT 1 FROM image_actions a WHERE a.image_id = i.id)",
        ..BOUND
    },
    Shape {
        name: "NOT EXISTS with a condition",
        sql: "SELECT i.id FROM images i WHERE NOT i.public AND NOT EXISTS (SELECT 1 FROM image_actions a \
              WHERE a.image_id = i.id AND a.type = 'transfer' AND a.region_slug = 'fra1')",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "a LEFT JOIN of what is missing",
        sql: "SELECT i.id FROM images i LEFT JOIN image_actions a ON a.image_id = i.id WHERE a.id IS NULL",
        ..BOUND
    },
    Shape {
        name: "NOT EXISTS around the actions",
        sql: "SELECT a.id FROM image_actions a WHERE NOT EXISTS \
              (SELECT 1 FROM images i WHERE i.id = a.image_id AND i.type = 'snapshot')",
        ..OWN
    },
    Shape {
        name: "EXCEPT",
        sql: "SELECT id FROM images WHERE NOT public EXCEPT SELECT image_id FROM image_actions",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "NOT IN a query of actions",
        sql: "SELECT id FROM images WHERE id NOT IN (SELECT image_id FROM image_actions)",
        ..BOUND
    },
    Shape {
        name: "NOT IN a query of some actions",
        sql: "SELECT id FROM images WHERE NOT public \
              AND id NOT IN (SELECT image_id FROM image_actions WHERE status = 'errored')",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "NOT IN a query that names its images",
        sql: "SELECT id FROM images WHERE id NOT IN \
              (SELECT image_id FROM image_actions WHERE image_id IN (62137904, 62137905, 198012311))",
        asks: Asks::Each("VALUES (62137904), (62137905), (198012311)"),
        ..BOUND
    },
    // Mark joins.
    Shape {
        name: "EXISTS or something else",
        sql: "SELECT i.id FROM images i WHERE i.status = 'pending' OR EXISTS \
              (SELECT 1 FROM image_actions a WHERE a.image_id = i.id AND a.status = 'errored')",
        ..BOUND
    },
    Shape {
        name: "IN a query of actions or something else",
        sql: "SELECT id FROM images WHERE NOT public \
              AND (size_gigabytes > 40 OR id IN (SELECT image_id FROM image_actions WHERE type = 'create'))",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "NOT EXISTS or something else",
        sql: "SELECT i.id FROM images i WHERE i.type = 'backup' OR NOT EXISTS \
              (SELECT 1 FROM image_actions a WHERE a.image_id = i.id)",
        ..BOUND
    },
    // Scalar subqueries.
    Shape {
        name: "an image that a scalar subquery tells",
        sql: "SELECT id, type FROM image_actions \
              WHERE image_id = (SELECT max(id) FROM images WHERE NOT public AND type = 'snapshot')",
        asks: Asks::Each("SELECT max(id) FROM images WHERE NOT public AND type = 'snapshot'"),
        ..BOUND
    },
    Shape {
        name: "a scalar subquery without a row",
        sql: "SELECT id FROM image_actions WHERE image_id = (SELECT id FROM images WHERE name = 'no such name')",
        asks: Asks::Only(&[]),
        ..BOUND
    },
    Shape {
        name: "a scalar subquery under a join",
        sql: "SELECT r.name, a.id FROM image_actions a JOIN regions r ON r.slug = a.region_slug \
              WHERE a.image_id = (SELECT id FROM images WHERE name = 'queue-worker')",
        asks: Asks::Each("SELECT id FROM images WHERE name = 'queue-worker'"),
        ..BOUND
    },
    Shape {
        name: "a correlated count in the select list",
        sql: "SELECT i.id, (SELECT count(*) FROM image_actions a WHERE a.image_id = i.id) AS n FROM images i",
        ..BOUND
    },
    Shape {
        name: "a correlated maximum in the WHERE",
        sql: "SELECT i.id FROM images i WHERE NOT i.public AND i.created_at < \
              (SELECT max(a.started_at) FROM image_actions a WHERE a.image_id = i.id)",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "an uncorrelated count of all actions",
        sql: "SELECT name, (SELECT count(*) FROM image_actions) AS n FROM images WHERE type = 'backup'",
        ..OWN
    },
    // LATERAL.
    Shape {
        name: "a LATERAL aggregate",
        sql: "SELECT i.id, c.n FROM images i, LATERAL \
              (SELECT count(*) AS n FROM image_actions a WHERE a.image_id = i.id) c",
        ..BOUND
    },
    Shape {
        name: "a LATERAL filter",
        sql: "SELECT i.id, c.type FROM images i CROSS JOIN LATERAL \
              (SELECT a.type FROM image_actions a WHERE a.image_id = i.id AND a.status = 'errored') c",
        ..BOUND
    },
    Shape {
        name: "a LATERAL query with ORDER BY and LIMIT",
        sql: "SELECT i.id, c.type FROM images i CROSS JOIN LATERAL \
              (SELECT a.type FROM image_actions a WHERE a.image_id = i.id ORDER BY a.id DESC LIMIT 1) c",
        answer: Answer::Refused("row_number"),
        ..REFUSED
    },
    // CTEs, unions, derived tables.
    Shape {
        name: "a CTE that is used once",
        sql: "WITH failed AS (SELECT image_id, id, region_slug FROM image_actions WHERE status = 'errored') \
              SELECT i.name, f.region_slug FROM images i JOIN failed f ON f.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a CTE that is used twice",
        sql: "WITH done AS (SELECT image_id, id, type FROM image_actions WHERE status = 'completed') \
              SELECT i.name, c.id, t.id FROM images i JOIN done c ON c.image_id = i.id AND c.type = 'convert' \
              LEFT JOIN done t ON t.image_id = i.id AND t.type = 'image_destroy'",
        ..BOUND
    },
    Shape {
        name: "a CTE of the driving side",
        sql: "WITH golden AS (SELECT id FROM images WHERE array_has(tags, 'golden')) \
              SELECT g.id, count(a.id) AS n FROM golden g LEFT JOIN image_actions a ON a.image_id = g.id GROUP BY g.id",
        asks: Asks::Each(GOLDEN),
        ..BOUND
    },
    Shape {
        name: "a union of actions under a join",
        sql: "SELECT i.name, a.what FROM images i JOIN \
              (SELECT image_id, 'failed' AS what FROM image_actions WHERE status = 'errored' \
               UNION ALL SELECT image_id, type FROM image_actions WHERE type = 'create') a ON a.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a union of actions and other rows under a join",
        sql: "SELECT i.name, a.what FROM images i JOIN \
              (SELECT image_id, type AS what FROM image_actions UNION ALL SELECT 62137903, 'written') a \
              ON a.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a union without duplicates of actions under a join",
        sql: "SELECT i.name, a.type FROM images i JOIN (SELECT image_id, type FROM image_actions \
              UNION SELECT image_id, status FROM image_actions) a ON a.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "the same images from four queries",
        sql: "SELECT i.id, a.id FROM (SELECT id FROM images WHERE NOT public UNION ALL SELECT id FROM images \
              WHERE type = 'snapshot' AND NOT public UNION ALL SELECT id FROM images WHERE array_has(tags, 'golden') \
              UNION ALL SELECT id FROM images WHERE NOT public AND size_gigabytes > 1) i \
              JOIN image_actions a ON a.image_id = i.id",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "a derived aggregate by image",
        sql: "SELECT i.name, c.n, c.last FROM images i JOIN (SELECT image_id, count(*) AS n, max(started_at) AS last \
              FROM image_actions GROUP BY image_id) c ON c.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a derived aggregate by image and type",
        sql: "SELECT i.name, c.type, c.n FROM images i LEFT JOIN (SELECT type, image_id, count(*) AS n \
              FROM image_actions WHERE status = 'completed' GROUP BY type, image_id) c ON c.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a derived aggregate with HAVING",
        sql: "SELECT i.name, c.n FROM images i JOIN (SELECT image_id, count(*) AS n FROM image_actions \
              GROUP BY image_id HAVING count(*) > 2) c ON c.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a derived DISTINCT",
        sql: "SELECT i.name, t.type FROM images i JOIN (SELECT DISTINCT image_id, type FROM image_actions) t \
              ON t.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "the newest action of each image, DISTINCT ON",
        sql: "SELECT i.id, t.id, t.type FROM images i LEFT JOIN (SELECT DISTINCT ON (image_id) image_id, id, type \
              FROM image_actions ORDER BY image_id, id DESC) t ON t.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a derived window by image",
        sql: "SELECT i.id, w.id, w.type FROM images i JOIN (SELECT image_id, id, type, \
              row_number() OVER (PARTITION BY image_id ORDER BY id DESC) AS n FROM image_actions) w \
              ON w.image_id = i.id WHERE w.n <= 2",
        ..BOUND
    },
    Shape {
        name: "a derived window by image and type",
        sql: "SELECT i.id, w.id, w.earlier FROM images i LEFT JOIN (SELECT image_id, id, \
              lag(id) OVER (PARTITION BY type, image_id ORDER BY id) AS earlier FROM image_actions \
              WHERE type = 'convert') w ON w.image_id = i.id",
        ..BOUND
    },
    Shape {
        name: "a window above a join",
        sql: "SELECT i.id, a.id FROM images i JOIN image_actions a ON a.image_id = i.id \
              QUALIFY row_number() OVER (PARTITION BY i.id ORDER BY a.started_at DESC, a.id DESC) = 1",
        ..BOUND
    },
    Shape {
        name: "an ordered derived table",
        sql: "SELECT i.name, a.id FROM images i JOIN (SELECT image_id, id FROM image_actions ORDER BY id) a \
              ON a.image_id = i.id",
        ..BOUND
    },
    // Derived tables that keys may not be pushed into.
    Shape {
        name: "a derived window over all images",
        sql: "SELECT i.id, w.id, w.n FROM images i JOIN (SELECT image_id, id, \
              row_number() OVER (ORDER BY id) AS n FROM image_actions) w ON w.image_id = i.id \
              WHERE i.type = 'custom'",
        ..OWN
    },
    Shape {
        name: "a derived aggregate over all images",
        sql: "SELECT i.name, m.type FROM images i JOIN (SELECT type, max(image_id) AS image_id FROM image_actions \
              GROUP BY type) m ON m.image_id = i.id",
        ..OWN
    },
    Shape {
        name: "a derived LIMIT",
        sql: "SELECT i.name, a.id FROM images i JOIN \
              (SELECT image_id, id FROM image_actions ORDER BY id DESC LIMIT 5) a ON a.image_id = i.id",
        ..OWN
    },
    Shape {
        name: "a key that is computed from the actions",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id + a.id - a.id = i.id \
              WHERE i.type = 'custom'",
        ..OWN
    },
    Shape {
        name: "a column that looks like the key",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.resource_id = i.id",
        ..OWN
    },
    Shape {
        name: "one key or another",
        sql: "SELECT i.id, a.id FROM (SELECT id FROM images WHERE type = 'backup') i \
              JOIN image_actions a ON a.image_id = i.id OR a.resource_id = i.id",
        ..OWN
    },
    Shape {
        name: "an inequality of the keys",
        sql: "SELECT count(*) FROM image_actions a JOIN images i ON a.image_id < i.id WHERE i.type = 'backup'",
        ..OWN
    },
    Shape {
        name: "a CROSS JOIN",
        sql: "SELECT i.id, count(*) FROM images i CROSS JOIN image_actions a WHERE i.type = 'backup' GROUP BY i.id",
        ..OWN
    },
    // Chains.
    Shape {
        name: "actions between regions and images",
        sql: "SELECT r.name, i.name, a.id FROM regions r JOIN image_actions a ON a.region_slug = r.slug \
              JOIN images i ON i.id = a.image_id WHERE a.type = 'transfer'",
        ..BOUND
    },
    Shape {
        name: "images, then regions, then actions",
        sql: "SELECT i.id, r.slug, a.id FROM images i CROSS JOIN regions r \
              LEFT JOIN image_actions a ON a.image_id = i.id AND a.region_slug = r.slug AND a.type = 'transfer' \
              WHERE array_has(i.tags, 'golden')",
        asks: Asks::Each(GOLDEN),
        ..BOUND
    },
    Shape {
        name: "actions, and other actions of the same image",
        sql: "SELECT a.id, b.id FROM images i JOIN image_actions a ON a.image_id = i.id AND a.type = 'create' \
              JOIN image_actions b ON b.image_id = a.image_id AND b.started_at < a.started_at",
        ..BOUND
    },
    Shape {
        name: "actions of the image that an action was about",
        sql: "SELECT a.id, b.id FROM images i JOIN image_actions a ON a.image_id = i.id AND a.type = 'image_destroy' \
              JOIN image_actions b ON b.image_id = a.resource_id AND b.type = 'rename'",
        ..BOUND
    },
    Shape {
        name: "the destroyed images whose number a list tells, and what was done to them",
        sql: "SELECT v.id, a.type, i.name FROM (VALUES (62130001), (62137904)) AS v(id) \
              JOIN image_actions a ON a.image_id = v.id LEFT JOIN images i ON i.id = a.image_id",
        asks: Asks::Each("VALUES (62130001), (62137904)"),
        ..BOUND
    },
    Shape {
        name: "three joins, the actions in the middle",
        sql: "SELECT v.note, i.name, r.name, a.id FROM (VALUES ('fra1', 'x'), ('nyc3', 'y')) AS v(slug, note) \
              JOIN regions r ON r.slug = v.slug JOIN image_actions a ON a.region_slug = r.slug \
              JOIN images i ON i.id = a.image_id AND i.type = 'snapshot' AND NOT i.public",
        asks: Asks::Each("SELECT id FROM images WHERE type = 'snapshot' AND NOT public"),
        ..BOUND
    },
    // Self joins on the key.
    Shape {
        name: "a self join of a named image",
        sql: "SELECT a.id, b.id FROM image_actions a JOIN image_actions b ON a.image_id = b.image_id \
              WHERE a.image_id = 62137905",
        asks: Asks::Each("VALUES (62137905)"),
        ..BOUND
    },
    Shape {
        name: "a self join whose images come third",
        sql: "SELECT i.name, a.id, b.id FROM image_actions a JOIN image_actions b ON a.image_id = b.image_id \
              JOIN images i ON i.id = b.image_id \
              WHERE a.type = 'convert' AND b.type = 'create' AND i.type = 'snapshot'",
        asks: Asks::Each("SELECT id FROM images WHERE type = 'snapshot'"),
        ..BOUND
    },
    Shape {
        name: "a self join with images IN a query",
        sql: "SELECT a.id, b.id FROM image_actions a JOIN image_actions b ON a.image_id = b.image_id \
              WHERE a.status = 'errored' AND b.type = 'create' \
              AND a.image_id IN (SELECT id FROM images WHERE array_has(tags, 'golden'))",
        asks: Asks::Each(GOLDEN),
        ..BOUND
    },
    Shape {
        name: "a self join of nothing that is named",
        sql: "SELECT a.id, b.id FROM image_actions a JOIN image_actions b ON a.image_id = b.image_id \
              WHERE a.status = 'errored' AND b.type = 'create'",
        ..OWN
    },
    Shape {
        name: "an aggregate beside its rows",
        sql: "SELECT a.id, c.n FROM images i JOIN image_actions a ON a.image_id = i.id AND a.type = 'create' \
              JOIN (SELECT image_id, count(*) AS n FROM image_actions GROUP BY image_id) c ON c.image_id = a.image_id",
        ..BOUND
    },
    // Literal driving sides.
    Shape {
        name: "ids with duplicates, NULLs, unknown, public and destroyed ones",
        sql: "SELECT v.id, a.id, a.type FROM (VALUES (62137904), (NULL), (62137904), (7), (999), (198012311), \
              (62130001), (62137903)) AS v(id) JOIN image_actions a ON a.image_id = v.id",
        asks: Asks::Each("VALUES (62137904), (7), (999), (198012311), (62130001), (62137903)"),
        ..BOUND
    },
    Shape {
        name: "ids of type DOUBLE, NaN and fractions among them",
        sql: "SELECT v.id, a.id FROM (VALUES (CAST('NaN' AS DOUBLE)), (62137904.0), (1.5), (NULL), (62137905.0)) \
              AS v(id) JOIN image_actions a ON a.image_id = v.id",
        asks: Asks::Each("VALUES (62137904), (62137905)"),
        ..BOUND
    },
    Shape {
        name: "ids of type INT",
        sql: "SELECT v.id, a.id FROM (VALUES (CAST(62137904 AS INT)), (CAST(62130001 AS INT))) AS v(id) \
              LEFT JOIN image_actions a ON a.image_id = v.id",
        asks: Asks::Each("VALUES (62137904), (62130001)"),
        ..BOUND
    },
    Shape {
        name: "ids of type SMALLINT",
        sql: "SELECT v.id, a.id FROM (VALUES (CAST(7 AS SMALLINT)), (CAST(999 AS SMALLINT))) AS v(id) \
              LEFT JOIN image_actions a ON a.image_id = v.id",
        asks: Asks::Each("VALUES (7), (999)"),
        ..BOUND
    },
    Shape {
        name: "ids that are text",
        sql: "SELECT v.id, a.id FROM (VALUES ('62137904'), ('62130001'), (NULL), ('62137904')) AS v(id) \
              JOIN image_actions a ON a.image_id = v.id",
        asks: Asks::Each("VALUES (62137904), (62130001)"),
        ..BOUND
    },
    Shape {
        name: "ids that are text, and are tried",
        sql: "SELECT v.id, a.id FROM (VALUES ('62137904'), ('none'), ('62130001')) AS v(id) \
              LEFT JOIN image_actions a ON a.image_id = TRY_CAST(v.id AS BIGINT)",
        asks: Asks::Each("VALUES (62137904), (62130001)"),
        ..BOUND
    },
    Shape {
        name: "the key as text",
        sql: "SELECT v.id, a.id FROM (VALUES ('62137904'), ('none'), ('62137905')) AS v(id) \
              JOIN image_actions a ON CAST(a.image_id AS VARCHAR) = v.id",
        asks: Asks::Each("VALUES (62137904), (62137905)"),
        ..BOUND
    },
    Shape {
        name: "ids that are text and no number",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.name",
        answer: Answer::Fails("TRY_CAST"),
        asks: Asks::Only(&[]),
        ..BOUND
    },
    Shape {
        name: "keys that are equal or both NULL",
        sql: "SELECT i.id, a.id FROM (SELECT id FROM images WHERE NOT public) i \
              JOIN image_actions a ON a.image_id IS NOT DISTINCT FROM i.id",
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "a deploy log: was the image there in time?",
        sql: "SELECT p.release, p.region, CASE WHEN min(a.completed_at) IS NULL THEN 'never copied' \
              WHEN min(a.completed_at) > p.deployed_at THEN 'too early' ELSE 'ok' END AS verdict \
              FROM (VALUES ('r1', 62137904, 'ams3', TIMESTAMP '2026-01-01T00:00:00Z'), \
              ('r2', 62137902, 'fra1', TIMESTAMP '2026-02-01T00:00:00Z'), \
              ('r3', 999, 'fra1', TIMESTAMP '2026-02-01T00:00:00Z')) AS p(release, image_id, region, deployed_at) \
              LEFT JOIN image_actions a ON a.image_id = p.image_id AND a.region_slug = p.region \
              AND a.type = 'transfer' AND a.status = 'completed' GROUP BY p.release, p.region, p.deployed_at",
        asks: Asks::Each("VALUES (62137904), (62137902), (999)"),
        ..BOUND
    },
    Shape {
        name: "the regions of an image, unnested",
        sql: "SELECT t.id, t.region, a.id FROM (SELECT id, unnest(regions) AS region FROM images WHERE NOT public) t \
              LEFT JOIN image_actions a ON a.image_id = t.id AND a.region_slug = t.region",
        asks: Asks::AtMost(OWN_IMAGES),
        ..BOUND
    },
    // Literal image ids.
    Shape {
        name: "images by name, without a join",
        sql: "SELECT * FROM image_actions WHERE image_id IN (62137902, 62137906, 198012311, 62130001, 999)",
        asks: Asks::Each("VALUES (62137902), (62137906), (198012311), (62130001), (999)"),
        ..BOUND
    },
    Shape {
        name: "images by name and by a join",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id \
              WHERE a.image_id IN (62137904, 62137905, 198012311)",
        asks: Asks::Each("VALUES (62137904), (62137905), (198012311)"),
        ..BOUND
    },
    Shape {
        name: "an image that both sides name",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id \
              WHERE i.id = 62137907 AND a.image_id = 62137907",
        asks: Asks::Each("VALUES (62137907)"),
        ..BOUND
    },
    Shape {
        name: "sides that name different images",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id \
              WHERE i.id = 62137907 AND a.image_id = 62137904",
        asks: Asks::Only(&[]),
        ..BOUND
    },
    Shape {
        name: "named images and, in a union, all of them",
        sql: "SELECT id FROM image_actions WHERE image_id = 62130001 UNION ALL SELECT id FROM image_actions",
        answer: Answer::As(
            "SELECT id FROM image_actions WHERE image_id = 62130001 UNION ALL SELECT id FROM own_image_actions",
        ),
        asks: Asks::Each("SELECT 62130001 UNION ALL SELECT id FROM images WHERE NOT public"),
        ..BOUND
    },
    // No image id.
    Shape { name: "a count of all actions", sql: "SELECT count(*) FROM image_actions", ..OWN },
    Shape { name: "all actions", sql: "SELECT * FROM image_actions", ..OWN },
    Shape {
        name: "all actions by image",
        sql: "SELECT image_id, count(*), max(started_at) FROM image_actions GROUP BY image_id",
        ..OWN
    },
    Shape { name: "all actions that failed", sql: "SELECT id FROM image_actions WHERE status = 'errored'", ..OWN },
    Shape {
        name: "a range of images",
        sql: "SELECT id FROM image_actions WHERE image_id > 62137904 AND image_id <> 62137906",
        asks: Asks::AtMost(OWN_IMAGES),
        ..OWN
    },
    Shape {
        name: "an image or something else",
        sql: "SELECT id FROM image_actions WHERE image_id = 62137904 OR status = 'errored'",
        ..OWN
    },
    Shape {
        name: "the newest of all actions",
        sql: "SELECT id, image_id, type FROM image_actions ORDER BY id DESC LIMIT 7",
        order: Order::Total,
        ..OWN
    },
    Shape {
        name: "a few of all actions",
        sql: "SELECT id, type FROM image_actions LIMIT 5",
        order: Order::SomeOf("SELECT id, type FROM own_image_actions"),
        asks: Asks::AtMost(OWN_IMAGES),
        ..OWN
    },
    Shape {
        name: "an action that is named alone",
        sql: "SELECT * FROM image_actions WHERE action_id = 36804636",
        asks: Asks::Only(&["GET /v2/actions/36804636"]),
        ..BOUND
    },
    Shape {
        name: "an action that is not there",
        sql: "SELECT * FROM image_actions WHERE id = 1",
        asks: Asks::Only(&["GET /v2/actions/1"]),
        ..BOUND
    },
    Shape {
        name: "actions that the other side names alone",
        sql: "SELECT v.id, a.image_id FROM (VALUES (36804636), (36805527), (NULL), (1), (36804636)) AS v(id) \
              LEFT JOIN image_actions a ON a.id = v.id",
        asks: Asks::Only(&["GET /v2/actions/1", "GET /v2/actions/36804636", "GET /v2/actions/36805527"]),
        ..BOUND
    },
    // ORDER BY, LIMIT, aggregates above.
    Shape {
        name: "a join under ORDER BY and LIMIT",
        sql: "SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id ORDER BY a.id DESC LIMIT 10",
        order: Order::Total,
        ..BOUND
    },
    Shape {
        name: "a LEFT JOIN under ORDER BY",
        sql: "SELECT i.id, a.id FROM images i LEFT JOIN image_actions a ON a.image_id = i.id ORDER BY i.id, a.id",
        order: Order::Total,
        ..BOUND
    },
    Shape {
        name: "a join under LIMIT",
        sql: "SELECT i.id, a.id FROM images i JOIN image_actions a ON a.image_id = i.id LIMIT 3",
        order: Order::SomeOf("SELECT i.id, a.id FROM images i JOIN image_actions a ON a.image_id = i.id"),
        asks: Asks::AtMost(ALL),
        ..BOUND
    },
    Shape {
        name: "a LEFT JOIN under LIMIT",
        sql: "SELECT i.id, a.id FROM images i LEFT JOIN image_actions a ON a.image_id = i.id LIMIT 30",
        order: Order::SomeOf("SELECT i.id, a.id FROM images i LEFT JOIN image_actions a ON a.image_id = i.id"),
        asks: Asks::AtMost(ALL),
        ..BOUND
    },
    Shape {
        name: "a join under LIMIT and OFFSET",
        sql: "SELECT i.id, a.id FROM images i JOIN image_actions a ON a.image_id = i.id LIMIT 4 OFFSET 20",
        order: Order::SomeOf("SELECT i.id, a.id FROM images i JOIN image_actions a ON a.image_id = i.id"),
        asks: Asks::AtMost(ALL),
        ..BOUND
    },
    Shape {
        name: "an aggregate above a join",
        sql: "SELECT i.type, a.type, count(*) AS n, count(DISTINCT i.id) AS images FROM images i \
              JOIN image_actions a ON a.image_id = i.id GROUP BY i.type, a.type HAVING count(*) > 1",
        ..BOUND
    },
    Shape {
        name: "an aggregate above a join of a join",
        sql: "SELECT r.name, count(*) AS n, count(a.completed_at) AS ended FROM images i \
              JOIN image_actions a ON a.image_id = i.id JOIN regions r ON r.slug = a.region_slug \
              WHERE NOT i.public GROUP BY r.name ORDER BY n DESC, r.name",
        order: Order::Total,
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "a join in a derived table, joined again",
        sql: "SELECT i.name, t.n FROM (SELECT i.id, count(*) AS n FROM images i \
              JOIN image_actions a ON a.image_id = i.id GROUP BY i.id) t JOIN images i ON i.id = t.id WHERE t.n > 3",
        ..BOUND
    },
    Shape {
        name: "a union of two joins",
        sql: "SELECT i.id, a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.type = 'backup' \
              UNION ALL SELECT v.id, a.id FROM (VALUES (62130001), (7555620)) AS v(id) \
              JOIN image_actions a ON a.image_id = v.id",
        asks: Asks::Each("SELECT id FROM images WHERE type = 'backup' UNION ALL SELECT 62130001"),
        ..BOUND
    },
    // The same with droplets.
    Shape {
        name: "droplets joined to their actions",
        sql: "SELECT d.name, a.id, a.type FROM droplets d JOIN droplet_actions a ON a.droplet_id = d.id",
        ..DROPLETS
    },
    Shape {
        name: "droplets without an action",
        sql: "SELECT d.name FROM droplets d WHERE NOT EXISTS \
              (SELECT 1 FROM droplet_actions a WHERE a.droplet_id = d.id)",
        ..DROPLETS
    },
    Shape {
        name: "actions of droplets by status",
        sql: "SELECT type, count(*) FROM droplet_actions WHERE droplet_id IN \
              (SELECT id FROM droplets WHERE status = 'active') GROUP BY type",
        asks: Asks::Each("SELECT id FROM droplets WHERE status = 'active'"),
        ..DROPLETS
    },
    Shape { name: "all actions of droplets", sql: "SELECT count(*), max(id) FROM droplet_actions", ..DROPLETS },
    Shape {
        name: "the images of droplets",
        sql: "SELECT d.name, a.id FROM droplets d JOIN image_actions a ON a.image_id = d.image['id']",
        asks: Asks::Each("SELECT image['id'] FROM droplets"),
        ..BOUND
    },
    Shape {
        name: "the images that snapshots are",
        sql: "SELECT s.name, a.id FROM snapshots s JOIN image_actions a ON a.image_id = TRY_CAST(s.id AS BIGINT)",
        asks: Asks::Each("SELECT TRY_CAST(id AS BIGINT) FROM snapshots"),
        ..BOUND
    },
    // Typical questions.
    Shape {
        name: "stuck or failed",
        sql: "SELECT i.name, a.type, a.status, a.region_slug, \
              TIMESTAMP '2026-07-01T00:00:00Z' - a.started_at AS age, a.id \
              FROM images i JOIN image_actions a ON a.image_id = i.id \
              WHERE NOT i.public AND a.status <> 'completed' ORDER BY age DESC, a.id",
        order: Order::Total,
        asks: Asks::Each(OWN_IMAGES),
        ..BOUND
    },
    Shape {
        name: "how long transfers take, by region",
        sql: "SELECT r.name, count(*) AS n, approx_percentile_cont(0.95) WITHIN GROUP \
              (ORDER BY date_part('epoch', a.completed_at - a.started_at)) AS p95_s \
              FROM image_actions a JOIN regions r ON r.slug = a.region_slug \
              WHERE a.type = 'transfer' AND a.status = 'completed' GROUP BY r.name",
        ..OWN
    },
    Shape {
        name: "golden images, and the regions where they are missing",
        sql: "SELECT i.id, i.name, r.slug AS missing_in FROM images i CROSS JOIN regions r \
              WHERE array_has(i.tags, 'golden') AND array_has(r.features, 'image_transfer') \
              AND NOT array_has(i.regions, r.slug)",
        asks: Asks::Only(&[]),
        ..BOUND
    },
    Shape {
        name: "the week in review",
        sql: "SELECT date_trunc('day', started_at) AS day, resource_type, type, count(*) AS n, \
              count(*) FILTER (WHERE status = 'errored') AS failed FROM digitalocean.account.actions \
              WHERE started_at > TIMESTAMP '2026-06-24T00:00:00Z' GROUP BY 1, 2, 3",
        asks: Asks::Each("SELECT id FROM images WHERE false"),
        ..BOUND
    },
    Shape {
        name: "snapshots whose droplet is gone",
        sql: "SELECT s.id, s.name, s.size_gigabytes FROM snapshots s \
              LEFT JOIN droplets d ON CAST(d.id AS VARCHAR) = s.resource_id \
              WHERE s.resource_type = 'droplet' AND d.id IS NULL",
        asks: Asks::Only(&[]),
        ..BOUND
    },
];

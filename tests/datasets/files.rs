//! Formats, folders, and files that come and go.

use std::io::Write;

use oceanflight::datasets::{FileKind, FileOptions};
use serde_json::{Value, json};

use super::{Files, numbered, parquet};
use crate::support::{json, single};

const ROWS: &str = "SELECT * FROM t ORDER BY id";

fn two_rows() -> Vec<Value> {
    vec![json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "b"})]
}

async fn rows_of(files: &Files, sql: &str) -> Vec<Value> {
    let stage = files.stage().await;
    stage.engine.check_datasets().await.unwrap();
    json(&stage.rows(sql).await)
}

#[tokio::test]
async fn each_format_is_read_with_types() {
    let gzip = |text: &str| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap()
    };
    let batch = arrow::json::ReaderBuilder::new(numbered(0, 0).schema());
    let batch = batch.build(&br#"{"id":1,"name":"a"}{"id":2,"name":"b"}"#[..]).unwrap().next().unwrap().unwrap();
    let mut arrow_file = Vec::new();
    let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut arrow_file, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let mut arrow_stream = Vec::new();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut arrow_stream, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    for (name, bytes) in [
        ("t.csv", b"id,name\n1,a\n2,b\n".to_vec()),
        ("with_mark.csv", b"\xef\xbb\xbfid,name\r\n1,a\r\n2,\"b\"\r\n".to_vec()),
        ("t.tsv", b"id\tname\n1\ta\n2\tb\n".to_vec()),
        ("t.csv.gz", gzip("id,name\n1,a\n2,b\n")),
        ("t.jsonl", b"{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"b\"}\n".to_vec()),
        ("t.json", b"\n [{\"id\":1,\"name\":\"a\"},\n {\"id\":2,\"name\":\"b\"}]".to_vec()),
        ("t.ndjson.gz", gzip("{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"b\"}\n")),
        ("list.json.gz", gzip("[{\"id\":1,\"name\":\"a\"},{\"id\":2,\"name\":\"b\"}]")),
        ("t.parquet", parquet(&batch, 1)),
        ("t.arrow", arrow_file),
        ("t.arrows", arrow_stream),
    ] {
        let files = Files::new().dataset("t", name);
        files.write(name, bytes);
        assert_eq!(rows_of(&files, ROWS).await, two_rows(), "{name}");
    }
}

#[tokio::test]
async fn a_folder_is_read_with_its_subfolders_and_without_the_files_of_tools() {
    let files = Files::new().dataset("t", "data");
    files.write("data/a.csv", "id,name\n1,a\n");
    files.write("data/deep/er/b.csv", "id,name\n2,b\n");
    files.write("data/_SUCCESS", "");
    files.write("data/.a.csv.crc", "x");

    assert_eq!(rows_of(&files, ROWS).await, two_rows());
}

#[tokio::test]
async fn a_pattern_selects_files() {
    let files = Files::new().dataset("t", "data/*.csv").dataset("brackets", "data/c[1].csv");
    files.write("data/a.csv", "id,name\n1,a\n");
    files.write("data/b.csv", "id,name\n2,b\n");
    files.write("data/notes.txt", "hello");
    files.write("data/deep/c.csv", "id,name\n3,c\n");

    assert_eq!(json(&files.stage().await.rows(ROWS).await), two_rows());
    files.write("data/c[1].csv", "id\n7\n");
    assert_eq!(json(&files.stage().await.rows("SELECT * FROM brackets").await), [json!({"id": 7})]);
}

#[tokio::test]
async fn the_keys_of_folders_are_columns_and_select_files() {
    let files = Files::new().dataset("t", "data");
    for (folder, id) in
        [("year=2026/city=a%20b", 1), ("year=2026/city=c", 2), ("year=2025/city=__HIVE_DEFAULT_PARTITION__", 3)]
    {
        files.write(&format!("data/{folder}/x.csv"), format!("id\n{id}\n"));
    }
    let stage = files.stage().await;

    let rows = json(&stage.rows(ROWS).await);
    assert_eq!(
        rows,
        [
            json!({"id": 1, "year": 2026, "city": "a b"}),
            json!({"id": 2, "year": 2026, "city": "c"}),
            json!({"id": 3, "year": 2025, "city": null}),
        ]
    );
    for (filter, ids) in [
        ("year = 2026", vec![1, 2]),
        ("city = 'a b'", vec![1]),
        ("city IS NULL", vec![3]),
        ("city IS NOT NULL AND year > 2025", vec![1, 2]),
        ("city = 'c' AND id = 2", vec![2]),
        ("city = 'c' OR id = 3", vec![2, 3]),
        ("year = 1999", vec![]),
        ("city || 'x' = 'cx'", vec![2]),
        ("year IN (SELECT max(year) FROM t)", vec![1, 2]),
    ] {
        let rows = stage.rows(&format!("SELECT id FROM t AS alias WHERE {filter} ORDER BY id")).await;
        assert_eq!(crate::support::integers(&rows, "id"), ids, "{filter}");
    }
    let plan = stage.rows("EXPLAIN SELECT id FROM t WHERE city = 'c'").await;
    let plan = format!("{:?}", json(&plan));
    assert!(plan.contains("city=c/x.csv") && !plan.contains("city=a"), "{plan}");
}

#[tokio::test]
async fn files_that_come_change_and_go_are_seen_by_the_next_statement() {
    let files = Files::new().dataset("t", "data");
    files.write("data/a.csv", "id,name\n1,a\n");
    let stage = files.stage().await;
    let count = async || single(&stage.rows("SELECT count(*) FROM t").await);
    assert_eq!(count().await, 1);

    files.write("data/b.csv", "id,name\n2,b\n");
    assert_eq!(count().await, 2);
    files.write("data/b.csv", "id,name\n2,b\n3,c\n");
    assert_eq!(count().await, 3);
    std::fs::remove_file(files.path().join("data/b.csv")).unwrap();
    assert_eq!(count().await, 1);
    // A type that fits both.
    files.write("data/c.csv", "id,name\n1.5,c\n");
    assert_eq!(json(&stage.rows("SELECT max(id) AS m FROM t").await), [json!({"m": 1.5})]);
}

#[tokio::test]
async fn files_in_subqueries_and_descriptions_are_those_of_now_too() {
    let files = Files::new().dataset("t", "data").view("v", "SELECT * FROM t");
    files.write("data/a.csv", "id\n1\n");
    let stage = files.stage().await;
    let statements = [
        "SELECT (SELECT count(*) FROM t) AS n",
        "SELECT count(*) AS n FROM range(0, 10) AS r(x) WHERE x IN (SELECT id FROM t)",
        "WITH w AS (SELECT * FROM t) SELECT count(*) AS n FROM w",
        "SELECT count(*) AS n FROM v",
        "SELECT count(*) AS n FROM (VALUES (1)) AS o WHERE EXISTS (SELECT 1 FROM t WHERE id = 2)",
    ];
    for sql in statements {
        stage.rows(sql).await;
    }
    let described = json(&stage.rows("DESCRIBE t").await);
    let bound = arrow::array::RecordBatch::try_from_iter([(
        "1",
        std::sync::Arc::new(arrow::array::Int64Array::from(vec![0])) as _,
    )])
    .unwrap();
    let counted = async || {
        let run = stage
            .engine
            .run(&oceanflight::engine::Principal::local(), "SELECT count(*) AS n FROM t WHERE id > ?", Some(&bound))
            .await;
        let rows: Vec<_> = futures::TryStreamExt::try_collect(run.unwrap().rows).await.unwrap();
        single(&rows[0])
    };
    assert_eq!(counted().await, 1);

    files.write("data/b.csv", "id\n2\n");
    let numbers = [2, 2, 2, 2, 1];
    for (sql, n) in statements.into_iter().zip(numbers) {
        assert_eq!(json(&stage.rows(sql).await), [json!({"n": n})], "{sql}");
    }
    assert_eq!(counted().await, 2);
    files.write("data/a.csv", "id\nx\n");
    assert_ne!(json(&stage.rows("DESCRIBE t").await), described);
}

#[tokio::test]
async fn declared_columns_replace_the_inferred_ones() {
    let columns = |columns: &[(&str, &str)]| FileOptions {
        columns: Some(columns.iter().map(|(name, data_type)| ((*name).to_owned(), (*data_type).to_owned())).collect()),
        ..FileOptions::default()
    };
    let files = Files::new()
        .dataset_with("t", "t.csv", columns(&[("id", "VARCHAR"), ("at", "TIMESTAMP"), ("price", "DECIMAL(10, 2)")]))
        .dataset_with("p", "p.parquet", columns(&[("id", "VARCHAR")]))
        .dataset_with(
            "plain",
            "plain.csv",
            FileOptions { has_header: false, delimiter: Some(b';'), ..columns(&[("a", "BIGINT"), ("b", "BIGINT")]) },
        )
        .dataset_with("log", "log", FileOptions { kind: Some(FileKind::Json), ..FileOptions::default() });
    files.write("t.csv", "id,at,price\n007,2026-11-27T10:00:00,1.10\n,,\n");
    files.write("p.parquet", parquet(&numbered(5, 2), 10));
    files.write("plain.csv", "1;2\n3;4\n");
    files.write("log", "{\"a\": 1}\n");
    let stage = files.stage().await;
    stage.engine.check_datasets().await.unwrap();

    assert_eq!(
        json(&stage.rows("SELECT * FROM t").await),
        [
            json!({"id": "007", "at": "2026-11-27T10:00:00", "price": 1.1}),
            json!({"id": null, "at": null, "price": null})
        ]
    );
    assert_eq!(json(&stage.rows("SELECT max(id) AS id FROM p").await), [json!({"id": "6"})]);
    assert_eq!(
        json(&stage.rows("SELECT * FROM plain ORDER BY a").await),
        [json!({"a": 1, "b": 2}), json!({"a": 3, "b": 4})]
    );
    assert_eq!(json(&stage.rows("SELECT * FROM log").await), [json!({"a": 1})]);
}

#[tokio::test]
async fn a_filter_leaves_out_row_groups_and_counts_are_read_from_the_footer() {
    let files = Files::new().dataset("t", "t.parquet");
    files.write("t.parquet", parquet(&numbered(0, 10_000), 1_000));
    let stage = files.stage().await;

    let plan = format!("{:?}", json(&stage.rows("EXPLAIN ANALYZE SELECT name FROM t WHERE id = 4321").await));
    assert!(plan.contains("row_groups_pruned_statistics=10 total → 1 matched"), "{plan}");
    let plan = format!("{:?}", json(&stage.rows("EXPLAIN SELECT count(*) FROM t").await));
    assert!(plan.contains("PlaceholderRowExec"), "{plan}");
    assert_eq!(single(&stage.rows("SELECT count(*) FROM t").await), 10_000);
}

#[tokio::test]
async fn a_large_file_is_read_by_several_cores() {
    let files = Files::new().dataset("t", "t.csv");
    files.write("t.csv", "id\n".to_owned() + &"1\n".repeat(10));
    let stage = files.stage().await;

    let plan = format!("{:?}", json(&stage.rows("EXPLAIN SELECT id, count(*) FROM t GROUP BY id").await));
    assert!(plan.contains("RoundRobinBatch"), "{plan}");
}

#[tokio::test]
async fn a_large_list_of_json_is_read_whole() {
    let files = Files::new().dataset("t", "t.json");
    let objects: Vec<_> = (0..100_000).map(|id| format!("{{\"id\": {id}, \"text\": \"the number {id}\"}}")).collect();
    files.write("t.json", format!("[{}]", objects.join(",\n")));
    let stage = files.stage().await;

    let rows = stage.rows("SELECT count(*) AS n, sum(id) AS s, max(text) AS m FROM t").await;
    assert_eq!(json(&rows), [json!({"n": 100_000, "s": 4_999_950_000_i64, "m": "the number 99999"})]);
}

#[tokio::test]
async fn line_breaks_within_quotes_belong_to_the_value() {
    let files = Files::new().dataset("t", "t.csv");
    let mut text = "id,name\n".to_owned();
    // Above the size from which DataFusion splits a file.
    for id in 0..300_000 {
        text += &format!("{id},\"line 1 of {id}\nline 2, with more\"\n");
    }
    files.write("t.csv", &text);
    let stage = files.stage().await;

    let rows = stage.rows("SELECT count(*) AS n, sum(id) AS s, min(length(name)) AS l FROM t").await;
    assert_eq!(json(&rows), [json!({"n": 300_000, "s": 44_999_850_000_i64, "l": 29})]);
}

#[tokio::test]
async fn names_with_quotes_and_spaces_are_names() {
    let files = Files::new().dataset("my \"own\" data", "a b'c.csv");
    files.write("a b'c.csv", "id,a \"b\"\n1,2\n");
    let stage = files.stage().await;
    stage.engine.check_datasets().await.unwrap();

    let rows = stage.rows(r#"SELECT * FROM datasets.public."my ""own"" data""#).await;
    assert_eq!(json(&rows), [json!({"id": 1, "a \"b\"": 2})]);
}

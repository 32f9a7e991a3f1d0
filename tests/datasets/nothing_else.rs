//! Nothing else of the machine can be reached by SQL.

use oceanflight::engine::Principal;

use super::Files;

/// Statements that DataFusion or other engines know, and that read or write files or change the session.
fn statements(path: &str) -> Vec<String> {
    [
        "SELECT * FROM 'PATH'",
        "SELECT * FROM \"PATH\"",
        "SELECT * FROM \"file://PATH\"",
        "SELECT * FROM datasets.public.\"PATH\"",
        "SELECT * FROM datasets.\"PATH\".x",
        "SELECT * FROM read_csv('PATH')",
        "SELECT * FROM read_parquet('PATH')",
        "SELECT * FROM parquet_metadata('PATH')",
        "SELECT * FROM TABLE(read_csv('PATH'))",
        "SELECT read_text('PATH')",
        "SELECT * FROM (SELECT * FROM \"PATH\")",
        "WITH x AS (SELECT * FROM \"PATH\") SELECT * FROM x",
        "SELECT 1 WHERE EXISTS (SELECT * FROM \"PATH\")",
        "SELECT 1 UNION ALL SELECT x FROM \"PATH\"",
        "COPY (SELECT 1) TO 'PATH'",
        "COPY mine TO 'PATH' STORED AS CSV",
        "COPY mine FROM 'PATH'",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION 'PATH'",
        "CREATE EXTERNAL TABLE datasets.public.x (id INT) STORED AS CSV LOCATION 'PATH'",
        "CREATE OR REPLACE EXTERNAL TABLE mine STORED AS CSV LOCATION 'PATH'",
        "CREATE VIEW x AS SELECT 1",
        "CREATE SCHEMA datasets.x",
        "CREATE DATABASE x",
        "CREATE FUNCTION f(INT) RETURNS INT RETURN $1",
        "INSERT INTO mine VALUES (1)",
        "INSERT INTO datasets.public.mine SELECT 1",
        "INSERT OVERWRITE DIRECTORY 'PATH' SELECT 1",
        "DELETE FROM datasets.public.mine",
        "UPDATE datasets.public.mine SET id = 1",
        "TRUNCATE TABLE datasets.public.mine",
        "ALTER TABLE datasets.public.mine ADD COLUMN x INT",
        "SET datafusion.catalog.location = 'PATH'",
        "SET datafusion.execution.parquet.pushdown_filters = true",
        "RESET datafusion.catalog.location",
        "LOAD DATA INPATH 'PATH' INTO TABLE mine",
        "ATTACH 'PATH' AS x",
        "PREPARE p AS SELECT * FROM \"PATH\"",
        "EXECUTE p",
        "DESCRIBE \"PATH\"",
        "SHOW COLUMNS FROM \"PATH\"",
        "ANALYZE TABLE mine COMPUTE STATISTICS",
        "MSCK REPAIR TABLE mine",
        "VACUUM mine",
    ]
    .iter()
    .map(|sql| sql.replace("PATH", path))
    .collect()
}

#[tokio::test]
async fn no_statement_reads_or_writes_a_file_that_is_not_declared() {
    let files = Files::new().dataset("mine", "mine.csv");
    files.write("mine.csv", "id\n1\n");
    files.write("secret.csv", "x\n42\n");
    let before = std::fs::read_dir(files.path()).unwrap().count();
    let path = files.path().join("secret.csv");
    let path = path.to_str().unwrap();

    let stage = files.stage().await;
    for sql in statements(path) {
        for form in ["{}", "EXPLAIN {}", "EXPLAIN ANALYZE {}", "EXPLAIN VERBOSE {}"] {
            let sql = form.replace("{}", &sql);
            let prepared = stage.engine.prepare(&Principal::local(), &sql).await.err();
            assert!(prepared.is_some(), "`{sql}` was prepared");
            stage.error(&sql).await;
            assert!(stage.engine.update(&Principal::local(), &sql, None).await.is_err(), "`{sql}` was an update");
        }
        let view = Files::new().view("v", &sql);
        let error = view.stage().await.error("SELECT * FROM datasets.public.v").await;
        assert!(error.report().contains("the view `v`"), "{sql}: {}", error.report());
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), "x\n42\n");
    assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), before);
}

//! Files that are missing, broken or different: an error that names the file, never fewer rows.

use oceanflight::datasets::FileOptions;
use oceanflight::error::Kind;

use super::{Files, numbered, parquet};
use crate::support::single;

const COUNT: &str = "SELECT count(id), max(id) FROM t";

#[tokio::test]
async fn a_missing_path_and_an_empty_folder_are_errors() {
    let files = Files::new().dataset("t", "no/such.csv");
    insta::assert_snapshot!(files.error_at_start(COUNT).await, @r#"
    the dataset `t` has no files: there is nothing at no/such.csv
    hint: a relative path is one from the settings file, or for --dataset from the working directory
    "#);
    let files = Files::new().dataset("t", "data");
    files.write("data/_SUCCESS", "");
    insta::assert_snapshot!(files.error_at_start(COUNT).await, @r#"
    the dataset `t` has no files: there is nothing at data
    hint: a relative path is one from the settings file, or for --dataset from the working directory
    "#);
    let files = Files::new().dataset("t", "*.csv");
    insta::assert_snapshot!(files.error_at_start(COUNT).await, @r#"
    the dataset `t` has no files: there is nothing at *.csv
    hint: a relative path is one from the settings file, or for --dataset from the working directory
    "#);
}

#[tokio::test]
async fn a_parquet_file_that_is_cut_short_is_an_error() {
    let whole = parquet(&numbered(0, 1_000), 100);
    for length in [0, 3, 4, 11, 12, whole.len() / 2, whole.len() - 1] {
        let files = Files::new().dataset("t", "data");
        files.write("data/a.parquet", &whole);
        files.write("data/b.parquet", &whole[..length]);
        let error = files.error_at_start(COUNT).await;
        assert!(error.starts_with("…/data/b.parquet can't be read: "), "{length}: {error}");
    }
}

#[tokio::test]
async fn pages_of_parquet_that_are_broken_are_an_error_when_they_are_read() {
    let mut bytes = parquet(&numbered(0, 1_000), 100);
    let middle = bytes.len() / 4;
    bytes[middle..middle + 400].fill(0xff);
    let files = Files::new().dataset("t", "t.parquet");
    files.write("t.parquet", bytes);
    let stage = files.stage().await;
    stage.engine.check_datasets().await.unwrap();

    let error = stage.error("SELECT id, name FROM t WHERE name <> 'x'").await;
    assert_eq!(error.kind(), Kind::DataLoss);
    assert!(files.report(&error).starts_with("…/t.parquet can't be read: "), "{}", files.report(&error));
}

#[tokio::test]
async fn an_arrow_stream_that_is_cut_between_two_batches_is_an_error() {
    let batch = numbered(0, 10);
    let mut whole = Vec::new();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut whole, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.flush().unwrap();
    let one = writer.get_ref().len();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    for length in [one, one + 2, whole.len() - 8, whole.len() - 1] {
        let files = Files::new().dataset("t", "t.arrows");
        files.write("t.arrows", &whole[..length]);
        let error = files.error_at_start(COUNT).await;
        assert!(error.starts_with("…/t.arrows can't be read: "), "{length}: {error}");
    }
}

#[tokio::test]
async fn files_whose_structs_have_other_names_are_an_error() {
    let files = Files::new().dataset("t", "data");
    for (file, name) in [("a", "name"), ("b", "title")] {
        let text = format!("{{\"id\": 1, \"o\": {{\"id\": 1, \"{name}\": \"x\"}}}}");
        let mut reader = arrow::json::ReaderBuilder::new(std::sync::Arc::new(
            arrow::json::reader::infer_json_schema(text.as_bytes(), None).unwrap().0,
        ));
        reader = reader.with_batch_size(10);
        let batch = reader.build(text.as_bytes()).unwrap().next().unwrap().unwrap();
        files.write(&format!("data/{file}.parquet"), parquet(&batch, 1));
    }
    let error = files.error_at_start("SELECT * FROM t").await;
    assert!(
        error.starts_with("the columns of …/data/b.parquet differ from those of …/data/a.parquet: `o` is"),
        "{error}"
    );
}

#[tokio::test]
async fn rows_of_csv_with_more_or_fewer_values_are_an_error() {
    for (name, text) in [("more", "id,name\n1,a\n2,b,c\n"), ("fewer", "id,name\n1,a\n2\n")] {
        let files = Files::new().dataset("t", "t.csv");
        files.write("t.csv", text);
        let error = files.error_at_start(COUNT).await;
        assert!(error.starts_with("…/t.csv can't be read: ") && error.contains("at line 3"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_ragged_row_beyond_the_sample_is_an_error_when_it_is_read() {
    let files = Files::new().dataset("t", "t.csv");
    files.write("t.csv", "id,name\n".to_owned() + &"1,a\n".repeat(30_000) + "2\n" + "3,c\n");
    let stage = files.stage().await;
    stage.engine.check_datasets().await.unwrap();

    let error = stage.error(COUNT).await;
    assert_eq!(error.kind(), Kind::DataLoss);
    insta::assert_snapshot!(files.report(&error), @"…/t.csv can't be read: incorrect number of fields for line 30002, expected 2 got 1");
}

#[tokio::test]
async fn a_value_of_another_type_beyond_the_sample_is_an_error_with_a_hint() {
    let files = Files::new().dataset("t", "t.csv");
    files.write("t.csv", "id,name\n".to_owned() + &"1,a\n".repeat(30_000) + "x,b\n");
    let stage = files.stage().await;
    stage.engine.check_datasets().await.unwrap();

    insta::assert_snapshot!(files.report(&stage.error(COUNT).await), @r#"
    …/t.csv can't be read: Error while parsing value 'x' as type 'Int64' for column 0 at line 30001. Row data: '[x,b]'
    hint: give the column another type in `columns` of the dataset, such as VARCHAR
    "#);
}

#[tokio::test]
async fn files_of_different_columns_are_an_error_that_names_both() {
    let files = Files::new().dataset("t", "data");
    files.write("data/a.csv", "id,name\n1,a\n");
    files.write("data/b.csv", "name,id\nb,2\n");
    insta::assert_snapshot!(files.error_at_start(COUNT).await, @r#"
    the columns of …/data/b.csv differ from those of …/data/a.csv: column 1 is `name`, not `id`
    hint: declare a dataset for each, or give the dataset its `columns` in the settings file
    "#);

    let files = Files::new().dataset("t", "data");
    files.write("data/a.parquet", parquet(&numbered(0, 1), 1));
    files.write("data/b.parquet", parquet(&numbered(0, 1).project(&[0]).unwrap(), 1));
    insta::assert_snapshot!(files.error_at_start(COUNT).await, @r#"
    the columns of …/data/b.parquet differ from those of …/data/a.parquet: it has no `name`
    hint: declare a dataset for each, or give the dataset its `columns` in the settings file
    "#);
}

#[tokio::test]
async fn a_file_of_other_columns_that_comes_later_is_an_error_of_the_next_statement() {
    let files = Files::new().dataset("t", "data");
    files.write("data/a.csv", "id,name\n1,a\n");
    let stage = files.stage().await;
    stage.engine.check_datasets().await.unwrap();
    assert_eq!(single(&stage.rows("SELECT count(*) FROM t").await), 1);

    files.write("data/b.csv", "id\n2\n");
    insta::assert_snapshot!(files.report(&stage.error(COUNT).await), @r#"
    the columns of …/data/b.csv differ from those of …/data/a.csv: it has 1 column, not 2
    hint: declare a dataset for each, or give the dataset its `columns` in the settings file
    "#);
    // The lists of tables still have it, and say why.
    let tables = stage.engine.tables(&oceanflight::engine::Principal::local()).await.unwrap();
    let table = tables.iter().find(|table| table.full_name() == "datasets.public.t").unwrap();
    assert!(table.description.as_ref().unwrap().contains("b.csv"), "{table:?}");

    std::fs::remove_file(files.path().join("data/b.csv")).unwrap();
    assert_eq!(single(&stage.rows("SELECT count(*) FROM t").await), 1);
}

#[tokio::test]
async fn files_that_have_no_format_or_several_are_an_error() {
    let files = Files::new().dataset("t", "data");
    files.write("data/a.csv", "id\n1\n");
    files.write("data/notes.txt", "hello");
    insta::assert_snapshot!(files.error_at_start(COUNT).await, @r#"
    …/data/notes.txt is in the dataset `t`, and its name gives no format that can be read
    hint: name the files by a pattern, such as `folder/*.parquet`, or give the dataset a `format`: parquet, csv, json or arrow
    "#);

    let files = Files::new().dataset("t", "data");
    files.write("data/a.csv", "id\n1\n");
    files.write("data/b.json", "[]");
    insta::assert_snapshot!(files.error_at_start(COUNT).await, @r#"
    the dataset `t` has files of several formats: …/data/a.csv and …/data/b.json
    hint: declare a dataset for each, such as `folder/*.csv`
    "#);

    let files = Files::new().dataset("t", "data");
    files.write("data/a.json", "{\"id\": 1}");
    files.write("data/b.json", "[{\"id\": 1}]");
    insta::assert_snapshot!(files.error_at_start(COUNT).await, @r#"
    the dataset `t` has files of several formats: …/data/a.json and …/data/b.json
    hint: declare a dataset for each, such as `folder/*.csv`
    "#);

    let files = Files::new().dataset("t", "data");
    files.write("data/year=2026/a.csv", "id\n1\n");
    files.write("data/b.csv", "id\n1\n");
    insta::assert_snapshot!(files.error_at_start(COUNT).await, @r#"
    the dataset `t` has files in folders with different keys: …/data/b.csv and …/data/year=2026/a.csv
    hint: declare a dataset for each
    "#);
}

#[tokio::test]
async fn files_that_are_not_what_their_name_says_are_an_error() {
    for (file, text) in [
        ("t.json", "hello"),
        ("t.json", "[{\"id\": 1}"),
        ("t.json", "[{\"id\": 1}, "),
        ("t.json", "[{\"id\": 1}] [{\"id\": 2}]"),
        ("t.json", "[1, 2]"),
        ("t.jsonl", "{\"id\": 1}\n{\"id\": "),
        ("t.parquet", "id\n1\n"),
        ("t.arrow", "id\n1\n"),
        ("t.csv.gz", "id\n1\n"),
        ("t.csv", "id,id\n1,2\n"),
        ("t.csv", "id,name\n1,\"a\n2,b\n3,c\n"),
        ("t.csv", ""),
        ("t.json", ""),
    ] {
        let files = Files::new().dataset("t", file);
        files.write(file, text);
        let stage = files.stage().await;
        match stage.ask(COUNT).await {
            Err(error) => {
                assert!(files.report(&error).starts_with("…/t."), "{file} {text:?}: {}", files.report(&error))
            }
            Ok(asked) => panic!("{file} {text:?} has {:?}", crate::support::json(&asked.rows)),
        }
    }
}

#[tokio::test]
async fn columns_that_are_declared_and_not_in_the_file_are_an_error() {
    let declared = |columns: &[(&str, &str)]| FileOptions {
        columns: Some(columns.iter().map(|(name, data_type)| ((*name).to_owned(), (*data_type).to_owned())).collect()),
        ..FileOptions::default()
    };
    let files = Files::new().dataset_with("t", "t.parquet", declared(&[("idd", "BIGINT")]));
    files.write("t.parquet", parquet(&numbered(0, 1), 1));
    insta::assert_snapshot!(files.error_at_start("SELECT * FROM t").await, @r#"
    the columns of …/t.parquet differ from those of the declaration: it has no `idd`
    hint: declare a dataset for each, or give the dataset its `columns` in the settings file
    "#);

    let files = Files::new().dataset_with("t", "t.csv", declared(&[("name", "VARCHAR"), ("id", "BIGINT")]));
    files.write("t.csv", "id,name\n1,a\n");
    insta::assert_snapshot!(files.error_at_start("SELECT * FROM t").await, @r#"
    the columns of …/t.csv differ from those of the declaration: it has `id`, `name`, not `name`, `id`
    hint: declare a dataset for each, or give the dataset its `columns` in the settings file
    "#);
}

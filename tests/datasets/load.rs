//! `oceanflight load`: files become a table of a running server.

use std::path::Path;
use std::process::Command;

use super::Files;
use super::crash::Process;

/// The exit code, and what was printed, without the folder's name.
fn load(files: &Files, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oceanflight"));
    command.env_clear().current_dir(files.path()).arg("load").args(arguments);
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap().replace(files.path().to_str().unwrap(), "…");
    (output.status.code().unwrap(), text.trim_end().to_owned())
}

async fn server(files: &Files) -> Process {
    let data: &Path = &files.path().join("kept");
    Process::start(data).await
}

#[tokio::test]
async fn a_file_becomes_a_table_and_its_mode_says_what_happens_to_another() {
    let files = Files::new();
    files.write("t.csv", "x\n1\n1\n2\n");
    files.write("more/a.json", "[{\"x\": 3}]");
    let mut server = server(&files).await;
    let address = server.address.clone();
    let to = ["--into", "t", "--server", &address];

    assert_eq!(load(&files, &[&["t.csv"][..], &to].concat()), (0, "3 rows in datasets.public.t".into()));
    let (code, text) = load(&files, &[&["t.csv"][..], &to].concat());
    assert!(code == 2 && text.starts_with("error: the table `datasets.public.t` exists\nhint: "), "{code} {text}");
    assert_eq!(load(&files, &[&["more", "--mode", "append"][..], &to].concat()).0, 0);
    let mut values = server.values().await;
    values.sort();
    assert_eq!(values, [(1, 2), (2, 1), (3, 1)]);
    assert_eq!(load(&files, &[&["t.csv", "--mode", "replace"][..], &to].concat()).0, 0);
    let elsewhere = ["t.csv", "--schema", "my own", "--mode", "create-append"];
    let (code, text) = load(&files, &[&elsewhere[..], &to].concat());
    assert_eq!((code, text.as_str()), (0, "3 rows in datasets.my own.t"));
}

#[tokio::test]
async fn a_file_that_turns_out_to_be_broken_leaves_the_table_as_it_was() {
    let files = Files::new();
    files.write("t.csv", "x\n1\n");
    files.write("broken.csv", "x\n".to_owned() + &"1\n".repeat(100_000) + "one\n");
    let mut server = server(&files).await;
    let address = server.address.clone();
    let to = ["--into", "t", "--server", &address];
    assert_eq!(load(&files, &[&["t.csv"][..], &to].concat()).0, 0);

    let (code, text) = load(&files, &[&["broken.csv", "--mode", "replace"][..], &to].concat());
    assert!(code != 0 && text.starts_with("error: …/broken.csv can't be read: "), "{code} {text}");
    assert_eq!(server.values().await, [(1, 1)]);
    let (code, text) = load(&files, &[&["missing.csv"][..], &to].concat());
    assert!(code == 2 && text.contains("there is nothing at missing.csv"), "{code} {text}");
    let (code, text) = load(&files, &["t.csv", "--into", "t", "--server", "127.0.0.1:9"]);
    assert!(code == 5 && text.starts_with("error: cannot reach `127.0.0.1:9`"), "{code} {text}");
}

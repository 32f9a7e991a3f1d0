//! Output on a terminal.

use std::io::Write;
use std::sync::{Arc, Mutex};

use clap::Parser;
use oceanflight::cli::{self, Cli, Console, Exit, Terminal};
use oceanflight::config::Environment;

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs with a terminal of 40 columns. The progress line is off, because it is drawn on the real standard error.
async fn run(arguments: &[&str]) -> (Exit, String, String) {
    let (stdout, stderr) = (Screen::default(), Screen::default());
    let mut console = Console {
        stdin: Box::new(std::io::empty()),
        stdout: Box::new(stdout.clone()),
        stderr: Box::new(stderr.clone()),
        terminal: Terminal { stdin: true, stdout: Some(40), stderr: false },
    };
    let arguments = Cli::try_parse_from([&["oceanflight"], arguments].concat()).unwrap();
    let exit = cli::run(arguments, &Environment::default(), &mut console).await;
    (exit, stdout.text(), stderr.text())
}

#[tokio::test]
async fn a_table_fits() {
    let sql = "SELECT 1 AS id, repeat('x', 100) AS text";

    let (exit, stdout, _) = run(&["query", "--demo", sql]).await;

    assert_eq!(exit, Exit::Done);
    assert!(stdout.lines().all(|line| line.chars().count() <= 40) && stdout.contains("x…"), "{stdout}");
}

#[tokio::test]
async fn binary_formats_are_rejected() {
    let (exit, stdout, stderr) = run(&["query", "--demo", "--format", "parquet", "SELECT 1"]).await;

    assert_eq!((exit, stdout.as_str()), (Exit::Refused, ""));
    assert!(stderr.starts_with("error: parquet is binary, and standard output is a terminal\nhint: "), "{stderr}");
}

#[tokio::test]
async fn sql_is_not_read_from_a_terminal() {
    let (exit, _, stderr) = run(&["query", "--demo"]).await;

    assert_eq!(exit, Exit::Refused);
    assert!(stderr.starts_with("error: there is no statement\nhint: "), "{stderr}");
}

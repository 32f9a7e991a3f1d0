//! The command line: arguments, exit codes, standard output and standard error.
//!
//! Most tests run the binary with an empty environment. Tests that need a terminal, or a server that stops at a given
//! moment, call the library in this process.

mod exec;
mod failure;
mod listings;
mod log;
mod on_a_terminal;
mod rows;
mod serving;
mod wrong;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

/// An image of the simulated account, with 366 actions on two pages.
const ACTIONS: &str = "SELECT * FROM image_actions WHERE image_id = 62137902";

/// The signals that stop the program. A child of a process that ignores SIGHUP, as under `nohup`, ignores it too.
fn signals() -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let hears = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 0);
    [("-INT", true), ("-TERM", true), ("-HUP", hears)].iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect()
}

/// A run that has ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text on standard output"),
            stderr: String::from_utf8(output.stderr).expect("text on standard error"),
        }
    }
}

/// A command of the program, with an empty environment.
fn oceanflight(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oceanflight"));
    command.env_clear().env("HOME", "/nonexistent").args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Ran {
    oceanflight(arguments).output().unwrap().into()
}

/// A query of the simulated account.
fn query(arguments: &[&str]) -> Ran {
    run(&[&["query", "--demo"], arguments].concat())
}

fn run_with_stdin(arguments: &[&str], stdin: &[u8]) -> Ran {
    let mut command = oceanflight(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap().into()
}

/// A program that listens until it is stopped.
struct Listening {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    url: String,
}

impl Listening {
    /// Starts the program, and waits for the line with `scheme` and its address.
    fn start(scheme: &str, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut listening = Self { child, stderr, url: String::new() };
        let line = listening.line_with(scheme);
        let start = line.find(scheme).unwrap();
        listening.url = line[start..].split_whitespace().next().unwrap().to_owned();
        listening
    }

    fn line_with(&mut self, text: &str) -> String {
        let mut stderr = String::new();
        loop {
            let start = stderr.len();
            if self.stderr.read_line(&mut stderr).unwrap() == 0 {
                panic!("it ended without a line with `{text}`:\n{stderr}");
            }
            if stderr[start..].contains(text) {
                return stderr[start..].trim_end().to_owned();
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for its end; returns the rest of its standard error, and its exit code.
    fn ended(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An API that accepts requests and never responds.
struct Silent(TcpListener);

/// A request in flight, until its response is sent.
struct InFlight(std::net::TcpStream);

impl InFlight {
    /// Sends a response with a JSON body.
    fn respond(mut self, status: u16, body: &str) {
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status} Any\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.0.write_all(response.as_bytes()).unwrap();
    }
}

impl Silent {
    /// Waits for a request that starts with this text, without a response yet.
    fn request(&self, start: &str) -> InFlight {
        let (mut connection, _) = self.0.accept().unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            let mut byte = [0];
            connection.read_exact(&mut byte).unwrap();
            read.push(byte[0]);
        }
        assert!(read.starts_with(start.as_bytes()), "{}", String::from_utf8_lossy(&read));
        InFlight(connection)
    }

    fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (Self(listener), url)
    }

    /// Waits for a request; the connection is open until the returned value is dropped.
    fn first_request(&self) -> impl Drop + use<> {
        let (mut connection, _) = self.0.accept().unwrap();
        connection.read_exact(&mut [0; 4]).unwrap();
        Box::new(connection)
    }
}

mod help {
    use super::*;

    /// Returns the help text, with the binary's name without its path.
    fn help(arguments: &[&str]) -> String {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        ran.stdout
    }

    #[test]
    fn help_is_unchanged() {
        insta::assert_snapshot!("help", help(&["--help"]));
        insta::assert_snapshot!("help-serve", help(&["serve", "--help"]));
        insta::assert_snapshot!("help-query", help(&["query", "--help"]));
        insta::assert_snapshot!("help-load", help(&["load", "--help"]));
        insta::assert_snapshot!("help-tables", help(&["tables", "--help"]));
        insta::assert_snapshot!("help-settings", help(&["settings", "--help"]));
        insta::assert_snapshot!("help-demo", help(&["demo", "--help"]));
        insta::assert_snapshot!("help-completions", help(&["completions", "--help"]));
    }

    #[test]
    fn the_version_names_the_build_and_its_features() {
        let version = help(&["--version"]);

        let features = if cfg!(feature = "faults") { "demo faults" } else { "demo" };
        assert!(version.starts_with(concat!("oceanflight ", env!("CARGO_PKG_VERSION"), " (")), "{version}");
        assert!(version.ends_with(&format!("features: {features})\n")), "{version}");
        assert!(!cfg!(debug_assertions) || version.contains("(debug build, "), "{version}");
        assert_eq!(help(&["-V"]), version);
    }

    #[test]
    fn each_shell_gets_a_completion_script() {
        for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
            let script = help(&["completions", shell]);
            assert!(script.contains("oceanflight") && script.contains("max-requests"), "{shell}: {script}");
        }
        let ran = run(&["completions", "tcsh"]);
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains("[possible values: bash, elvish, fish, powershell, zsh]"), "{ran:?}");
    }

    #[test]
    fn bash_understands_its_completion_script() {
        let script = help(&["completions", "bash"]);
        let complete =
            "COMP_WORDS=(oceanflight ta) COMP_CWORD=1; _oceanflight oceanflight ta oceanflight; echo ${COMPREPLY[@]}";
        let output = Command::new("bash").arg("-c").arg(format!("{script}\n{complete}")).output().unwrap();

        assert_eq!(String::from_utf8_lossy(&output.stdout), "tables\n", "{output:?}");
    }

    #[test]
    fn without_a_command_it_shows_help_and_fails() {
        let ran = run(&[]);

        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains("Usage: oceanflight <COMMAND>"), "{ran:?}");
    }
}

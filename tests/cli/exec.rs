//! EXEC on the command line, and signals while its POST runs.

use std::process::{Command, Stdio};

use super::{Listening, Ran, Silent, oceanflight, query, run, signals};

const TRANSFER: &str = "EXEC images.transfer @image_id='62137902', @region='sfo3'";
/// The request of [`TRANSFER`], and a response to it.
const POST: &str = "POST /v2/images/62137902/actions ";
const STARTED: &str = r#"{"action": {"id": 7, "status": "in-progress", "type": "transfer"}}"#;

#[test]
fn an_exec_is_executed_and_its_row_is_printed() {
    let ran = query(&["--format", "jsonl", TRANSFER]);

    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1), "{ran:?}");
    let row: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&row["status"], &row["region_slug"]), (&"in-progress".into(), &"sfo3".into()));
}

#[test]
fn a_lost_response_has_its_own_exit_code() {
    let ran = query(&["--fault", "POST ** reset-after", TRANSFER]);

    assert_eq!((ran.code, ran.stdout.as_str()), (Some(6), ""), "{ran:?}");
    assert!(ran.stderr.starts_with("error: POST /v2/images/62137902/actions may have been executed"), "{ran:?}");
    assert!(ran.stderr.contains("\nhint: check before retrying: SELECT "), "{ran:?}");
}

#[test]
fn an_unreadable_success_has_the_same_exit_code_and_is_reported_as_accepted() {
    let ran = query(&["--fault", "POST ** answer-after=202 null", TRANSFER]);

    assert_eq!((ran.code, ran.stdout.as_str()), (Some(6), ""), "{ran:?}");
    let accepted =
        "error: DigitalOcean accepted POST /v2/images/62137902/actions (202), but its response can't be read: ";
    assert!(ran.stderr.starts_with(accepted), "{ran:?}");
    assert!(ran.stderr.contains("\nhint: do not send it again; see what it started: SELECT "), "{ran:?}");
}

#[test]
fn await_waits_for_the_end_or_reports_the_started_action() {
    let sql = "EXEC /*+ AWAIT */ images.convert @image_id=62138001";
    let done = query(&["--settle", "0s", "--format", "jsonl", sql]);
    let failed = query(&["--fault", "GET /v2/images/*/actions/* set=/action/status \"errored\"", sql]);

    assert!(done.code == Some(0) && done.stdout.contains("\"status\":\"completed\""), "{done:?}");
    assert_eq!(failed.code, Some(5), "{failed:?}");
    let note = "note: id 3184770012 of digitalocean.compute.image_actions was started\nerror: id 3184770012 of ";
    assert!(failed.stderr.starts_with(note), "{failed:?}");
}

#[test]
fn a_server_rejects_exec_without_allow_writes() {
    let mut demo = Listening::start("http://", oceanflight(&["demo", "--listen", "127.0.0.1:0"]));
    let serve = |more: &[&str]| {
        let mut command = oceanflight(&[&["serve", "--listen", "127.0.0.1:0", "--api-url", &demo.url], more].concat());
        command.env("DIGITALOCEAN_TOKEN", "t");
        Listening::start("grpc://", command)
    };
    let (off, mut on) = (serve(&[]), serve(&["--allow-writes"]));

    let refused = run(&["query", "--server", &off.url, TRANSFER]);
    let done = run(&["query", "--server", &on.url, "--format", "csv", TRANSFER]);

    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.ends_with("\nhint: start the server with --allow-writes\n"), "{refused:?}");
    assert_eq!((done.code, done.stdout.lines().count()), (Some(0), 2), "{done:?}");
    let line = on.line_with("oceanflight::audit");
    for part in [
        "who=\"127.0.0.1:",
        "method=\"digitalocean.compute.images.transfer\"",
        "path=\"/v2/images/62137902/actions\"",
        "arguments=\"region, type\"",
        "body_bytes=35",
        "attempt=1",
        "status=\"201\"",
        "request_id=\"00000000-",
        "duration_ms=",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("sfo3"), "an argument's value: {line}");
    demo.child.kill().unwrap();
}

#[test]
fn the_values_of_arguments_are_logged_only_on_request() {
    let names = query(&["--log", "oceanflight::audit=info", TRANSFER]);
    let values = query(&["--log", "oceanflight::audit::values=debug", TRANSFER]);

    assert!(names.code == Some(0) && names.stderr.contains("arguments=\"region, type\""), "{names:?}");
    assert!(!names.stderr.contains("sfo3"), "{names:?}");
    assert!(values.stderr.contains(r#"body="{\"region\":\"sfo3\",\"type\":\"transfer\"}""#), "{values:?}");
}

#[test]
fn a_server_of_a_simulated_account_runs_exec() {
    let server = Listening::start("grpc://", oceanflight(&["serve", "--demo", "--listen", "127.0.0.1:0"]));
    let off = ["serve", "--demo", "--allow-writes=false", "--listen", "127.0.0.1:0"];
    let off = Listening::start("grpc://", oceanflight(&off));

    assert_eq!(run(&["query", "--server", &server.url, TRANSFER]).code, Some(0));
    assert_eq!(run(&["query", "--server", &off.url, TRANSFER]).code, Some(2));
}

#[cfg(unix)]
#[test]
fn after_a_signal_the_post_is_awaited_and_its_action_reported() {
    for signal in signals() {
        let (api, url) = Silent::start();
        let mut command = oceanflight(&["query", "--api-url", &url, "--log", "oceanflight::audit=info", TRANSFER]);
        command.env("DIGITALOCEAN_TOKEN", "t").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let post = api.request(POST);

        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        std::io::BufRead::read_line(&mut stderr, &mut text).unwrap();
        assert_eq!(text, "waiting for the response to 1 request\n", "{signal}");
        post.respond(201, STARTED);
        std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());

        assert_eq!((ran.code, ran.stdout.as_str()), (Some(130), ""), "{signal}: {ran:?} {text}");
        let expected = "note: id 7 of digitalocean.compute.image_actions was started\nerror: stopped\n";
        assert!(text.ends_with(expected), "{signal}: {text}");
        assert!(text.contains("oceanflight::audit") && text.contains("status=\"201\""), "{signal}: {text}");
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_does_not_end_a_post() {
    let (api, url) = Silent::start();
    let mut command = oceanflight(&["query", "--api-url", &url, TRANSFER]);
    command.env("DIGITALOCEAN_TOKEN", "t").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let signal = |name: &str, pid: u32| Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    let post = api.request(POST);

    assert!(signal("-INT", child.id()).success());
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut text).unwrap();
    assert!(signal("-INT", child.id()).success() && signal("-TERM", child.id()).success());
    post.respond(201, STARTED);
    std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();

    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    let expected = "note: id 7 of digitalocean.compute.image_actions was started\nerror: stopped\n";
    assert!(text.starts_with("waiting for the response") && text.ends_with(expected), "{text}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_an_await_and_the_started_action_is_reported() {
    let (api, url) = Silent::start();
    let awaiting = format!("{TRANSFER}, @@await='1h'");
    let mut command = oceanflight(&["query", "--api-url", &url, &awaiting]);
    command.env("DIGITALOCEAN_TOKEN", "t").stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    api.request(POST).respond(201, STARTED);
    let _reading = api.first_request();

    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ran = Ran::from(child.wait_with_output().unwrap());

    assert_eq!((ran.code, ran.stdout.as_str()), (Some(130), ""), "{ran:?}");
    let expected = "note: id 7 of digitalocean.compute.image_actions was started\nerror: stopped\n";
    assert_eq!(ran.stderr, expected);
}

#[cfg(target_os = "linux")]
#[test]
fn repeated_sighups_of_a_closed_terminal_count_once() {
    if !signals().contains(&"-HUP") {
        return;
    }
    let (api, url) = Silent::start();
    let mut command = oceanflight(&["serve", "--listen", "127.0.0.1:0", "--allow-writes", "--api-url", &url]);
    command.env("DIGITALOCEAN_TOKEN", "t");
    let mut server = Listening::start("grpc://", command);
    let client = oceanflight(&["query", "--server", &server.url, "--format", "jsonl", TRANSFER])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let post = api.request(POST);

    server.signal("-HUP");
    server.line_with("stopping; ");
    server.signal("-HUP");
    post.respond(201, STARTED);
    let ran = Ran::from(client.wait_with_output().unwrap());
    let (text, code) = server.ended();

    assert!(ran.code == Some(0) && ran.stdout.contains("\"id\":7"), "{ran:?}");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("oceanflight::audit") && text.contains("status=\"201\""), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_started_with_sighup_ignored_ignores_it() {
    let serve = format!("trap '' HUP; exec {} serve --demo --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_oceanflight"));
    let mut command = Command::new("sh");
    command.env_clear().env("HOME", "/nonexistent").args(["-c", &serve]).stdin(Stdio::null());
    let server = Listening::start("grpc://", command);

    server.signal("-HUP");
    assert_eq!(run(&["query", "--server", &server.url, TRANSFER]).code, Some(0));
    server.signal("-TERM");
    let (text, code) = server.ended();

    assert_eq!((code, text.matches("stopping; ").count()), (Some(0), 1), "{text}");
}

#[cfg(unix)]
#[test]
fn after_a_second_signal_a_server_still_waits_for_the_post() {
    let (api, url) = Silent::start();
    let mut command = oceanflight(&["serve", "--listen", "127.0.0.1:0", "--allow-writes", "--api-url", &url]);
    command.env("DIGITALOCEAN_TOKEN", "t");
    let mut server = Listening::start("grpc://", command);
    let mut client = oceanflight(&["query", "--server", &server.url, TRANSFER])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let post = api.request(POST);

    server.signal("-INT");
    server.line_with("stopping; ");
    server.signal("-INT");
    server.line_with("waiting for the response to 1 request");
    post.respond(201, STARTED);
    let (text, code) = server.ended();

    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("oceanflight::audit") && text.contains("status=\"201\""), "{text}");
    client.wait().unwrap();
}

//! Precedence of layers, and rejected values.

use std::path::Path;

use super::*;

fn flags(written: &[(&str, &str)]) -> Layer {
    let find = |key: &str| Setting::find(key).unwrap_or_else(|| panic!("no setting `{key}`"));
    Layer::from_flags(written.iter().map(|(key, text)| (find(key), (*text).to_owned())))
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

/// A directory with `oceanflight.toml`; a test may add files.
fn directory(toml: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("oceanflight.toml"), toml).unwrap();
    directory
}

fn resolve_with(written: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Resolved, Error> {
    resolve(flags(written), None, &environment(variables))
}

fn problem(written: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    crate::error::Error::from(resolve_with(written, variables).unwrap_err()).report()
}

fn file_problem(toml: &str) -> String {
    let directory = directory(toml);
    let file = directory.path().join("oceanflight.toml");
    let error = resolve(Layer::default(), Some(&file), &Environment::default()).unwrap_err();
    crate::error::Error::from(error).report().replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn without_settings_the_defaults_are_used() {
    let resolved = resolve_with(&[], &[]).unwrap();

    assert_eq!(resolved.settings, Settings::default());
    assert_eq!(resolved.values.len(), SETTINGS.len());
}

#[test]
fn a_flag_wins_over_a_variable_over_a_file() {
    let directory = directory("log = 'error'\n[query]\ntimeout = '1s'\nmax_wait = '1s'\n[api]\nmax_body_bytes = 7\n");
    let file = directory.path().join("oceanflight.toml");
    let environment = environment(&[("OCEANFLIGHT_QUERY_TIMEOUT", "2s"), ("OCEANFLIGHT_QUERY_MAX_WAIT", "2s")]);

    let resolved = resolve(flags(&[("query.timeout", "3s")]), Some(&file), &environment).unwrap();

    assert_eq!(resolved.settings.timeout, Duration::from_secs(3));
    assert_eq!(resolved.settings.max_wait, Duration::from_secs(2));
    assert_eq!(resolved.settings.max_body_bytes, 7);
    let origins: Vec<_> = resolved.values.iter().map(|value| (value.setting.key, value.origin.clone())).collect();
    assert!(origins.contains(&("query.timeout", Origin::Flag("query-timeout"))), "{origins:?}");
    assert!(origins.contains(&("query.max_wait", Origin::Variable("OCEANFLIGHT_QUERY_MAX_WAIT"))), "{origins:?}");
    assert!(origins.contains(&("api.max_body_bytes", Origin::File(file, 6))), "{origins:?}");
}

#[test]
fn the_file_in_the_config_directory_is_optional() {
    let home = tempfile::tempdir().unwrap();
    let variables = Environment::from_iter([("HOME", home.path())]);
    assert_eq!(resolve(Layer::default(), None, &variables).unwrap().settings, Settings::default());

    let directory = home.path().join(".config/oceanflight");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("oceanflight.toml"), "listen = '[::1]:7'").unwrap();

    assert_eq!(resolve(Layer::default(), None, &variables).unwrap().settings.listen.port(), 7);
}

#[test]
fn a_named_file_must_exist() {
    let problem = problem(&[], &[("OCEANFLIGHT_CONFIG", "/nowhere/of.toml")]);

    assert!(problem.starts_with("the settings file /nowhere/of.toml cannot be read: "), "{problem}");
}

#[test]
fn errors_in_a_file_have_its_name_and_line() {
    let cases = [
        ("\nlisten = '127.0.0.1'", "oceanflight.toml:2: `listen` takes an address and a port"),
        (
            "[query]\n\ntimout = '1s'",
            "oceanflight.toml:3: there is no setting `query.timout`\nhint: did you mean `query.timeout`?",
        ),
        ("[server]\nlisten = 'x'", "oceanflight.toml:1: there is no setting `server`"),
        ("[query]\ntimeout = 60", "oceanflight.toml:2: `query.timeout` takes a duration with its unit"),
        ("demo = [true]", "oceanflight.toml:1: `demo` takes a single value"),
        ("demo = yes", "oceanflight.toml:1: "),
        ("log = 'a'\nlog = 'b'", "oceanflight.toml:2: duplicate key"),
        ("log = '=='", "oceanflight.toml:1: `log` takes levels and modules"),
    ];

    for (toml, expected) in cases {
        let problem = file_problem(toml);
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn a_token_in_the_file_is_rejected_and_not_shown() {
    for toml in ["token = 'dop_v1_secret'", "token_file = 'dop_v1_secret'", "dop_v1_secret", "token = dop_v1_secret"] {
        let problem = file_problem(toml);
        assert!(!problem.contains("secret"), "{problem}");
    }
}

#[test]
fn an_unknown_variable_is_a_warning_with_the_most_similar_name() {
    let warnings = |name: &str| {
        let resolved = resolve_with(&[], &[(name, "127.0.0.1:1")]).unwrap();
        assert_eq!(resolved.settings, Settings::default(), "{name}");
        resolved.unknown.iter().map(ToString::to_string).collect::<Vec<_>>()
    };

    let typo = "OCEANFLIGHT_LISTN is ignored: there is no such setting; did you mean `OCEANFLIGHT_LISTEN`?";
    assert_eq!(warnings("OCEANFLIGHT_LISTN"), [typo]);
    let service = warnings("OCEANFLIGHT_X_SERVICE_HOST");
    assert!(service[0].starts_with("OCEANFLIGHT_X_SERVICE_HOST is ignored: there is no such setting"), "{service:?}");
    for known in ["OCEANFLIGHT_SERVICE_HOST", "OCEANFLIGHT_OPENAPI", "OTHER"] {
        assert!(warnings(known).is_empty(), "{known}");
    }
}

#[test]
fn the_variable_of_the_tests_and_empty_variables_are_ignored() {
    let variables = [("OCEANFLIGHT_OPENAPI", "/tmp/x.json"), ("OCEANFLIGHT_LISTEN", ""), ("DIGITALOCEAN_TOKEN", "")];

    assert_eq!(resolve_with(&[], &variables).unwrap().settings, Settings::default());
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_rejected() {
    use std::os::unix::ffi::OsStringExt;
    let garbage = std::ffi::OsString::from_vec(vec![0xff]);
    let variables = Environment::from_iter([(std::ffi::OsString::from("DIGITALOCEAN_TOKEN"), garbage)]);

    let error = resolve(Layer::default(), None, &variables).unwrap_err();

    assert_eq!(error.to_string(), "the value of DIGITALOCEAN_TOKEN is not UTF-8");
}

#[test]
fn the_first_token_variable_wins_and_the_other_is_reported() {
    let both = [("DIGITALOCEAN_TOKEN", "first"), ("DIGITALOCEAN_ACCESS_TOKEN", "second")];

    let token = resolve_with(&[], &both).unwrap().settings.token.unwrap();

    assert_eq!(token.secret.expose(), "first");
    assert_eq!(token.source, TokenSource::Variable("DIGITALOCEAN_TOKEN"));
    assert_eq!(token.ignored_variables, ["DIGITALOCEAN_ACCESS_TOKEN"]);
}

#[test]
fn two_variables_with_the_same_token_are_not_a_conflict() {
    let both = [("DIGITALOCEAN_TOKEN", "one"), ("DIGITALOCEAN_ACCESS_TOKEN", "one\n")];

    assert!(resolve_with(&[], &both).unwrap().settings.token.unwrap().ignored_variables.is_empty());
}

#[test]
fn a_token_file_wins_over_the_variables_unless_only_the_file_names_it() {
    let directory = directory("token_file = 'token'");
    std::fs::write(directory.path().join("token"), " from_file \r\n").unwrap();
    let (file, token_file) = (directory.path().join("oceanflight.toml"), directory.path().join("token"));
    let variable = environment(&[("DIGITALOCEAN_ACCESS_TOKEN", "from_variable")]);
    let token = |flags, environment: &Environment| {
        resolve(flags, Some(&file), environment).unwrap().settings.token.unwrap().secret.expose().to_owned()
    };

    assert_eq!(token(flags(&[("token_file", token_file.to_str().unwrap())]), &variable), "from_file");
    assert_eq!(token(Layer::default(), &variable), "from_variable");
    assert_eq!(token(Layer::default(), &Environment::default()), "from_file");
}

#[test]
fn a_malformed_token_file_is_named_and_its_content_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let cases: [(&[u8], &str); 8] = [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b"secret\nsecret", "has more than one line"),
        (b"secret secret", "has white space inside of the token"),
        (b"sec\tret", "has white space inside of the token"),
        (b"secret\x07x", "has a control character"),
        (b"secret\xff", "is not ASCII text"),
        ("secret\u{e9}".as_bytes(), "is not ASCII text"),
    ];

    for (content, expected) in cases {
        let file = directory.path().join("token");
        std::fs::write(&file, content).unwrap();
        let problem = problem(&[("token_file", file.to_str().unwrap())], &[]);
        assert!(problem.starts_with(&format!("the token file {} {expected}\n", file.display())), "{problem}");
        assert!(!problem.contains("secret"), "{problem}");
    }
}

#[test]
fn a_token_file_that_is_missing_or_a_directory_is_named() {
    for file in ["/nowhere/token", "/"] {
        let problem = problem(&[("token_file", file)], &[]);
        assert!(problem.starts_with(&format!("the token file {file} cannot be read: ")), "{problem}");
    }
}

#[test]
fn a_malformed_token_in_a_variable_is_named_and_not_shown() {
    let problem = problem(&[], &[("DIGITALOCEAN_TOKEN", "my secret")]);

    assert!(problem.starts_with("DIGITALOCEAN_TOKEN has white space inside"), "{problem}");
    assert!(!problem.contains("secret"), "{problem}");
}

#[test]
fn a_token_is_sent_over_plain_http_only_to_this_machine() {
    let token = [("DIGITALOCEAN_TOKEN", "t")];
    for url in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://example.com"] {
        assert!(resolve_with(&[("api_url", url)], &token).is_ok(), "{url}");
    }

    let problem = problem(&[("api_url", "http://example.com")], &token);
    assert!(
        problem.starts_with("the token would be sent to example.com over plain HTTP\nhint: use https"),
        "{problem}"
    );
    assert!(resolve_with(&[("api_url", "http://example.com")], &[]).is_ok());
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    let problem = problem(&[("api_url", "https://user:secret@example.com")], &[]);

    assert!(problem.starts_with("--api-url takes a URL without a user name or a password"), "{problem}");
    assert!(!problem.contains("secret"), "{problem}");
}

#[test]
fn an_address_that_others_can_reach_needs_permission() {
    let open = [("listen", "0.0.0.0:50051")];
    let settings = resolve_with(&open, &[]).unwrap().settings;
    assert!(matches!(settings.address(), Err(Error::Exposed { .. })));

    let meant = resolve_with(&[open[0], ("allow_unauthenticated", "true")], &[]).unwrap().settings;

    assert_eq!(meant.address().unwrap(), meant.listen);
}

#[test]
fn a_simulated_account_uses_no_token() {
    let settings = resolve_with(&[("demo", "true")], &[("DIGITALOCEAN_TOKEN", "real")]).unwrap().settings;

    assert!(settings.demo);
    assert_eq!(settings.token, None);
}

#[test]
fn of_demo_and_a_url_the_one_with_higher_precedence_wins() {
    let variable = [("OCEANFLIGHT_API_URL", "https://example.com")];
    assert!(resolve_with(&[("demo", "true")], &variable).unwrap().settings.demo);

    let variable = [("OCEANFLIGHT_DEMO", "1")];
    assert!(!resolve_with(&[("api_url", "https://example.com")], &variable).unwrap().settings.demo);

    let problem = problem(&[("demo", "true"), ("api_url", "https://example.com")], &[]);
    assert!(problem.starts_with("--demo and --api-url exclude each other"), "{problem}");
}

#[test]
fn a_switch_can_be_turned_off_again() {
    assert!(!resolve_with(&[("demo", "false")], &[("OCEANFLIGHT_DEMO", "true")]).unwrap().settings.demo);
}

#[test]
fn a_layer_is_parsed_from_text_without_a_file() {
    let layer = Layer::from_toml(Path::new("of.toml"), "[api]\nattempt_timeout = '5s'").unwrap();

    assert_eq!(layer.get("api.attempt_timeout").unwrap().origin.to_string(), "of.toml:2");
    assert!(layer.get("demo").is_none());
}

#[test]
fn a_malformed_token_that_is_not_used_is_not_an_error() {
    let second = [("DIGITALOCEAN_TOKEN", "good"), ("DIGITALOCEAN_ACCESS_TOKEN", "not good")];

    let token = resolve_with(&[], &second).unwrap().settings.token.unwrap();

    assert_eq!(
        (token.secret.expose(), token.ignored_variables.as_slice()),
        ("good", &["DIGITALOCEAN_ACCESS_TOKEN"][..])
    );
}

#[test]
fn a_file_that_is_larger_than_any_token_is_rejected_and_not_truncated() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a".repeat(100_000)).unwrap();

    let refused = problem(&[("token_file", file.path().to_str().unwrap())], &[]);

    assert!(refused.contains("is larger than any token"), "{refused}");
}

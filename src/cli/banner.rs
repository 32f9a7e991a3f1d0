//! The text that `serve` prints when it is ready: its address, the account, and commands to copy.

use std::net::SocketAddr;

use crate::config::{MemoryLimit, Settings, Token};
use crate::server;

pub(super) fn banner(address: SocketAddr, settings: &Settings, memory: MemoryLimit) -> String {
    let here = server::reachable(address);
    let account = account(settings);
    let exposed =
        if address.ip().is_loopback() { "" } else { "\nwarning  anyone who can connect can read this account\n" };
    let writes = writes(settings);
    let version = env!("CARGO_PKG_VERSION");
    let pyarrow = pyarrow(here);
    format!(
        r#"oceanflight {version} is ready on grpc://{address}
account  {account}
writes   {writes}
memory   {memory}
{exposed}
oceanflight
  oceanflight query --server {here} 'SHOW TABLES'
ADBC: pip install adbc-driver-flightsql pyarrow
  python3 -c 'from adbc_driver_flightsql.dbapi import connect; c = connect("grpc://{here}", autocommit=True).cursor(); c.execute("SHOW TABLES"); print(c.fetch_arrow_table())'
JDBC: org.apache.arrow:flight-sql-jdbc-driver, the JVM with --add-opens=java.base/java.nio=ALL-UNNAMED
  jdbc:arrow-flight-sql://{here}/?useEncryption=false
pyarrow: pip install pyarrow
  {pyarrow}

Ctrl-C stops it"#
    )
}

fn account(settings: &Settings) -> String {
    if settings.demo {
        return "simulated, in this process (--demo)".into();
    }
    let url = settings.api_url.as_str().trim_end_matches('/');
    match &settings.token {
        None => format!("{url}, without a token: set DIGITALOCEAN_TOKEN, or try --demo"),
        Some(Token { source, ignored_variables, .. }) if ignored_variables.is_empty() => {
            format!("{url}, token from {source}")
        }
        Some(Token { source, ignored_variables, .. }) => {
            format!("{url}, token from {source}; another one in {} is not used", ignored_variables.join(" and in "))
        }
    }
}

fn writes(settings: &Settings) -> &'static str {
    match settings.serves_writes() {
        true => "on: anyone who connects can run EXEC",
        false => "off (--allow-writes turns EXEC on)",
    }
}

/// Returns a command for pyarrow. pyarrow sends commands as bytes and has no Flight SQL messages, so the command
/// encodes two of them in protobuf's wire format. A text above 127 bytes would need a longer length field.
fn pyarrow(here: SocketAddr) -> String {
    format!(
        r#"python3 -c 'from pyarrow import flight; f = lambda n, b: bytes([8 * n + 2, len(b)]) + b; c = flight.connect("grpc://{here}"); i = c.get_flight_info(flight.FlightDescriptor.for_command(f(1, b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery") + f(2, f(1, b"SHOW TABLES")))); print(c.do_get(i.endpoints[0].ticket).read_all())'"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TokenSource;
    use crate::secret::Secret;

    const MEMORY: MemoryLimit = MemoryLimit { bytes: 512 << 20, system: None };

    fn settings(ignored_variables: Vec<&'static str>) -> Settings {
        let source = TokenSource::Variable("DIGITALOCEAN_TOKEN");
        let token = Some(Token { secret: Secret::new("dop_v1_secret"), source, ignored_variables });
        Settings { token, ..Settings::default() }
    }

    #[test]
    fn the_banner_has_commands_to_copy_and_no_token() {
        let text = banner("127.0.0.1:50051".parse().unwrap(), &settings(vec![]), MEMORY);

        assert!(!text.contains("secret"));
        insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r##"
        oceanflight VERSION is ready on grpc://127.0.0.1:50051
        account  https://api.digitalocean.com, token from DIGITALOCEAN_TOKEN
        writes   off (--allow-writes turns EXEC on)
        memory   512 MiB for queries

        oceanflight
          oceanflight query --server 127.0.0.1:50051 'SHOW TABLES'
        ADBC: pip install adbc-driver-flightsql pyarrow
          python3 -c 'from adbc_driver_flightsql.dbapi import connect; c = connect("grpc://127.0.0.1:50051", autocommit=True).cursor(); c.execute("SHOW TABLES"); print(c.fetch_arrow_table())'
        JDBC: org.apache.arrow:flight-sql-jdbc-driver, the JVM with --add-opens=java.base/java.nio=ALL-UNNAMED
          jdbc:arrow-flight-sql://127.0.0.1:50051/?useEncryption=false
        pyarrow: pip install pyarrow
          python3 -c 'from pyarrow import flight; f = lambda n, b: bytes([8 * n + 2, len(b)]) + b; c = flight.connect("grpc://127.0.0.1:50051"); i = c.get_flight_info(flight.FlightDescriptor.for_command(f(1, b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery") + f(2, f(1, b"SHOW TABLES")))); print(c.do_get(i.endpoints[0].ticket).read_all())'

        Ctrl-C stops it
        "##);
    }

    #[test]
    fn the_banner_shows_which_of_two_tokens_is_used() {
        let text = banner("127.0.0.1:1".parse().unwrap(), &settings(vec!["DIGITALOCEAN_ACCESS_TOKEN"]), MEMORY);

        assert!(text.contains("token from DIGITALOCEAN_TOKEN; another one in DIGITALOCEAN_ACCESS_TOKEN is not used"));
    }

    #[test]
    fn an_exposed_address_has_a_warning_and_commands_for_this_machine() {
        let text = banner("0.0.0.0:7".parse().unwrap(), &settings(vec![]), MEMORY);

        assert!(text.contains("ready on grpc://0.0.0.0:7") && text.contains("\nwarning  anyone"), "{text}");
        assert!(text.contains("jdbc:arrow-flight-sql://127.0.0.1:7/"), "{text}");
    }
}

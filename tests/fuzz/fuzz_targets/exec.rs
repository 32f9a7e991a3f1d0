//! Any text is one statement or is refused; an EXEC that is printed is read as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oceanflight::sql::{self, Exec, StatementBody};

fuzz_target!(|text: &str| {
    for text in [text.to_owned(), format!("EXEC m {text}"), format!("CALL m({text}")] {
        let Some(read) = exec(&text) else { continue };
        let printed = read.to_string();
        assert_eq!(exec(&printed), Some(read), "{printed}");
    }
});

fn exec(text: &str) -> Option<Exec> {
    match sql::parse(text).ok()?.body {
        StatementBody::Exec(exec) | StatementBody::ExplainExec { exec, .. } => Some(exec),
        StatementBody::Sql(_) | StatementBody::Show(_) | StatementBody::Describe(_) => None,
    }
}

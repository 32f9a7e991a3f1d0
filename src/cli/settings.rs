//! `oceanflight settings`: lists the value of each setting, and its origin.

use clap::Args;

use super::console::{Console, say};
use super::exit::Exit;
use super::flags::Flags;
use super::format::Format;
use super::listing::TextTable;
use crate::config::{self, Environment, Resolved, Token};
use crate::error::Result;

/// Show every setting, and where its value comes from
#[derive(Args, Debug)]
pub(super) struct SettingsArgs {
    /// How to print the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    format: Format,

    #[command(flatten)]
    flags: Flags<true>,
}

pub(super) fn run(show: SettingsArgs, environment: &Environment, console: &mut Console) -> Result<Exit> {
    let resolved = config::resolve(show.flags.layer()?, show.flags.file.as_deref(), environment)?;
    for unknown in &resolved.unknown {
        say(&mut *console.stderr, &format!("warning: {unknown}"));
    }
    listing(&resolved).print(show.format, console)?;
    Ok(Exit::Done)
}

fn listing(resolved: &Resolved) -> TextTable<3> {
    let mut listing = TextTable::new(["setting", "value", "from"]);
    for value in &resolved.values {
        listing.push([Some(value.setting.key.into()), value.text.clone(), Some(value.origin.to_string())]);
    }
    for (key, text, origin) in &resolved.declared {
        listing.push([Some(key.clone()), Some(text.clone()), Some(origin.to_string())]);
    }
    let from = resolved.settings.token.as_ref().map(|token| token.source.to_string());
    listing.push([Some("token".into()), Some(token(resolved)), from.or_else(|| Some("default".into()))]);
    listing
}

/// Describes the token without showing it.
fn token(resolved: &Resolved) -> String {
    match &resolved.settings.token {
        Some(Token { source, ignored_variables, .. }) if ignored_variables.is_empty() => format!("set ({source})"),
        Some(Token { source, ignored_variables, .. }) => {
            format!("set ({source}; another one in {} is not used)", ignored_variables.join(" and in "))
        }
        None if resolved.settings.demo => "not needed".into(),
        None => "not set".into(),
    }
}

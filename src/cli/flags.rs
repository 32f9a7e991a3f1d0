//! The settings' flags, generated from the list of settings.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches, Id, value_parser};

use crate::config::{CommandScope, FILE_VARIABLE, Layer, SETTINGS, Setting, ValueShape};

/// `--config`, and a flag for each setting of a command; the settings of `serve` only if `SERVE`.
#[derive(Debug)]
pub(super) struct Flags<const SERVE: bool> {
    pub(super) file: Option<PathBuf>,
    layer: Layer,
    datasets: Vec<String>,
}

impl<const SERVE: bool> Flags<SERVE> {
    /// The settings of the command line.
    ///
    /// # Errors
    /// A `--dataset` that is not a name and a path.
    pub(super) fn layer(&self) -> crate::error::Result<Layer> {
        let directory = std::env::current_dir().map_err(super::error::Error::WorkingDirectory)?;
        Ok(self.layer.clone().with_datasets(&self.datasets, &directory)?)
    }

    fn settings() -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(|setting| SERVE || setting.scope != CommandScope::Serve)
    }
}

/// Returns the flags that have no effect if a server calls the API.
pub(super) fn upstream() -> Vec<&'static str> {
    SETTINGS
        .iter()
        .filter(|setting| setting.scope == CommandScope::Upstream)
        .map(|setting| setting.key)
        .chain([DATASET])
        .collect()
}

impl<const SERVE: bool> clap::Args for Flags<SERVE> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::settings().map(flag)).arg(config()).arg(dataset())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }

    fn group_id() -> Option<Id> {
        None
    }
}

impl<const SERVE: bool> FromArgMatches for Flags<SERVE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let written = |setting: &'static Setting| Some((setting, matches.get_one::<String>(setting.key)?.clone()));
        Ok(Self {
            file: matches.get_one("config").cloned(),
            layer: Layer::from_flags(Self::settings().filter_map(written)),
            datasets: matches.get_many(DATASET).unwrap_or_default().cloned().collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let default = match setting.default {
        Some(text) if setting.shape != ValueShape::Switch => format!(" [default: {text}]"),
        Some(_) | None => String::new(),
    };
    let arg = Arg::new(setting.key)
        .long(setting.flag())
        .help(format!("{}{default} [env: {}]", setting.help, setting.variable()))
        .help_heading("Settings");
    match setting.shape {
        ValueShape::Switch => {
            arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("true|false")
        }
        ValueShape::Value(name) => arg.value_name(name),
    }
}

/// The flag `--dataset`.
pub(super) const DATASET: &str = "dataset";

fn dataset() -> Arg {
    Arg::new(DATASET)
        .long(DATASET)
        .value_name("NAME=PATH")
        .action(ArgAction::Append)
        .help(
            "A file, folder, pattern or s3:// URL as the table datasets.public.NAME: Parquet, CSV, JSON or Arrow. \
             Repeatable; the settings file has more options for [datasets]",
        )
        .help_heading("Settings")
}

fn config() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(format!(
            "The settings file [default: ~/.config/oceanflight/oceanflight.toml, if there] [env: {FILE_VARIABLE}]"
        ))
        .help_heading("Settings")
}

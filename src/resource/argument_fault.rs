//! The errors of a procedure's arguments.

use std::fmt;

use crate::error::{Failure, Kind};

/// Invalid arguments of a procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `digitalocean.compute.image_actions.image_actions_post`.
    pub procedure: String,
    /// The problem.
    pub problem: Box<Problem>,
    /// A corrected statement.
    pub example: String,
}

/// What is wrong with [`Arguments`](super::Arguments).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The procedure has no parameter of this name.
    Unknown {
        /// The name in the statement.
        name: String,
        /// The most similar parameter, if one is similar enough.
        nearest: Option<String>,
        /// All parameters of the procedure.
        known: Vec<String>,
    },
    /// A parameter with two arguments.
    Twice(String),
    /// Required parameters without an argument.
    Missing(Vec<String>),
    /// A value of the wrong type.
    Type {
        /// The parameter.
        name: String,
        /// The parameter's type.
        wanted: String,
        /// The value.
        found: String,
    },
    /// A value that is not one of the allowed values.
    NotAllowed {
        /// The parameter.
        name: String,
        /// The value.
        found: String,
        /// The allowed values.
        allowed: Vec<String>,
    },
    /// A parameter that is only valid with other values of another parameter.
    DoesNotGoWith {
        /// The parameter.
        name: String,
        /// The other parameter.
        other: String,
        /// The value of the other parameter.
        value: String,
        /// The values of the other parameter that it is valid with.
        is: Vec<String>,
    },
    /// A body that is not a JSON object, with the reason.
    NoObject(String),
    /// A path parameter in the body.
    BelongsInPath(String),
    /// A parameter that has different values in the body and as an argument.
    Contradiction {
        /// The parameter.
        name: String,
        /// The value of the argument.
        named: String,
        /// The value in the body.
        json: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { procedure, problem, .. } = self;
        match problem.as_ref() {
            Problem::Unknown { name, .. } => write!(f, "`{procedure}` takes no `{name}`"),
            Problem::Twice(name) => write!(f, "`{name}` is given twice"),
            Problem::Missing(names) => write!(f, "`{procedure}` needs {}", NameList(names, " and ")),
            Problem::Type { name, wanted, found } => write!(f, "`{name}` is to be {wanted}, and `{found}` is not"),
            Problem::NotAllowed { name, found, allowed } => {
                write!(f, "`{name}` is to be {}, and is `{found}`", NameList(allowed, " or "))
            }
            Problem::DoesNotGoWith { name, other, value, is } => {
                write!(f, "`{name}` goes with {} as `{other}`, and not with `{value}`", NameList(is, " or "))
            }
            Problem::NoObject(why) => write!(f, "the JSON body is no object: {why}"),
            Problem::BelongsInPath(name) => write!(f, "`{name}` does not belong in the JSON body"),
            Problem::Contradiction { name, named, json } => {
                write!(f, "`{name}` is `{named}`, and `{json}` in the JSON body")
            }
        }
    }
}

impl std::error::Error for Fault {}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        let example = &self.example;
        Some(match self.problem.as_ref() {
            Problem::Unknown { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`? {example}"),
            Problem::Unknown { nearest: None, known, .. } => format!("it takes {}: {example}", known.join(", ")),
            _ => format!("write {example}"),
        })
    }
}

struct NameList<'a>(&'a [String], &'static str);

impl fmt::Display for NameList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|name| format!("`{name}`")).collect();
        f.write_str(&names.join(self.1))
    }
}

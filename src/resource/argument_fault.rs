//! What can be wrong with the arguments of a procedure.

use std::fmt;

use crate::error::{Failure, Kind};

/// Arguments that a procedure does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `digitalocean.compute.image_actions.image_actions_post`.
    pub procedure: String,
    /// What is wrong.
    pub problem: Box<Problem>,
    /// A statement that would work.
    pub example: String,
}

/// What is wrong with [`Arguments`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A name that it has no parameter of.
    Unknown {
        /// As it was written.
        name: String,
        /// The one that was meant, perhaps.
        nearest: Option<String>,
        /// Those there are.
        known: Vec<String>,
    },
    /// One name, given twice.
    Twice(String),
    /// Parameters that have to be given.
    Missing(Vec<String>),
    /// A value of the wrong type.
    Type {
        /// The parameter.
        name: String,
        /// The type that it is to have.
        wanted: String,
        /// The value.
        found: String,
    },
    /// A value that is not among those allowed.
    NotAllowed {
        /// The parameter.
        name: String,
        /// The value.
        found: String,
        /// Those there are.
        allowed: Vec<String>,
    },
    /// A parameter that goes with other values of another one.
    DoesNotGoWith {
        /// The parameter.
        name: String,
        /// The other one.
        other: String,
        /// Its value.
        value: String,
        /// Those that it goes with.
        is: Vec<String>,
    },
    /// A body that is no JSON object; why.
    NoObject(String),
    /// A path parameter within the body.
    BelongsInPath(String),
    /// The body says one thing, the argument of this name another.
    Contradiction {
        /// The parameter.
        name: String,
        /// What the argument says, or the procedure itself.
        named: String,
        /// What the body says.
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

//! Checks the arguments of a procedure call and builds its request. No side effects.
//!
//! ```text
//! EXEC t.p @a = 1, @b = ?, @@json = '{…}'
//!          └── named ───┘  └── json ───┘
//!             │                │
//!             ▼                ▼
//!          ArgumentReader: values by parameter, and the first problem
//!             │ conditions (`when`), then missing parameters
//!             ├─ no problem ─► Values ─► Invocation: path, binding, body
//!             └─ a problem ──► Fault: the problem, and a corrected statement
//! ```
//!
//! A statement is checked twice: when it is prepared, with values that are not known yet ([`ArgumentValue::Later`]
//! counts as given), and when it is executed, with all values.
//!
//! The corrected statement of an error has the valid arguments of the original, completed with the declaration's
//! examples. So the reader does not stop at the first problem: it collects the remaining valid arguments for the
//! example. A test calls every procedure with its own examples.

use std::collections::BTreeMap;
use std::fmt;

use arrow::datatypes::DataType;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use super::argument_fault::{Fault, Problem};
use super::procedure::{Callable, Location, Parameter};
use super::types::type_name;
use super::value::{Binding, Value};
use crate::error::nearest;

/// The arguments of a statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments {
    /// By name, in the statement's order.
    pub named: Vec<(String, ArgumentValue)>,
    /// The body as JSON text.
    pub json: Option<ArgumentValue>,
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgumentValue {
    /// A parameter of the statement, whose value is not known before it is bound.
    Later,
    /// A value; null counts as omitted.
    Value(Json),
}

/// A request that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The path, percent-encoded.
    pub path: String,
    /// The values of the path's parameters.
    pub binding: Binding,
    /// The body, JSON.
    pub body: String,
}

impl Callable {
    /// Checks the arguments as far as their values are known.
    ///
    /// # Errors
    /// [`Fault`], with a corrected statement.
    pub fn check(&self, arguments: &Arguments) -> Result<(), Fault> {
        self.read(arguments).map(|_| ())
    }

    /// Builds the request from arguments whose values are all known.
    ///
    /// # Errors
    /// [`Fault`], with a corrected statement.
    pub fn invoke(&self, arguments: &Arguments) -> Result<Invocation, Fault> {
        let procedure = &self.procedure;
        let values = self.read(arguments)?;
        let mut binding = Binding::default();
        let mut body: Map<String, Json> =
            procedure.fixed.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        for (name, value) in &values {
            let Some(value) = known_value(value) else { continue };
            match procedure.parameter(name).map(|parameter| parameter.location) {
                Some(Location::Path) => binding = binding.with(name, path_value(value)),
                Some(Location::Body) | None => {
                    body.insert((*name).to_owned(), value.clone());
                }
            }
        }
        let Some(path) = procedure.path.fill(|name| binding.get(name).cloned()) else {
            return Err(self.fault(Problem::Missing(vec!["a value of its path".into()]), &values));
        };
        Ok(Invocation { path, binding, body: Json::Object(body).to_string() })
    }

    /// Returns every parameter that has an argument, with the value in the parameter's type.
    fn read<'a>(&'a self, arguments: &Arguments) -> Result<Values<'a>, Fault> {
        let mut reader = ArgumentReader { callable: self, values: Values::new(), problem: None };
        for (name, value) in &arguments.named {
            reader.read_named(name, value);
        }
        match &arguments.json {
            Some(ArgumentValue::Value(Json::Null)) | None => {}
            Some(ArgumentValue::Value(text)) => reader.read_body(text),
            // The body is not known yet and may hold any missing parameter, so the checks below come when it is bound.
            Some(ArgumentValue::Later) if reader.problem.is_none() => return Ok(reader.values),
            Some(ArgumentValue::Later) => {}
        }
        reader.check_conditions();
        reader.check_missing();
        match reader.problem {
            Some(problem) => Err(self.fault(problem, &reader.values)),
            None => Ok(reader.values),
        }
    }

    fn fault(&self, problem: Problem, values: &Values<'_>) -> Fault {
        Fault { procedure: self.name(), example: self.example(&problem, values), problem: Box::new(problem) }
    }

    /// A corrected statement, with the valid arguments of the original. An argument with a mistyped value gets the
    /// nearest allowed one; a required parameter without an argument gets the declaration's example. Parameters are
    /// written in the declared order; the declaration must have a parameter after the one that its `when` refers to.
    fn example(&self, problem: &Problem, values: &Values<'_>) -> String {
        let mut usable: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in values {
            if let Some(value) = known_value(value) {
                usable.insert(name, text(value));
            }
        }
        if let Problem::NotAllowed { name, found, allowed } = problem
            && let Some(parameter) = self.procedure.parameter(name)
            && let Some(nearest) = nearest(found, allowed.iter().map(String::as_str))
        {
            usable.insert(&parameter.name, nearest.to_owned());
        }
        let mut written: Vec<(&str, String)> = Vec::new();
        for Parameter { name, when, required, example, .. } in &self.procedure.parameters {
            let is_valid = when.as_ref().is_none_or(|when| {
                let in_statement = written.iter().find(|(other, _)| *other == when.parameter).map(|(_, value)| value);
                let other_value = in_statement.or_else(|| self.procedure.fixed.get(&when.parameter));
                other_value.is_some_and(|value| when.is.contains(value))
            });
            let value = usable.get(name.as_str()).or_else(|| required.then_some(example));
            if let Some(value) = value.filter(|_| is_valid) {
                written.push((name, value.clone()));
            }
        }
        let pairs: Vec<_> =
            written.iter().map(|(name, value)| format!("@{name}='{}'", value.replace('\'', "''"))).collect();
        format!("EXEC {} {}", self.name(), pairs.join(", "))
    }
}

/// The values by parameter name.
type Values<'a> = BTreeMap<&'a str, ArgumentValue>;

/// Collects the values and the first problem. It continues after a problem, for the example.
struct ArgumentReader<'a> {
    callable: &'a Callable,
    values: Values<'a>,
    problem: Option<Problem>,
}

impl ArgumentReader<'_> {
    /// Keeps the first problem.
    fn add_problem(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    fn read_named(&mut self, name: &str, value: &ArgumentValue) {
        let procedure = &self.callable.procedure;
        let Some(parameter) = procedure.parameter(name) else { return self.read_unknown(name, value) };
        if self.values.contains_key(parameter.name.as_str()) {
            return self.add_problem(Problem::GivenTwice(name.to_owned()));
        }
        match value {
            ArgumentValue::Value(Json::Null) => {}
            ArgumentValue::Later => {
                self.values.insert(&parameter.name, ArgumentValue::Later);
            }
            ArgumentValue::Value(value) => self.add_value(parameter.name.as_str(), value),
        }
    }

    /// An argument that is not a parameter. It is accepted if the procedure has a fixed value of this name and the
    /// argument repeats it.
    fn read_unknown(&mut self, name: &str, value: &ArgumentValue) {
        let procedure = &self.callable.procedure;
        if let Some(fixed) = procedure.fixed.get(name) {
            match value {
                ArgumentValue::Value(value) if text(value) != *fixed => {
                    let allowed = vec![fixed.clone()];
                    self.add_problem(Problem::NotAllowed { name: name.to_owned(), found: shortened(value), allowed });
                }
                ArgumentValue::Value(_) | ArgumentValue::Later => {}
            }
            return;
        }
        let known: Vec<String> = procedure.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        if let Some(parameter) = nearest.as_ref().and_then(|nearest| procedure.parameter(nearest))
            && let ArgumentValue::Value(value) = value
            && !self.values.contains_key(parameter.name.as_str())
            && let Ok(value) = typed(parameter, value)
        {
            // Only for the example: the name is still an error.
            self.values.insert(&parameter.name, ArgumentValue::Value(value));
        }
        self.add_problem(Problem::Unknown { name: name.to_owned(), nearest, known });
    }

    /// Adds the value of an existing parameter.
    fn add_value(&mut self, name: &str, value: &Json) {
        let procedure = &self.callable.procedure;
        let Some(parameter) = procedure.parameter(name) else { return };
        match typed(parameter, value) {
            Ok(value) => {
                self.values.insert(&parameter.name, ArgumentValue::Value(value));
            }
            Err(problem) => self.add_problem(problem),
        }
    }

    fn read_body(&mut self, text: &Json) {
        let fields = match text {
            Json::String(text) => serde_json::from_str::<Fields>(text).map_err(|error| error.to_string()),
            other => Err(format!("it is `{}`", shortened(other))),
        };
        match fields {
            Err(why) => self.add_problem(Problem::NotAnObject(why)),
            Ok(Fields(fields)) => fields.iter().for_each(|(name, value)| self.read_field(name, value)),
        }
    }

    fn read_field(&mut self, name: &str, value: &Json) {
        let procedure = &self.callable.procedure;
        let Some(parameter) = procedure.parameter(name) else {
            return self.read_unknown(name, &ArgumentValue::Value(value.clone()));
        };
        if parameter.location == Location::Path {
            return self.add_problem(Problem::BelongsInPath(name.to_owned()));
        }
        if value.is_null() {
            return;
        }
        match self.values.get(name) {
            None => self.add_value(name, value),
            // Compared with the body when it is bound.
            Some(ArgumentValue::Later) => {}
            Some(ArgumentValue::Value(named)) if typed(parameter, value).as_ref() == Ok(named) => {}
            Some(ArgumentValue::Value(named)) => {
                let (named, json) = (shortened(named), shortened(value));
                self.add_problem(Problem::Contradiction { name: name.to_owned(), named, json });
            }
        }
    }

    /// Finds a parameter whose `when` does not allow the value of the other parameter.
    fn check_conditions(&mut self) {
        for Parameter { name, when, .. } in &self.callable.procedure.parameters {
            let Some(when) = when.as_ref().filter(|_| self.values.contains_key(name.as_str())) else { continue };
            let Some(value) = self.known_text(&when.parameter) else { continue };
            if !when.is.contains(&value) {
                let (other, is) = (when.parameter.clone(), when.is.clone());
                self.add_problem(Problem::InvalidCombination { name: name.clone(), other, value, is });
            }
        }
    }

    fn check_missing(&mut self) {
        let parameters = self.callable.procedure.parameters.iter();
        let missing: Vec<String> =
            parameters.filter(|parameter| self.is_missing(parameter)).map(|parameter| parameter.name.clone()).collect();
        if !missing.is_empty() {
            self.add_problem(Problem::Missing(missing));
        }
    }

    /// Whether a parameter has no value although it is required, always or with the value of another one.
    fn is_missing(&self, parameter: &Parameter) -> bool {
        let is_required = parameter.required
            && parameter
                .when
                .as_ref()
                .is_none_or(|when| self.known_text(&when.parameter).is_some_and(|value| when.is.contains(&value)));
        is_required && !self.values.contains_key(parameter.name.as_str())
    }

    /// The value of a parameter as text, if it is known.
    fn known_text(&self, name: &str) -> Option<String> {
        self.values.get(name).and_then(known_value).map(text)
    }
}

/// The fields of a JSON object, none of them twice: serde_json's `Map` would silently keep the last one.
struct Fields(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, Json)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Json>()? {
                    if fields.iter().any(|(other, _)| *other == name) {
                        return Err(serde::de::Error::custom(format!("`{name}` occurs twice")));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

fn known_value(value: &ArgumentValue) -> Option<&Json> {
    match value {
        ArgumentValue::Later => None,
        ArgumentValue::Value(value) => Some(value),
    }
}

/// Converts a value to the parameter's type. Numbers may be quoted, as everywhere in EXEC.
fn typed(parameter: &Parameter, value: &Json) -> Result<Json, Problem> {
    let converted = match (&parameter.data_type, value) {
        (DataType::Int64, Json::Number(number)) => number.as_i64().or_else(|| float_as_integer(number)).map(Json::from),
        (DataType::Int64, Json::String(text)) => text.trim().parse::<i64>().ok().map(Json::from),
        (DataType::Float64, Json::Number(_)) => Some(value.clone()),
        (DataType::Float64, Json::String(text)) => {
            text.trim().parse().ok().and_then(Number::from_f64).map(Json::Number)
        }
        (DataType::Boolean, Json::Bool(_)) => Some(value.clone()),
        (DataType::Boolean, Json::String(text)) => {
            text.trim().to_ascii_lowercase().parse::<bool>().ok().map(Json::from)
        }
        (DataType::Utf8, Json::String(_)) => Some(value.clone()),
        _ => None,
    };
    // An empty segment, `.` or `..` would change the path.
    let changes_path = parameter.location == Location::Path && matches!(text(value).as_str(), "" | "." | "..");
    let (name, found) = (parameter.name.clone(), shortened(value));
    let Some(converted) = converted.filter(|_| !changes_path) else {
        return Err(Problem::Type { name, wanted: type_name(&parameter.data_type), found });
    };
    if parameter.allowed.is_empty() || parameter.allowed.contains(&text(&converted)) {
        return Ok(converted);
    }
    Err(Problem::NotAllowed { name, found, allowed: parameter.allowed.clone() })
}

/// The integer that a float stands for. pandas stores a column of integers with a missing value as floats.
fn float_as_integer(number: &Number) -> Option<i64> {
    // 2^53: up to here, every integer has its own float.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= MAX_EXACT)?;
    format!("{float:.0}").parse().ok()
}

/// A value for the path.
fn path_value(value: &Json) -> Value {
    match value.as_i64() {
        Some(number) => Value::Int(number),
        None => Value::Text(text(value)),
    }
}

/// The value as text, a string without quotes.
fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The value as text for an error: on one line, and cut after 100 characters.
fn shortened(value: &Json) -> String {
    const MAX_CHARACTERS: usize = 100;
    let text = text(value);
    let short: String = text.chars().take(MAX_CHARACTERS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if short.chars().count() < text.chars().count() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Error;
    use crate::resource::Registry;

    fn callable(name: &str) -> &'static Callable {
        Registry::built_in().callables().find(|callable| callable.name().ends_with(name)).unwrap()
    }

    fn arguments(named: &[(&str, Json)], json: Option<&str>) -> Arguments {
        let named =
            named.iter().map(|(name, value)| ((*name).to_owned(), ArgumentValue::Value(value.clone()))).collect();
        Arguments { named, json: json.map(|text| ArgumentValue::Value(text.into())) }
    }

    fn invoked(named: &[(&str, Json)], json: Option<&str>) -> Result<(String, Json), String> {
        let invocation = callable("image_actions_post").invoke(&arguments(named, json));
        let invocation = invocation.map_err(|fault| Error::from(fault).report())?;
        Ok((invocation.path, serde_json::from_str(&invocation.body).unwrap()))
    }

    #[test]
    fn named_arguments_and_a_body_make_one_request() {
        let transfer = json!({"type": "transfer", "region": "nyc3"});
        let path = "/v2/images/7/actions".to_owned();
        let (id, kind, region) = (("image_id", json!("7")), ("type", json!("transfer")), ("region", json!("nyc3")));

        for (named, body) in [
            (vec![id.clone(), kind.clone(), region.clone()], None),
            (vec![("image_id", json!(7)), kind.clone()], Some(r#"{"region": "nyc3"}"#)),
            (vec![id.clone()], Some(r#"{"type": "transfer", "region": "nyc3"}"#)),
            (vec![id.clone(), kind, region], Some(r#"{"type": "transfer", "region": "nyc3"}"#)),
        ] {
            assert_eq!(invoked(&named, body), Ok((path.clone(), transfer.clone())), "{named:?} {body:?}");
        }
        let convert = invoked(&[id, ("type", json!("convert")), ("region", Json::Null)], None);
        assert_eq!(convert, Ok((path, json!({"type": "convert"}))));
    }

    #[test]
    fn each_mistake_is_reported_with_a_corrected_statement() {
        const NAME: &str = "digitalocean.compute.image_actions.image_actions_post";
        let id = || ("image_id", json!("7"));
        let transfer = || ("type", json!("transfer"));
        let convert = "@image_id='7', @type='convert'";
        let nyc3 = "@image_id='7', @type='transfer', @region='nyc3'";
        let nyc3_of_the_example = "@image_id='62137902', @type='transfer', @region='nyc3'";
        type Case<'a> = (Vec<(&'a str, Json)>, Option<&'a str>, &'a str, &'a str);
        let cases: Vec<Case<'_>> = vec![
            (vec![id()], None, "needs `type`", convert),
            (vec![], None, "needs `image_id` and `type`", "@image_id='62137902', @type='convert'"),
            (vec![id(), ("type", Json::Null)], None, "needs `type`", convert),
            (vec![id(), transfer()], None, "needs `region`", nyc3),
            (vec![id(), ("typ", json!("transfer"))], None, "has no parameter `typ`\nhint: did you mean `type`?", nyc3),
            (vec![id(), transfer(), ("regoin", json!("fra1"))], None, "mean `region`", "@region='fra1'"),
            (vec![id(), ("zzz", json!(1))], None, "hint: its parameters are image_id, type, region: EXEC", convert),
            (vec![id(), ("type", json!("trasfer"))], None, "must be `convert` or `transfer`, but is `trasfer`", nyc3),
            (
                vec![("image_id", json!("x")), transfer()],
                None,
                "`image_id` must be Int64, but is `x`",
                nyc3_of_the_example,
            ),
            (vec![("image_id", json!(true)), transfer()], None, "must be Int64, but is `true`", nyc3_of_the_example),
            (vec![("image_id", json!(1e17)), transfer()], None, "must be Int64", nyc3_of_the_example),
            (vec![id(), transfer(), ("region", json!(5))], None, "`region` must be Utf8, but is `5`", nyc3),
            (vec![("image_id", json!(1.5)), transfer()], None, "must be Int64, but is `1.5`", nyc3_of_the_example),
            (vec![id(), id()], None, "`image_id` is given twice", convert),
            (
                vec![id(), ("type", json!("convert")), ("region", json!("nyc3"))],
                None,
                "`region` is only valid with `transfer` as `type`, not with `convert`",
                convert,
            ),
            (
                vec![id()],
                Some("[1]"),
                "the JSON body is not an object: invalid type: sequence, expected an object",
                convert,
            ),
            (vec![id()], Some("{"), "the JSON body is not an object: EOF", convert),
            (vec![id()], Some(""), "the JSON body is not an object: EOF", convert),
            (vec![id()], Some(r#"{"type": "convert"} x"#), "the JSON body is not an object: trailing", convert),
            (vec![id()], Some(r#"{"type": "convert", "type": "transfer"}"#), "`type` occurs twice", convert),
            (
                vec![id()],
                Some(r#"{"image_id": 8, "type": "convert"}"#),
                "`image_id` must not be in the JSON body",
                convert,
            ),
            (vec![id()], Some(r#"{"type": 5}"#), "`type` must be Utf8, but is `5`", convert),
            (vec![id()], Some(r#"{"type": "transfer", "regions": "nyc3"}"#), "has no parameter `regions`", nyc3),
            (
                vec![id(), transfer(), ("region", json!("nyc3"))],
                Some(r#"{"region": "fra1"}"#),
                "`region` is `nyc3`, but `fra1` in the JSON body",
                nyc3,
            ),
        ];

        for (named, body, problem, statement) in cases {
            let report = invoked(&named, body).unwrap_err();
            assert!(report.contains(problem), "{named:?} {body:?}: {report}");
            assert!(report.contains(&format!("EXEC {NAME} @")) && report.ends_with(statement), "{named:?}: {report}");
        }
    }

    #[test]
    fn parameters_of_the_statement_count_as_given() {
        let post = callable("image_actions_post");
        let named = vec![("image_id".to_owned(), ArgumentValue::Later), ("type".to_owned(), ArgumentValue::Later)];

        assert!(post.check(&Arguments { named: named.clone(), json: None }).is_ok());
        assert!(post.check(&Arguments { named: vec![named[0].clone()], json: Some(ArgumentValue::Later) }).is_ok());
        assert!(post.check(&Arguments { named: vec![named[0].clone()], json: None }).is_err());
        let unknown = vec![named[0].clone(), ("x".to_owned(), ArgumentValue::Later)];
        assert!(post.check(&Arguments { named: unknown, json: Some(ArgumentValue::Later) }).is_err());
    }

    #[test]
    fn an_alias_adds_its_fixed_parameters() {
        let invoke = |name: &str, named: &[(&str, Json)]| callable(name).invoke(&arguments(named, None));
        let id = ("image_id", json!(7));

        let convert = invoke("images.convert", std::slice::from_ref(&id)).unwrap();
        assert_eq!((convert.path.as_str(), convert.body.as_str()), ("/v2/images/7/actions", r#"{"type":"convert"}"#));
        assert!(invoke("images.convert", &[id.clone(), ("type", json!("convert"))]).is_ok());
        let other = invoke("images.convert", &[id.clone(), ("type", json!("transfer"))]).unwrap_err();
        assert_eq!(other.to_string(), "`type` must be `convert`, but is `transfer`");
        let region = invoke("images.convert", &[id.clone(), ("region", json!("nyc3"))]).unwrap_err();
        assert!(matches!(*region.problem, Problem::Unknown { .. }));
        let bare = invoke("images.transfer", &[id]).unwrap_err();
        assert_eq!(bare.example, "EXEC digitalocean.compute.images.transfer @image_id='7', @region='nyc3'");
    }

    #[test]
    fn every_procedure_accepts_its_own_example() {
        for callable in Registry::built_in().callables() {
            let choices = callable.procedure.parameters.iter().flat_map(|parameter| {
                let name = parameter.name.clone();
                parameter.allowed.iter().map(move |value| vec![(name.clone(), value.clone())])
            });
            for choice in choices.chain([vec![]]) {
                let given: Values<'_> = choice
                    .iter()
                    .filter_map(|(name, value)| {
                        let parameter = callable.procedure.parameter(name)?;
                        Some((parameter.name.as_str(), ArgumentValue::Value(value.clone().into())))
                    })
                    .collect();
                let example = callable.example(&Problem::Missing(vec![]), &given);
                let pairs = example.split_once(" @").unwrap().1.split(", @");
                let named = pairs.map(|pair| pair.split_once('=').unwrap());
                let named =
                    named.map(|(name, value)| (name.to_owned(), ArgumentValue::Value(value.trim_matches('\'').into())));
                let taken = callable.invoke(&Arguments { named: named.collect(), json: None });
                assert!(taken.is_ok(), "{example}: {taken:?}");
            }
        }
    }
}

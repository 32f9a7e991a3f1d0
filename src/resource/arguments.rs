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
use super::procedure::{Callable, Location, Parameter, Procedure};
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
        self.gather(arguments).map(|_| ())
    }

    /// Builds the request from arguments whose values are all known.
    ///
    /// # Errors
    /// [`Fault`], with a corrected statement.
    pub fn invoke(&self, arguments: &Arguments) -> Result<Invocation, Fault> {
        let Procedure { path, parameters, fixed, .. } = &self.procedure;
        let mut binding = Binding::default();
        let mut body: Map<String, Json> =
            fixed.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let values = self.gather(arguments)?;
        for (name, value) in values.iter().filter_map(|(name, given)| Some((*name, known(given)?))) {
            match parameters.iter().find(|own| own.name == name).map(|own| own.location) {
                Some(Location::Path) => binding = binding.with(name, key(value)),
                Some(Location::Body) | None => {
                    body.insert(name.to_owned(), value.clone());
                }
            }
        }
        let path = path.fill(|name| binding.get(name).cloned());
        let path = path.ok_or_else(|| self.fault(Problem::Missing(vec!["a value of its path".into()]), &values))?;
        Ok(Invocation { path, binding, body: Json::Object(body).to_string() })
    }

    /// Returns every parameter that has an argument, with the value in the parameter's type.
    fn gather<'a>(&'a self, arguments: &Arguments) -> Result<Values<'a>, Fault> {
        let mut reading = ArgumentReader { callable: self, values: Values::new(), problem: None };
        for (name, given) in &arguments.named {
            reading.named(name, given);
        }
        match &arguments.json {
            Some(ArgumentValue::Value(Json::Null)) | None => {}
            Some(ArgumentValue::Value(text)) => reading.json(text),
            // The body is not known yet and may hold any missing parameter, so the checks below come when it is bound.
            Some(ArgumentValue::Later) if reading.problem.is_none() => return Ok(reading.values),
            Some(ArgumentValue::Later) => {}
        }
        reading.conditions();
        reading.missing();
        let ArgumentReader { values, problem, .. } = reading;
        problem.map_or(Ok(()), |problem| Err(self.fault(problem, &values)))?;
        Ok(values)
    }

    fn fault(&self, problem: Problem, values: &Values<'_>) -> Fault {
        Fault { procedure: self.name(), example: self.example(&problem, values), problem: Box::new(problem) }
    }

    /// A corrected statement, with the valid arguments of the original. An argument with a mistyped value gets the
    /// nearest allowed one; a required parameter without an argument gets the declaration's example. Parameters are
    /// written in the declared order; the declaration must have a parameter after the one that its `when` refers to.
    fn example(&self, problem: &Problem, values: &Values<'_>) -> String {
        let mut given: BTreeMap<&str, String> =
            values.iter().filter_map(|(name, given)| Some((*name, text(known(given)?)))).collect();
        if let Problem::NotAllowed { name, found, allowed } = problem {
            let near = nearest(found, allowed.iter().map(String::as_str)).map(str::to_owned);
            given.extend(self.procedure.parameter(name).zip(near).map(|(own, near)| (own.name.as_str(), near)));
        }
        let fixed = |name: &str| self.procedure.fixed.get(name).cloned();
        let mut written: Vec<(&str, String)> = Vec::new();
        for Parameter { name, when, required, example, .. } in &self.procedure.parameters {
            let belongs = when.as_ref().is_none_or(|when| {
                let other = written.iter().find(|(other, _)| *other == when.parameter).map(|(_, value)| value.clone());
                other.or_else(|| fixed(&when.parameter)).is_some_and(|value| when.is.contains(&value))
            });
            let value = given.get(name.as_str()).cloned().or_else(|| required.then(|| example.clone()));
            written.extend(value.filter(|_| belongs).map(|value| (name.as_str(), value)));
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
    fn wrong(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    fn named(&mut self, name: &str, given: &ArgumentValue) {
        let procedure = &self.callable.procedure;
        let Some(parameter) = procedure.parameter(name) else { return self.stranger(name, given) };
        if self.values.contains_key(parameter.name.as_str()) {
            return self.wrong(Problem::Twice(name.to_owned()));
        }
        match given {
            ArgumentValue::Value(Json::Null) => {}
            ArgumentValue::Later => {
                self.values.insert(&parameter.name, ArgumentValue::Later);
            }
            ArgumentValue::Value(value) => self.take(parameter.name.as_str(), value),
        }
    }

    /// An argument that is not a parameter. It is accepted if the procedure has a fixed value of this name and the
    /// argument repeats it.
    fn stranger(&mut self, name: &str, given: &ArgumentValue) {
        let procedure = &self.callable.procedure;
        if let Some(own) = procedure.fixed.get(name) {
            match given {
                ArgumentValue::Value(value) if text(value) != *own => {
                    let allowed = vec![own.clone()];
                    self.wrong(Problem::NotAllowed { name: name.to_owned(), found: shown(value), allowed });
                }
                ArgumentValue::Value(_) | ArgumentValue::Later => {}
            }
            return;
        }
        let known: Vec<String> = procedure.parameters.iter().map(|own| own.name.clone()).collect();
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        if let (Some(nearest), ArgumentValue::Value(value)) = (&nearest, given) {
            let free = procedure.parameter(nearest).filter(|own| !self.values.contains_key(own.name.as_str()));
            if let Some((parameter, Ok(value))) = free.map(|own| (own, typed(own, value))) {
                // Only for the example: the name is still an error.
                self.values.insert(&parameter.name, ArgumentValue::Value(value));
            }
        }
        self.wrong(Problem::Unknown { name: name.to_owned(), nearest, known });
    }

    /// Adds the value of an existing parameter.
    fn take(&mut self, name: &str, value: &Json) {
        let procedure = &self.callable.procedure;
        let Some(parameter) = procedure.parameter(name) else { return };
        match typed(parameter, value) {
            Ok(value) => {
                self.values.insert(&parameter.name, ArgumentValue::Value(value));
            }
            Err(problem) => self.wrong(problem),
        }
    }

    fn json(&mut self, text: &Json) {
        let fields = match text {
            Json::String(text) => serde_json::from_str::<Fields>(text).map_err(|error| error.to_string()),
            other => Err(format!("it is `{}`", shown(other))),
        };
        match fields {
            Err(why) => self.wrong(Problem::NoObject(why)),
            Ok(Fields(fields)) => fields.iter().for_each(|(name, value)| self.field(name, value)),
        }
    }

    fn field(&mut self, name: &str, value: &Json) {
        let procedure = &self.callable.procedure;
        match procedure.parameter(name).map(|own| own.location) {
            Some(Location::Path) => self.wrong(Problem::BelongsInPath(name.to_owned())),
            None => self.stranger(name, &ArgumentValue::Value(value.clone())),
            Some(Location::Body) if *value == Json::Null => {}
            Some(Location::Body) => match self.values.get(name).cloned() {
                None => self.take(name, value),
                // Compared with the body when it is bound.
                Some(ArgumentValue::Later) => {}
                Some(ArgumentValue::Value(named)) => {
                    let same = procedure.parameter(name).map(|own| typed(own, value)) == Some(Ok(named.clone()));
                    if !same {
                        let (named, json) = (shown(&named), shown(value));
                        self.wrong(Problem::Contradiction { name: name.to_owned(), named, json });
                    }
                }
            },
        }
    }

    /// Finds a parameter whose `when` does not allow the value of the other parameter.
    fn conditions(&mut self) {
        for Parameter { name, when, .. } in &self.callable.procedure.parameters {
            let Some(when) = when.as_ref().filter(|_| self.values.contains_key(name.as_str())) else { continue };
            let Some(value) = self.values.get(when.parameter.as_str()).and_then(known).map(text) else { continue };
            if !when.is.contains(&value) {
                let (other, is) = (when.parameter.clone(), when.is.clone());
                self.wrong(Problem::DoesNotGoWith { name: name.clone(), other, value, is });
            }
        }
    }

    fn missing(&mut self) {
        let needed = |parameter: &&Parameter| {
            parameter.required
                && !self.values.contains_key(parameter.name.as_str())
                && parameter.when.as_ref().is_none_or(|when| {
                    let other = self.values.get(when.parameter.as_str()).and_then(known);
                    other.is_some_and(|value| when.is.contains(&text(value)))
                })
        };
        let names: Vec<String> =
            self.callable.procedure.parameters.iter().filter(needed).map(|own| own.name.clone()).collect();
        if !names.is_empty() {
            self.wrong(Problem::Missing(names));
        }
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
                        return Err(serde::de::Error::custom(format!("`{name}` stands there twice")));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

fn known(given: &ArgumentValue) -> Option<&Json> {
    match given {
        ArgumentValue::Later => None,
        ArgumentValue::Value(value) => Some(value),
    }
}

/// Converts a value to the parameter's type. Numbers may be quoted, as everywhere in EXEC.
fn typed(parameter: &Parameter, value: &Json) -> Result<Json, Problem> {
    let read = match (&parameter.data_type, value) {
        (DataType::Int64, Json::Number(number)) => number.as_i64().or_else(|| whole(number)).map(Json::from),
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
    let leaves_its_segment = parameter.location == Location::Path && matches!(text(value).as_str(), "" | "." | "..");
    let read = read.filter(|_| !leaves_its_segment);
    let name = parameter.name.clone();
    let read = read.ok_or_else(|| {
        let wanted = type_name(&parameter.data_type);
        Problem::Type { name: name.clone(), wanted, found: shown(value) }
    })?;
    if parameter.allowed.is_empty() || parameter.allowed.contains(&text(&read)) {
        return Ok(read);
    }
    Err(Problem::NotAllowed { name, found: shown(value), allowed: parameter.allowed.clone() })
}

/// The integer that a float stands for. pandas stores a column of integers with a missing value as floats.
fn whole(number: &Number) -> Option<i64> {
    // 2^53: up to here, every integer has its own float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT)?;
    format!("{float:.0}").parse().ok()
}

/// A value for the path.
fn key(value: &Json) -> Value {
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
fn shown(value: &Json) -> String {
    const MOST: usize = 100;
    let text = text(value);
    let short: String = text.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
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
            (vec![id(), ("typ", json!("transfer"))], None, "takes no `typ`\nhint: did you mean `type`?", nyc3),
            (vec![id(), transfer(), ("regoin", json!("fra1"))], None, "mean `region`", "@region='fra1'"),
            (vec![id(), ("zzz", json!(1))], None, "hint: it takes image_id, type, region: EXEC", convert),
            (vec![id(), ("type", json!("trasfer"))], None, "is to be `convert` or `transfer`, and is `trasfer`", nyc3),
            (
                vec![("image_id", json!("x")), transfer()],
                None,
                "`image_id` is to be Int64, and `x` is not",
                nyc3_of_the_example,
            ),
            (
                vec![("image_id", json!(true)), transfer()],
                None,
                "is to be Int64, and `true` is not",
                nyc3_of_the_example,
            ),
            (vec![("image_id", json!(1e17)), transfer()], None, "is to be Int64", nyc3_of_the_example),
            (vec![id(), transfer(), ("region", json!(5))], None, "`region` is to be Utf8, and `5` is not", nyc3),
            (vec![("image_id", json!(1.5)), transfer()], None, "is to be Int64, and `1.5` is not", nyc3_of_the_example),
            (vec![id(), id()], None, "`image_id` is given twice", convert),
            (
                vec![id(), ("type", json!("convert")), ("region", json!("nyc3"))],
                None,
                "`region` goes with `transfer` as `type`, and not with `convert`",
                convert,
            ),
            (
                vec![id()],
                Some("[1]"),
                "the JSON body is no object: invalid type: sequence, expected an object",
                convert,
            ),
            (vec![id()], Some("{"), "the JSON body is no object: EOF", convert),
            (vec![id()], Some(""), "the JSON body is no object: EOF", convert),
            (vec![id()], Some(r#"{"type": "convert"} x"#), "the JSON body is no object: trailing", convert),
            (vec![id()], Some(r#"{"type": "convert", "type": "transfer"}"#), "`type` stands there twice", convert),
            (
                vec![id()],
                Some(r#"{"image_id": 8, "type": "convert"}"#),
                "`image_id` does not belong in the JSON body",
                convert,
            ),
            (vec![id()], Some(r#"{"type": 5}"#), "`type` is to be Utf8, and `5` is not", convert),
            (vec![id()], Some(r#"{"type": "transfer", "regions": "nyc3"}"#), "takes no `regions`", nyc3),
            (
                vec![id(), transfer(), ("region", json!("nyc3"))],
                Some(r#"{"region": "fra1"}"#),
                "`region` is `nyc3`, and `fra1` in the JSON body",
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
        assert_eq!(other.to_string(), "`type` is to be `convert`, and is `transfer`");
        let region = invoke("images.convert", &[id.clone(), ("region", json!("nyc3"))]).unwrap_err();
        assert!(matches!(*region.problem, Problem::Unknown { .. }));
        let bare = invoke("images.transfer", &[id]).unwrap_err();
        assert_eq!(bare.example, "EXEC digitalocean.compute.images.transfer @image_id='7', @region='nyc3'");
    }

    #[test]
    fn every_procedure_accepts_its_own_example() {
        for callable in Registry::built_in().callables() {
            let choices = callable.procedure.parameters.iter().flat_map(|own| {
                let name = own.name.clone();
                own.allowed.iter().map(move |value| vec![(name.clone(), value.clone())])
            });
            for choice in choices.chain([vec![]]) {
                let given: Values<'_> = choice
                    .iter()
                    .filter_map(|(name, value)| {
                        let own = callable.procedure.parameter(name)?;
                        Some((own.name.as_str(), ArgumentValue::Value(value.clone().into())))
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

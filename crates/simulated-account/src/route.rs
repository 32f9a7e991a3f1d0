//! Which table a path belongs to. The routes are those of the fixtures.

use crate::tables::Tables;

/// The three kinds of requests to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    List,
    Get,
    Post,
}

impl Operation {
    fn method(self) -> &'static str {
        match self {
            Self::List | Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// All routes of an account.
#[derive(Debug)]
pub(crate) struct Routes(Vec<Route>);

#[derive(Debug)]
struct Route {
    operation: Operation,
    path: String,
    table: usize,
    has_parent: bool,
}

/// The result of looking up a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RouteMatch<'p> {
    Target(Target<'p>),
    /// The path exists, but with these methods only.
    OtherMethods(Vec<&'static str>),
    Unknown,
}

/// A table, with the parameters of the path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'p> {
    pub(crate) operation: Operation,
    pub(crate) table: usize,
    pub(crate) parent: Option<&'p str>,
    pub(crate) id: Option<&'p str>,
}

impl Routes {
    pub(crate) fn of(tables: &Tables) -> Self {
        let mut routes = Vec::new();
        for (table, own) in tables.all.iter().enumerate() {
            let fixture = &own.fixture;
            let list = fixture.list.as_ref().map(|route| (Operation::List, &route.path));
            let get = fixture.get.as_ref().map(|route| (Operation::Get, &route.path));
            let post = fixture.post.as_ref().map(|route| (Operation::Post, &route.path));
            let has_parent = fixture.parent.is_some();
            let own = [list, get, post].into_iter().flatten();
            routes.extend(own.map(|(operation, path)| Route { operation, path: path.clone(), table, has_parent }));
        }
        Self(routes)
    }

    pub(crate) fn find<'p>(&self, method: &str, path: &'p str) -> RouteMatch<'p> {
        let mut methods = Vec::new();
        for route in &self.0 {
            let Some(target) = route.target(path) else { continue };
            if route.operation.method() == method {
                return RouteMatch::Target(target);
            }
            methods.push(route.operation.method());
        }
        if methods.is_empty() { RouteMatch::Unknown } else { RouteMatch::OtherMethods(methods) }
    }

    /// As text: `GET /v2/images`.
    pub(crate) fn list(&self) -> Vec<String> {
        self.0.iter().map(|route| format!("{} {}", route.operation.method(), route.path)).collect()
    }
}

impl Route {
    fn target<'p>(&self, path: &'p str) -> Option<Target<'p>> {
        let mut parameters = Vec::new();
        let mut segments = path.split('/');
        for own in self.path.split('/') {
            let segment = segments.next()?;
            if own.starts_with('{') {
                parameters.push(segment);
            } else if own != segment {
                return None;
            }
        }
        if segments.next().is_some() || parameters.iter().any(|text| text.is_empty()) {
            return None;
        }
        let mut parameters = parameters.into_iter();
        let parent = if self.has_parent { parameters.next() } else { None };
        Some(Target { operation: self.operation, table: self.table, parent, id: parameters.next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route =
            |operation, path: &str, has_parent| Route { operation, path: path.to_owned(), table: 0, has_parent };
        Routes(vec![
            route(Operation::List, "/v2/images", false),
            route(Operation::Get, "/v2/images/{id}", false),
            route(Operation::List, "/v2/images/{image_id}/actions", true),
            route(Operation::Post, "/v2/images/{image_id}/actions", true),
            route(Operation::Get, "/v2/images/{image_id}/actions/{action_id}", true),
        ])
    }

    #[test]
    fn the_parameters_of_a_path_are_found() {
        let routes = routes();
        let find = |path| match routes.find("GET", path) {
            RouteMatch::Target(target) => (target.operation, target.parent, target.id),
            other => panic!("{path}: {other:?}"),
        };

        assert_eq!(find("/v2/images"), (Operation::List, None, None));
        assert_eq!(find("/v2/images/7"), (Operation::Get, None, Some("7")));
        assert_eq!(find("/v2/images/7/actions"), (Operation::List, Some("7"), None));
        assert_eq!(find("/v2/images/7/actions/8"), (Operation::Get, Some("7"), Some("8")));
    }

    #[test]
    fn other_paths_are_unknown() {
        for path in ["/v2/image", "/v2/images/", "/v2/images//actions", "/v2/images/7/actions/8/9", "/"] {
            assert_eq!(routes().find("GET", path), RouteMatch::Unknown, "{path}");
        }
    }

    #[test]
    fn another_method_gets_the_known_methods() {
        assert_eq!(routes().find("DELETE", "/v2/images/7/actions"), RouteMatch::OtherMethods(vec!["GET", "POST"]));
    }
}

//! Which table a path is about. The routes are those that the fixtures name.

use super::tables::Tables;

/// What a path of the API asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    List,
    Get,
    Post,
}

impl Ask {
    fn method(self) -> &'static str {
        match self {
            Self::List | Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// All routes of an account.
#[derive(Debug)]
pub(super) struct Routes(Vec<Route>);

#[derive(Debug)]
struct Route {
    ask: Ask,
    path: String,
    table: usize,
    has_parent: bool,
}

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'p> {
    Place(Place<'p>),
    /// The path is known, with these other methods.
    Methods(Vec<&'static str>),
    Nothing,
}

/// A table, and what stands in the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'p> {
    pub(super) ask: Ask,
    pub(super) table: usize,
    pub(super) parent: Option<&'p str>,
    pub(super) id: Option<&'p str>,
}

impl Routes {
    pub(super) fn of(tables: &Tables) -> Self {
        let mut routes = Vec::new();
        for (table, own) in tables.all.iter().enumerate() {
            let fixture = &own.fixture;
            let list = fixture.list.as_ref().map(|route| (Ask::List, &route.path));
            let get = fixture.get.as_ref().map(|route| (Ask::Get, &route.path));
            let post = fixture.post.as_ref().map(|route| (Ask::Post, &route.path));
            let has_parent = fixture.parent.is_some();
            let own = [list, get, post].into_iter().flatten();
            routes.extend(own.map(|(ask, path)| Route { ask, path: path.clone(), table, has_parent }));
        }
        Self(routes)
    }

    pub(super) fn find<'p>(&self, method: &str, path: &'p str) -> Found<'p> {
        let mut methods = Vec::new();
        for route in &self.0 {
            let Some(place) = route.place(path) else { continue };
            if route.ask.method() == method {
                return Found::Place(place);
            }
            methods.push(route.ask.method());
        }
        if methods.is_empty() { Found::Nothing } else { Found::Methods(methods) }
    }

    /// As people read them: `GET /v2/images`.
    pub(super) fn list(&self) -> Vec<String> {
        self.0.iter().map(|route| format!("{} {}", route.ask.method(), route.path)).collect()
    }
}

impl Route {
    fn place<'p>(&self, path: &'p str) -> Option<Place<'p>> {
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
        Some(Place { ask: self.ask, table: self.table, parent, id: parameters.next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |ask, path: &str, has_parent| Route { ask, path: path.to_owned(), table: 0, has_parent };
        Routes(vec![
            route(Ask::List, "/v2/images", false),
            route(Ask::Get, "/v2/images/{id}", false),
            route(Ask::List, "/v2/images/{image_id}/actions", true),
            route(Ask::Post, "/v2/images/{image_id}/actions", true),
            route(Ask::Get, "/v2/images/{image_id}/actions/{action_id}", true),
        ])
    }

    #[test]
    fn what_stands_in_a_path_is_found() {
        let routes = routes();
        let find = |path| match routes.find("GET", path) {
            Found::Place(place) => (place.ask, place.parent, place.id),
            other => panic!("{path}: {other:?}"),
        };

        assert_eq!(find("/v2/images"), (Ask::List, None, None));
        assert_eq!(find("/v2/images/7"), (Ask::Get, None, Some("7")));
        assert_eq!(find("/v2/images/7/actions"), (Ask::List, Some("7"), None));
        assert_eq!(find("/v2/images/7/actions/8"), (Ask::Get, Some("7"), Some("8")));
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in ["/v2/image", "/v2/images/", "/v2/images//actions", "/v2/images/7/actions/8/9", "/"] {
            assert_eq!(routes().find("GET", path), Found::Nothing, "{path}");
        }
    }

    #[test]
    fn another_method_learns_which_there_are() {
        assert_eq!(routes().find("DELETE", "/v2/images/7/actions"), Found::Methods(vec!["GET", "POST"]));
    }
}

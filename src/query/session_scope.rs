//! What belongs to one session of a client, as long as the session lasts.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// A session, in which other layers keep parts of their own. Two scopes are equal if they are the same session.
#[derive(Clone, Default)]
pub struct SessionScope(Arc<Mutex<Parts>>);

type Parts = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

impl SessionScope {
    /// The part of this type. The first call makes it.
    pub fn part<T: Any + Default + Send + Sync>(&self) -> Arc<T> {
        // Usable after a panic: each change is one call of the map.
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let part = parts.entry(TypeId::of::<T>()).or_insert_with(|| Arc::<T>::default());
        // A part is found by its own type.
        Arc::clone(part).downcast().unwrap_or_default()
    }
}

impl fmt::Debug for SessionScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionScope")
    }
}

impl PartialEq for SessionScope {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SessionScope {}

impl Hash for SessionScope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_same_for_the_same_session_only() {
        let (one, other) = (SessionScope::default(), SessionScope::default());
        *one.part::<Mutex<u32>>().lock().unwrap() = 7;

        assert_eq!(*one.clone().part::<Mutex<u32>>().lock().unwrap(), 7);
        assert_eq!(*other.part::<Mutex<u32>>().lock().unwrap(), 0);
        assert!(one == one.clone() && one != other);
    }
}

//! Completion of a started action: which status column to poll, and which values are final.

use serde::Deserialize;

/// How to find out whether an action that a [`Procedure`](super::Procedure) started has ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// The column with the status.
    pub status_column: String,
    /// Its values after a success.
    pub succeeded: Vec<String>,
    /// Its values after a failure.
    pub failed: Vec<String>,
    /// The method that reads the row.
    pub poll_method: String,
}

/// The phase of an action that a [`Procedure`](super::Procedure) started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not known to have ended.
    Open,
    /// Ended successfully.
    Succeeded,
    /// Ended with a failure.
    Failed,
}

impl Completion {
    /// The phase that a status stands for. Only the statuses in the declaration are an end, compared without case: the
    /// API may introduce a new status such as `queued`, which is not an end.
    pub fn phase(&self, status: Option<&str>) -> Phase {
        let Some(status) = status else { return Phase::Open };
        let is_one_of = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case(status));
        if is_one_of(&self.succeeded) {
            Phase::Succeeded
        } else if is_one_of(&self.failed) {
            Phase::Failed
        } else {
            Phase::Open
        }
    }

    pub(super) fn check_values(&self) -> Result<(), String> {
        if self.succeeded.is_empty() {
            return Err(format!("`succeeded` has no value of `{}`", self.status_column));
        }
        match self.failed.iter().find(|name| self.phase(Some(name)) == Phase::Succeeded) {
            Some(name) => Err(format!("`{name}` is both in `succeeded` and in `failed`")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(succeeded: &[&str], failed: &[&str]) -> Completion {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (status_column, poll_method) = ("status".to_owned(), "things_get".to_owned());
        Completion { status_column, succeeded: texts(succeeded), failed: texts(failed), poll_method }
    }

    #[test]
    fn only_a_declared_status_is_an_end() {
        let completion = completion(&["completed", "done"], &["errored"]);

        for status in ["completed", "Completed", "COMPLETED", "done"] {
            assert_eq!(completion.phase(Some(status)), Phase::Succeeded, "{status}");
        }
        for status in ["errored", "Errored", "ERRORED"] {
            assert_eq!(completion.phase(Some(status)), Phase::Failed, "{status}");
        }
        for status in ["in-progress", "pending", "queued", "new", "", " completed", "complete", "archived"] {
            assert_eq!(completion.phase(Some(status)), Phase::Open, "{status}");
        }
        assert_eq!(completion.phase(None), Phase::Open);
    }

    #[test]
    fn a_success_must_be_declared_and_cannot_be_a_failure() {
        assert_eq!(completion(&["completed"], &[]).check_values(), Ok(()));
        assert_eq!(
            completion(&[], &["errored"]).check_values(),
            Err("`succeeded` has no value of `status`".to_owned())
        );
        assert_eq!(
            completion(&["over"], &["errored", "Over"]).check_values(),
            Err("`Over` is both in `succeeded` and in `failed`".to_owned())
        );
    }
}

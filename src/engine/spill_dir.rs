//! The directory that operators spill to.
//!
//! A program that is killed leaves its files behind. So each has a directory of its own, with a lock that the system
//! releases when the program ends, however it ends; the next one removes the directories whose locks are free.

use std::fs::{File, TryLockError, read_dir, remove_dir_all, rename};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Failure, Kind};

/// How the names of these directories begin.
const PREFIX: &str = "oceanflight-spill-";

const LOCK: &str = "lock";

/// The lock's name before it is locked.
const NEW_LOCK: &str = "lock.new";

/// A directory for spilled rows. Dropping it removes it.
#[derive(Debug)]
pub struct SpillDir {
    dir: TempDir,
    /// Locked as long as it is open.
    _lock: File,
}

/// The directory cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a directory for spilled rows in {}", .parent.display())]
pub struct SpillDirError {
    parent: PathBuf,
    source: io::Error,
}

impl Failure for SpillDirError {
    fn kind(&self) -> Kind {
        Kind::FailedPrecondition
    }

    fn hint(&self) -> Option<String> {
        Some("set spill_dir to a directory that this program can write to".into())
    }
}

impl SpillDir {
    /// Makes a directory in `parent`, and removes those of programs that have ended.
    ///
    /// # Errors
    /// [`SpillDirError`].
    pub fn create_in(parent: &Path) -> Result<Self, SpillDirError> {
        let failed = |source| SpillDirError { parent: parent.to_owned(), source };
        remove_abandoned(parent);
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).map_err(failed)?;
        let lock = lock_in(dir.path()).map_err(failed)?;
        Ok(Self { dir, _lock: lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Locks a directory. The lock gets its name only once it is locked: another program that starts now would take a free
/// lock as the sign of a program that has ended.
fn lock_in(dir: &Path) -> io::Result<File> {
    let lock = File::create(dir.join(NEW_LOCK))?;
    lock.lock()?;
    rename(dir.join(NEW_LOCK), dir.join(LOCK))?;
    Ok(lock)
}

/// Removes the directories whose lock is free. What cannot be read or removed stays: it may belong to another user.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = read_dir(parent) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&entry.path()) {
            let _ = remove_dir_all(entry.path());
        }
    }
}

/// Whether the program of a directory has ended. A directory without a lock is being made now.
fn is_abandoned(dir: &Path) -> bool {
    let Ok(lock) = File::open(dir.join(LOCK)) else { return false };
    match lock.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_is_removed_by_the_next_program_if_its_own_has_ended() {
        let parent = tempfile::tempdir().unwrap();
        let dead = parent.path().join("oceanflight-spill-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("rows.arrow"), "x").unwrap();
        let other = parent.path().join("else");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(LOCK), "").unwrap();

        let one = SpillDir::create_in(parent.path()).unwrap();
        assert!(!dead.exists() && other.exists());
        let two = SpillDir::create_in(parent.path()).unwrap();
        assert!(one.path().exists(), "its program runs");

        let path = two.path().to_owned();
        drop(two);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_that_is_being_made_stays() {
        let parent = tempfile::tempdir().unwrap();
        let new = parent.path().join("oceanflight-spill-new");
        fs::create_dir(&new).unwrap();
        fs::write(new.join(NEW_LOCK), "").unwrap();

        let _dir = SpillDir::create_in(parent.path()).unwrap();

        assert!(new.exists());
    }

    #[test]
    fn a_parent_that_does_not_exist_is_an_error_with_a_hint() {
        let error = crate::error::Error::from(SpillDir::create_in(Path::new("/no/such/directory")).unwrap_err());

        assert!(error.report().contains("hint: set spill_dir"), "{}", error.report());
    }
}

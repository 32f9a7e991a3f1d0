//! The destination of the rows: standard output, or a file that is created only when it is complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::Error;
use super::format::OutputKind;

/// A destination. It keeps its first I/O error, which the formats' errors do not contain.
pub(super) struct Output<'a> {
    target: OutputTarget<'a>,
    fault: Option<io::Error>,
}

enum OutputTarget<'a> {
    Stdout(&'a mut (dyn Write + Send)),
    /// A file that is created when it is complete.
    New(NewFile),
    /// A device or a pipe, which is written to directly.
    Existing {
        file: PathBuf,
        open: BufWriter<File>,
    },
}

/// A temporary file in the directory of the file that it becomes.
struct NewFile {
    file: PathBuf,
    temporary: BufWriter<NamedTempFile>,
}

impl<'a> Output<'a> {
    pub(super) fn stdout(stdout: &'a mut (dyn Write + Send)) -> Self {
        Self { target: OutputTarget::Stdout(stdout), fault: None }
    }

    /// Opens a file. It does not exist (or is unchanged) until [`Output::keep`].
    pub(super) fn file(file: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Output { file: Some(file.to_owned()), source };
        let target = match fs::metadata(file) {
            Ok(found) if !found.is_file() => {
                let open = OpenOptions::new().write(true).open(file).map_err(failed)?;
                OutputTarget::Existing { file: file.to_owned(), open: BufWriter::new(open) }
            }
            // A link is followed: its target is replaced, not the link.
            Ok(_) => OutputTarget::New(file.canonicalize().and_then(|file| NewFile::for_file(&file)).map_err(failed)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                OutputTarget::New(NewFile::for_file(file).map_err(failed)?)
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { target, fault: None })
    }

    /// Returns the kind of output; `terminal` is the width of standard output if it is a terminal.
    pub(super) fn place(&self, terminal: Option<usize>) -> OutputKind {
        match (&self.target, terminal) {
            (OutputTarget::Stdout(_), Some(columns)) => OutputKind::Terminal(columns),
            (OutputTarget::Stdout(_), None) | (OutputTarget::Existing { .. }, _) => OutputKind::Pipe,
            (OutputTarget::New(_), _) => OutputKind::File,
        }
    }

    /// Whether the reader of a pipe has closed it, which is not an error.
    pub(super) fn is_closed(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Returns the file, if this is not standard output.
    pub(super) fn file_name(&self) -> Option<&Path> {
        match &self.target {
            OutputTarget::Stdout(_) => None,
            OutputTarget::New(NewFile { file, .. }) | OutputTarget::Existing { file, .. } => Some(file),
        }
    }

    /// Takes the destination's I/O error.
    pub(super) fn take_fault(&mut self) -> Option<Error> {
        let file = self.file_name().map(Path::to_owned);
        self.fault.take().map(|source| Error::Output { file, source })
    }

    /// Completes the output if everything was `written`. A pipe that its reader has closed is not an error. `failed` makes
    /// an error that the destination did not cause.
    pub(super) fn finish<E>(mut self, written: Result<(), E>, failed: impl FnOnce(E) -> Error) -> Result<(), Error> {
        match written {
            Ok(()) => self.keep(),
            Err(_) if self.is_closed() => Ok(()),
            Err(source) => Err(self.take_fault().unwrap_or_else(|| failed(source))),
        }
    }

    /// Completes the output: the file exists after this.
    pub(super) fn keep(self) -> Result<(), Error> {
        let (file, kept) = match self.target {
            OutputTarget::Stdout(stdout) => (None, stdout.flush()),
            OutputTarget::Existing { file, mut open } => (Some(file), open.flush()),
            OutputTarget::New(new) => (Some(new.file.clone()), new.persist()),
        };
        kept.map_err(|source| Error::Output { file, source })
    }
}

impl NewFile {
    /// Creates a temporary file in the file's directory: renaming is atomic only within a file system.
    fn for_file(file: &Path) -> io::Result<Self> {
        let directory = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".oceanflight-");
        #[cfg(unix)]
        builder.permissions(permissions(file));
        Ok(Self { file: file.to_owned(), temporary: BufWriter::new(builder.tempfile_in(directory)?) })
    }

    fn persist(self) -> io::Result<()> {
        let temporary = self.temporary.into_inner().map_err(io::IntoInnerError::into_error)?;
        temporary.as_file().sync_all()?;
        temporary.persist(self.file).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Returns the permissions of the file that is replaced, or those of a new file, to which the system applies the umask.
#[cfg(unix)]
fn permissions(file: &Path) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).map_or_else(|_| fs::Permissions::from_mode(0o666), |found| found.permissions())
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.target {
            // Flushed at once: rows are visible when they arrive, not when a buffer is full.
            OutputTarget::Stdout(stdout) => stdout.write_all(bytes).and_then(|()| stdout.flush()).map(|()| bytes.len()),
            OutputTarget::New(NewFile { temporary, .. }) => temporary.write(bytes),
            OutputTarget::Existing { open, .. } => open.write(bytes),
        };
        written.map_err(|error| self.keep_fault(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = match &mut self.target {
            OutputTarget::Stdout(stdout) => stdout.flush(),
            OutputTarget::New(NewFile { temporary, .. }) => temporary.flush(),
            OutputTarget::Existing { open, .. } => open.flush(),
        };
        flushed.map_err(|error| self.keep_fault(error))
    }
}

impl Output<'_> {
    /// Keeps the first error. `io::Error` cannot be cloned, so the format gets one of the same kind.
    fn keep_fault(&mut self, error: io::Error) -> io::Error {
        let same_kind = io::Error::from(error.kind());
        self.fault.get_or_insert(error);
        same_kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_exists_only_after_keep() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rows.csv");
        let mut output = Output::file(&file).unwrap();
        output.write_all(b"rows").unwrap();
        assert!(!file.exists());

        output.keep().unwrap();

        assert_eq!(fs::read(&file).unwrap(), b"rows");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_keep_the_old_file_stays_and_no_other_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rows.csv");
        fs::write(&file, "old").unwrap();
        let mut output = Output::file(&file).unwrap();
        output.write_all(b"half").unwrap();

        drop(output);

        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_permissions_and_the_link_to_it() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("rows"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();

        let mut output = Output::file(&link).unwrap();
        output.write_all(b"new").unwrap();
        output.keep().unwrap();

        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt;
        let mut output = Output::file(Path::new("/dev/null")).unwrap();
        output.write_all(b"rows").unwrap();
        output.keep().unwrap();

        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_file_without_a_directory_is_rejected_at_once() {
        let error = Output::file(Path::new("/nowhere/rows.csv")).err().unwrap();

        assert_eq!(error.to_string(), "/nowhere/rows.csv cannot be written");
    }
}

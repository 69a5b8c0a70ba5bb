//! Files that hold secrets or must never be seen half-written. It does not know what is in them.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Mode of a folder with secrets.
const FOLDER: u32 = 0o700;
/// Mode of a file with secrets.
const FILE: u32 = 0o600;

/// A file or folder could not be read, written or made private.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct Error {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Error {
    /// What the system said.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error { action, path: path.to_owned(), source }
}

/// Makes a folder with all above it that only its owner can enter (0700). One that is there with a
/// wider mode is mended, and the log says so.
///
/// # Errors
/// The folder cannot be made, is no folder, or its mode cannot be changed.
pub fn private_dir(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new().recursive(true).mode(FOLDER).create(path).map_err(failed("make", path))?;
    mend(path, FOLDER)
}

/// Reads a file with secrets; `None` if it is not there. A mode wider than 0600 is mended, and the
/// log says so.
///
/// # Errors
/// The file cannot be read or its mode cannot be changed.
pub fn read_private(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => {
            mend(path, FILE)?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

fn mend(path: &Path, right: u32) -> Result<(), Error> {
    let mode = fs::metadata(path).map_err(failed("look at", path))?.permissions().mode() & 0o7777;
    if mode & 0o077 & !right != 0 {
        tracing::warn!(path = %path.display(), "mode {mode:04o} let others in; it is {right:04o} now");
        fs::set_permissions(path, Permissions::from_mode(right)).map_err(failed("change the mode of", path))?;
    }
    Ok(())
}

/// Writes a file with mode 0600 so that, after a power loss at any instant, either the old content
/// or the new one is there, whole.
///
/// # Errors
/// The folder is missing, full or not writable; the old file is untouched then.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let write = || -> io::Result<()> {
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(failed("write", path))
}

/// The mode bits of a file or folder; `None` if it is not there.
#[must_use]
pub fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|data| data.permissions().mode() & 0o7777)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder of its own that goes when the test ends.
    pub struct Dir(pub PathBuf);

    impl Dir {
        /// Makes the folder.
        pub fn new() -> Self {
            let path = std::env::temp_dir().join(format!("k2d-host-{}", uuid::Uuid::new_v4()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn folder_that_others_can_enter_is_closed() {
        let dir = Dir::new();
        fs::set_permissions(&dir.0, Permissions::from_mode(0o755)).unwrap();
        private_dir(&dir.0).unwrap();
        assert_eq!(mode(&dir.0), Some(0o700));
        private_dir(&dir.0.join("a/b")).unwrap();
        assert_eq!(mode(&dir.0.join("a")), Some(0o700));
    }

    #[test]
    fn file_that_others_can_read_is_closed() {
        let dir = Dir::new();
        let path = dir.0.join("key");
        assert_eq!(read_private(&path).unwrap(), None);
        write_private(&path, b"one").unwrap();
        assert_eq!(mode(&path), Some(0o600));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read_private(&path).unwrap().as_deref(), Some("one"));
        assert_eq!(mode(&path), Some(0o600));
    }

    #[test]
    fn left_over_of_a_broken_write_does_not_hinder_the_next() {
        let dir = Dir::new();
        let path = dir.0.join("key");
        fs::write(dir.0.join("key.new"), "ha").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(!dir.0.join("key.new").exists());
    }

    #[test]
    fn failed_write_names_the_file() {
        let dir = Dir::new();
        let error = write_private(&dir.0.join("no/key"), b"x").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("no/key: "), "{error}");
    }
}

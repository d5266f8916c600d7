//! Who is alive. Each handle that holds a claim keeps a file locked; the system lets go of the lock when its process
//! dies, in whatever way. All changes to the folder but the removal of one's own file happen within a write transaction,
//! so no two handles make or clear files at the same time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use lorewell_model::{Error, Kind, Result};

/// Random bytes of a name: no two handles ever share one.
const TOKEN_BYTES: usize = 16;
/// Files of the dead that one handle clears away; what is left, the next one will.
const CLEARED_MAX: usize = 1000;

/// The folder of lock files, and one's own file in it.
#[derive(Debug)]
pub(super) struct Owners {
    folder: PathBuf,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    token: String,
    path: PathBuf,
    _locked: File,
}

impl Owners {
    /// The owners of a store. Nothing is made before something is claimed.
    pub(super) fn beside(store: &Path) -> Self {
        let mut folder = store.as_os_str().to_owned();
        folder.push("-owners");
        Self { folder: folder.into(), own: None }
    }

    /// The token of this handle, if it has one yet.
    pub(super) fn own_token(&self) -> Option<&str> {
        self.own.as_ref().map(|own| &*own.token)
    }

    /// Returns the token of this handle, making its file if there is none yet.
    pub(super) fn token(&mut self) -> Result<&str> {
        if self.own.is_none() {
            let own = self.make().map_err(|error| self.failed(&error))?;
            self.clear(&own.token);
            self.own = Some(own);
        }
        Ok(self.own.as_ref().map_or("", |own| &own.token))
    }

    /// Tells whether the owner of a token lives. The file of a dead one goes.
    pub(super) fn is_alive(&self, token: &str) -> Result<bool> {
        // A name of another form is none that Lorewell gives, and must not lead out of the folder.
        if token.len() != 2 * TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(false);
        }
        is_locked(&self.path(token)).map_err(|error| self.failed(&error))
    }

    fn path(&self, token: &str) -> PathBuf {
        self.folder.join(format!("{token}.lock"))
    }

    fn make(&self) -> io::Result<Own> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.path(&token);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let open = || {
            make_folder(&self.folder)?;
            options.open(&path)
        };
        // A handle that is being dropped may remove the folder between the two; not twice in a row.
        let file = open().or_else(|_| open())?;
        file.lock()?;
        Ok(Own { token, path, _locked: file })
    }

    /// Removes the files of handles that died without a claim that anyone wanted since.
    fn clear(&self, own: &str) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        for file in files.flatten().take(CLEARED_MAX) {
            let path = file.path();
            let is_own = path.file_stem().is_some_and(|stem| stem == own);
            if !is_own && path.extension().is_some_and(|ending| ending == "lock") {
                // A file that cannot be cleared away does no harm.
                let _ = is_locked(&path);
            }
        }
    }

    fn failed(&self, error: &io::Error) -> Error {
        let message = format!("the locks in `{}` cannot be used: {error}; check the folder", self.folder.display());
        Error::new(Kind::Io, message)
    }
}

impl Drop for Owners {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            // What stays behind is unlocked when the file closes, and cleared away by the next handle.
            let _ = fs::remove_file(&own.path);
            let _ = fs::remove_dir(&self.folder); // fails if others have files in it
        }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Tells whether someone holds the lock of a file, and removes the file if not.
fn is_locked(path: &Path) -> io::Result<bool> {
    let file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(true),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(false),
    }
}

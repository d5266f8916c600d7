//! A file that is not all there yet. It is summed up while it grows, and gets its name only when its sum is right.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::client::Wanted;
use super::sum::{Sum, Summing};
use crate::{Error, Result, ResultExt};

/// Bytes that are read at once of what is there already.
const READ_BYTES: usize = 1 << 20;

/// The beginning of a file, on disk.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    sum: Sum,
    summing: Summing,
    /// Bytes that are there.
    pub(super) bytes: u64,
    /// Bytes that are to be there.
    pub(super) of: u64,
}

impl Part {
    /// Opens what is there, and sums it up.
    pub(super) fn open(path: &Path, wanted: &Wanted) -> Result<Self> {
        let doing = || format!("opening `{}`", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).context(doing)?;
        }
        let options = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let (file, sum, of) = (options.context(doing)?, wanted.sum.clone(), wanted.bytes);
        let summing = sum.summing(of);
        let mut part = Self { file, path: path.to_owned(), sum, summing, bytes: 0, of };
        part.take_in().context(doing)?;
        Ok(part)
    }

    /// What is longer than the file can be is not its beginning.
    fn take_in(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() > self.of {
            return self.restart();
        }
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(()),
                read => {
                    self.summing.add(&buffer[..read]);
                    self.bytes += read as u64;
                }
            }
        }
    }

    /// Throws away what is there.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.bytes, self.summing) = (0, self.sum.summing(self.of));
        Ok(())
    }

    /// Adds bytes, and none beyond the length of the file.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(left)];
        self.file.write_all(bytes)?;
        self.summing.add(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Returns how many bytes are missing.
    pub(super) fn left(&self) -> u64 {
        self.of - self.bytes
    }

    /// Gives it its name if its sum is right, else throws away what is there.
    pub(super) fn finish(&mut self, name: &Path) -> Result<bool> {
        // Where a file system only pretends to lock, another process may have cut it.
        let is_whole = self.left() == 0 && self.file.metadata()?.len() == self.of;
        if !is_whole || self.summing.hex() != self.sum.hex() {
            self.restart()?;
            return Ok(false);
        }
        self.file.sync_all()?;
        std::fs::rename(&self.path, name)?;
        Ok(true)
    }

    /// Removes what is there.
    pub(super) fn discard(self) {
        drop(std::fs::remove_file(&self.path));
    }

    /// Says what writing has failed at, with how much room is needed if that is why.
    pub(super) fn unwritten(&self, error: io::Error) -> Error {
        let folder = self.path.parent().unwrap_or(&self.path);
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                let needs = format!("needs {} more bytes", self.left());
                super::pull::no_room(&needs, folder, None).caused_by(error)
            }
            _ => Error::from(error).context(format!("writing to `{}`", folder.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        // `printf abc | sha256sum`
        let sum = Sum::parse("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").unwrap();
        Wanted { file: "a".into(), sum, bytes: 3 }
    }

    #[test]
    fn it_goes_on_where_it_was_and_takes_no_more_than_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let (path, name) = (folder.path().join("blobs/a.incomplete"), folder.path().join("blobs/a"));
        let mut part = Part::open(&path, &wanted()).unwrap();
        part.add(b"ab").unwrap();
        assert!(!part.finish(&name).unwrap() && part.bytes == 0);
        part.add(b"ab").unwrap();
        drop(part);
        let mut part = Part::open(&path, &wanted()).unwrap();
        assert_eq!((part.bytes, part.left()), (2, 1));
        part.add(b"cdefg").unwrap();
        assert!(part.finish(&name).unwrap());
        assert_eq!(std::fs::read(&name).unwrap(), b"abc");
        std::fs::write(&path, "too long").unwrap();
        assert_eq!(Part::open(&path, &wanted()).unwrap().bytes, 0);
    }

    #[test]
    fn a_full_disk_says_what_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let part = Part::open(&folder.path().join("a.incomplete"), &wanted()).unwrap();
        let error = part.unwritten(io::ErrorKind::StorageFull.into());
        assert!(error.message().contains("needs 3 more bytes"), "{error}");
    }
}

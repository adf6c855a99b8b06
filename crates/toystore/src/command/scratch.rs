//! A folder for what is measured and then thrown away.
//!
//! Made by the commands `compare` and `evaluate`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A folder that is removed when this is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one among temporary files; `command` is a part of its name.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make(command: &str) -> Result<Scratch> {
        let unique = rand::random::<u32>();
        let name = format!("toystore-{command}-{}-{unique:08x}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

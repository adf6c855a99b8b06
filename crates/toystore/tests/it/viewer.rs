//! `toystore view` of a bundle for one test, ended with it. Used by `view` and by the page in a
//! browser.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};

use crate::store::toystore;

/// A bundle that is viewed.
pub struct Viewer {
    child: Child,
    /// Where the page is.
    pub url: String,
    /// What was said before.
    pub said: String,
    /// Open, so that it may say more.
    _rest: BufReader<ChildStderr>,
}

impl Viewer {
    /// Opens a bundle.
    pub fn open(bundle: &Path) -> Viewer {
        let mut command = toystore(&["view", bundle.to_str().unwrap()]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let url = loop {
            let mut line = String::new();
            let more = lines.read_line(&mut line).unwrap();
            assert!(more > 0, "view ended: {said}");
            said += &line;
            if let Some((_, url)) = line.split_once("page: ") {
                break url.trim().to_string();
            }
        };
        Viewer { child, url, said, _rest: lines }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

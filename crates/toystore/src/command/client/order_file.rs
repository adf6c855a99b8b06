//! The CSV file of a run's orders, which the course wants: one line for each recorded order.
//!
//! Called by [`super::Client`] with every report, so that a run that is cut short has its orders
//! too.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use shop::shopper::OrderLine;

use crate::client::csv;

/// What `--orders-csv` is given for no file.
pub const NONE: &str = "none";

/// The file, or none.
#[derive(Debug)]
pub struct OrderFile(Option<(PathBuf, File)>);

impl OrderFile {
    /// Begins the file anew.
    ///
    /// # Errors
    /// If it cannot be written; says how to go on without.
    pub fn create(path: &Path) -> Result<OrderFile> {
        if path.as_os_str() == NONE {
            return Ok(OrderFile(None));
        }
        let file = File::create(path).with_context(|| {
            format!(
                "cannot write orders to {}\nhint: --orders-csv FILE writes them elsewhere, \
                 --orders-csv none nowhere",
                path.display()
            )
        })?;
        let mut orders = OrderFile(Some((path.to_path_buf(), file)));
        orders.write(&csv::line(OrderLine::FIELDS))?;
        Ok(orders)
    }

    /// Where it is.
    pub fn path(&self) -> Option<&Path> {
        self.0.as_ref().map(|(path, _)| path.as_path())
    }

    /// Adds orders.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn add(&mut self, orders: &[OrderLine]) -> Result<()> {
        let mut text = String::new();
        for order in orders {
            text.push_str(&csv::line(order.fields().iter().map(String::as_str)));
        }
        self.write(&text)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        match &mut self.0 {
            Some((path, file)) => file
                .write_all(text.as_bytes())
                .with_context(|| format!("cannot write orders to {}", path.display())),
            None => Ok(()),
        }
    }
}

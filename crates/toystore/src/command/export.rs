//! `toystore export orders`: the order log of a running store, to stdout.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::Running;
use crate::client::csv;
use crate::client::order_log::{LoggedOrder, OrderLog};
use crate::http::connection::Url;
use crate::supervisor::cluster::Cluster;
use crate::supervisor::leader;

/// Write the order log of a running store to stdout
#[derive(Debug, Args)]
pub struct Export {
    /// What to export
    #[arg(value_enum)]
    what: What,
    /// csv: number,name,quantity with a heading line. json: one object on each line
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// The order replica to ask [default: the leader of the store in --data]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    #[command(flatten)]
    running: Running,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The order log
    Orders,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Csv,
    Json,
}

impl Export {
    /// Writes page by page, so that a long log needs no memory.
    ///
    /// # Errors
    /// If there is no such store, or it has no leader.
    pub fn run(self) -> Result<ExitCode> {
        let What::Orders = self.what;
        super::block_on(self.orders())??;
        Ok(ExitCode::SUCCESS)
    }

    async fn orders(self) -> Result<()> {
        let found = Cluster::find(&self.running.data);
        let (url, token) = match self.url {
            // The token helps where the folder happens to be this store's.
            Some(url) => (url, found.and_then(|cluster| cluster.token()).ok()),
            None => {
                let cluster = found?;
                (leader::find(&cluster).await?.url()?, Some(cluster.token()?))
            }
        };
        let mut log = OrderLog::of(url, token);
        let mut out = BufWriter::new(std::io::stdout().lock());
        if let Format::Csv = self.format {
            out.write_all(csv::line(["number", "name", "quantity"]).as_bytes())?;
        }
        loop {
            let page = log.next_page().await?;
            if page.is_empty() {
                return out.flush().context("cannot write to stdout");
            }
            for order in page {
                let line = text(self.format, &order)?;
                out.write_all(line.as_bytes()).context("cannot write to stdout")?;
            }
        }
    }
}

fn text(format: Format, order: &LoggedOrder) -> Result<String> {
    Ok(match format {
        Format::Csv => {
            let (number, quantity) = (order.number.to_string(), order.quantity.to_string());
            csv::line([number.as_str(), order.name.as_str(), quantity.as_str()])
        }
        Format::Json => serde_json::to_string(order)? + "\n",
    })
}

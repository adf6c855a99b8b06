//! The commands of Docker and Compose, as a person would type them.
//!
//! The commands, not the engine's API: they are there wherever containers are, they find the engine
//! by themselves, and what they are asked here can be asked again by hand.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::sync::OnceCell;

/// The image, unless TOYSTORE_IMAGE names another.
const IMAGE_DEFAULT: &str = "toystore:latest";

/// The image that nodes run from.
///
/// # Errors
/// If Docker cannot be asked, or has none; says how to make it.
pub async fn image() -> Result<String> {
    let image = std::env::var("TOYSTORE_IMAGE").unwrap_or_else(|_| IMAGE_DEFAULT.to_string());
    docker(&["version", "--format", "{{.Server.Version}}"])
        .await
        .context("Docker cannot be asked\nhint: is it installed, and does its daemon run?")?;
    docker(&["image", "inspect", "--format", "{{.Id}}", &image]).await.with_context(|| {
        format!(
            "there is no image {image}\nhint: `make image` makes it; TOYSTORE_IMAGE names another"
        )
    })?;
    Ok(image)
}

/// `docker …`: what it prints.
///
/// # Errors
/// With what it said.
pub async fn docker(arguments: &[&str]) -> Result<String> {
    let output = output("docker", arguments).await?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// Everything that a container has logged, to either stream.
///
/// # Errors
/// With what Docker said.
pub async fn log(container: &str) -> Result<String> {
    let Output { mut stdout, stderr, .. } = output("docker", &["logs", container]).await?;
    stdout.extend(stderr);
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// `docker compose …`, or `docker-compose …` where only that is.
///
/// # Errors
/// If neither is there; with what it said.
pub async fn compose(file: &Path, project: &str, arguments: &[&str]) -> Result<String> {
    let file = file.to_str().context("the path of the Compose file is not UTF-8")?;
    let mut all = vec!["-f", file, "-p", project];
    all.extend(arguments);
    let output = if is_plugin().await? {
        all.insert(0, "compose");
        output("docker", &all).await?
    } else {
        output("docker-compose", &all).await?
    };
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// Whether Compose is a part of `docker`, as it is today.
async fn is_plugin() -> Result<bool> {
    static PLUGIN: OnceCell<bool> = OnceCell::const_new();
    let look = async || {
        if output("docker", &["compose", "version"]).await.is_ok() {
            return Ok(true);
        }
        output("docker-compose", &["version"]).await.context(
            "neither `docker compose` nor `docker-compose` is there\nhint: install Docker Compose",
        )?;
        Ok(false)
    };
    PLUGIN.get_or_try_init(look).await.copied()
}

async fn output(program: &str, arguments: &[&str]) -> Result<Output> {
    let command = || format!("{program} {}", arguments.join(" "));
    let mut process = Command::new(program);
    let output = process.args(arguments).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {}", command()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", command(), output.status, said.trim());
    }
    Ok(output)
}

//! Chromium without a screen, driven by its driver, and ended with the test however that ends.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::store::Store;
use crate::waiting::wait_at_most;

/// How long the page may take until something is so: a store elects within 2 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page open.
pub struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Child,
}

impl Browser {
    /// The page of a store, as somebody sees it who has seen it before; so wide and high, in
    /// pixels.
    pub fn open(store: &Store, width: u32, height: u32) -> Browser {
        let browser = Browser::open_first(store, width, height);
        // The page that is left is live as well, for a moment: what is done to it is lost.
        browser.js(
            "localStorage.setItem('toystore-tour', 'seen'); window.left = true; location.reload()",
        );
        browser.until(
            "the page is live again",
            "!window.left && document.getElementById('stream')?.textContent === 'live'",
        );
        browser
    }

    /// The same for the first time.
    pub fn open_first(store: &Store, width: u32, height: u32) -> Browser {
        let said = store.said();
        let url = said.split("page: ").nth(1).unwrap().split_whitespace().next().unwrap();
        let browser = Browser::at(url, width, height);
        browser
            .until("the page is live", "document.getElementById('stream')?.textContent === 'live'");
        browser
    }

    /// Whatever is at an address.
    pub fn at(url: &str, width: u32, height: u32) -> Browser {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver; `.ci/browser` installs it");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let size = format!("--window-size={width},{height}");
        let options = json!({"args": ["--headless=new", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage", "--hide-scrollbars", size]});
        let capabilities = json!({"goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}});
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let at = format!("http://127.0.0.1:{port}");
        let client = wait_at_most(PATIENCE, "the browser starts", || {
            runtime.block_on(builder.connect(&at)).ok()
        });
        let browser = Browser { runtime, client, driver };
        browser.runtime.block_on(browser.client.goto(url)).unwrap();
        browser
    }

    /// Another size.
    pub fn resize(&self, width: u32, height: u32) {
        self.runtime.block_on(self.client.set_window_size(width, height)).unwrap();
    }

    /// What a script returns.
    pub fn js(&self, script: &str) -> Value {
        self.runtime.block_on(self.client.execute(script, vec![])).unwrap()
    }

    /// Waits until an expression is so, and returns it.
    pub fn until(&self, what: &str, expression: &str) -> Value {
        let script = format!("return {expression}");
        wait_at_most(PATIENCE, what, || {
            let said = self.runtime.block_on(self.client.execute(&script, vec![])).ok()?;
            let so = !matches!(said, Value::Null | Value::Bool(false)) && said != "";
            so.then_some(said)
        })
    }

    fn locator(id: &str) -> String {
        format!("[data-testid=\"{id}\"]")
    }

    /// Clicks on what has this test id.
    pub fn click(&self, id: &str) {
        let css = Browser::locator(id);
        let mut why = String::new();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let clicked = self
                .runtime
                .block_on(async { self.client.find(Locator::Css(&css)).await?.click().await });
            match clicked {
                Ok(()) => return,
                Err(error) => why = error.to_string(),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{id} cannot be clicked: {why}");
    }

    /// Its words.
    pub fn text(&self, id: &str) -> String {
        let script =
            format!("return document.querySelector('{}')?.textContent ?? ''", Browser::locator(id));
        self.js(&script).as_str().unwrap_or_default().to_string()
    }

    /// Puts the focus on it and presses Enter there, as whoever has no mouse.
    pub fn enter(&self, id: &str) {
        self.js(&format!("document.querySelector('{}').focus()", Browser::locator(id)));
        self.press(&Key::Enter);
    }

    /// Presses a key where the focus is.
    pub fn press(&self, key: &Key) {
        self.runtime.block_on(async {
            let focus = self.client.active_element().await.unwrap();
            focus.send_keys(&char::from(*key).to_string()).await.unwrap();
        });
    }

    /// Presses Tab until the focus is on what has this test id.
    pub fn tab_to(&self, id: &str) {
        for _ in 0..200 {
            if self.js("return document.activeElement?.dataset?.testid ?? ''") == id {
                return;
            }
            self.press(&Key::Tab);
        }
        panic!("{id} is not reached by Tab");
    }

    /// A picture of the page, kept in target/page.
    pub fn picture(&self, name: &str) {
        self.js("document.getElementById('store').scrollTo(0, 0)");
        let png = self.runtime.block_on(self.client.screenshot()).unwrap();
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/page");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let client = self.client.clone();
        // Whatever does not end by itself ends with its driver.
        let _ = self
            .runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(5), client.close()).await });
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

//! What the page looks like: every width, light and dark; pictures of it in target/page.

use serde_json::Value;

use crate::browser::Browser;
use crate::store::Store;

/// Everything with words whose contrast with what is behind it is below WCAG 2.2, 1.4.3: 4.5 to 1,
/// for large letters 3 to 1. What is disabled is exempt.
const PALE: &str = include_str!("pale.js");

/// Whatever can be used and has no name for who does not see it.
const NAMELESS: &str = include_str!("nameless.js");

/// Words that are cut off and stand nowhere else.
const CUT: &str = include_str!("cut.js");

fn none(page: &Browser, what: &str, script: &str) {
    let found = page.js(script);
    assert_eq!(found, Value::Array(vec![]), "{what}");
}

/// What must hold of every page; and its picture.
pub fn check(page: &Browser, name: &str) {
    page.js("document.getAnimations().forEach((animation) => animation.finish())");
    none(page, &format!("{name}: pale words"), PALE);
    none(page, &format!("{name}: what has no name"), NAMELESS);
    none(page, &format!("{name}: words that are cut off"), CUT);
    let wider = "return Math.max(...['html', 'main'].map((name) => document.querySelector(name)) \
                 .map((one) => one.scrollWidth - one.clientWidth))";
    assert_eq!(page.js(wider), 0, "{name}: wider than its window");
    page.picture(name);
}

#[test]
fn it_can_be_read_on_every_screen_by_day_and_night() {
    let store = Store::start_settled(&["--frontends", "2"]);
    let page = Browser::open(&store, 1440, 1100);
    page.click("load-start");
    page.until(
        "shoppers shop",
        "document.getElementById('load-met').textContent.includes('requests/s')",
    );
    page.until("they are judged", "document.querySelectorAll('.line.held').length >= 5");
    for theme in ["light", "dark"] {
        let dark = theme == "dark";
        let is_dark = "document.documentElement.dataset.theme === 'dark'";
        if page.js(&format!("return {is_dark}")) != dark {
            page.click("theme");
        }
        for (size, width, height) in
            [("wide", 1440, 1100), ("projector", 1024, 768), ("narrow", 500, 1000)]
        {
            page.resize(width, height);
            page.until("it is drawn", "document.querySelectorAll('#topology .node').length === 6");
            check(&page, &format!("{size}-{theme}"));
        }
    }
    page.click("chaos-switch");
    page.click("chaos-now");
    page.until("a strike is over", "document.querySelector('#chaos-last li')?.textContent");
    check(&page, "chaos-narrow-dark");
    page.click("theme");
    check(&page, "chaos-narrow-light");
}

/// Under 16 ms of scripting for each frame, while shoppers ask 5,000 times a second: as long as the
/// machine can do both.
#[test]
fn it_stays_smooth_under_load() {
    let store = Store::start_settled(&[]);
    let page = Browser::open(&store, 1440, 1100);
    page.js("document.getElementById('shoppers').value = 64");
    page.js("document.getElementById('pause').value = 0");
    page.js("document.getElementById('rate').value = 5000");
    page.click("load-start");
    page.until(
        "shoppers shop",
        "document.getElementById('load-met').textContent.includes('requests/s')",
    );
    // Whoever else uses the machine can only make it longer: the best of six is the page's.
    let best = (0..6).map(|_| most_of_draws(&page)).find(|most| *most < 16.0);
    println!("{}", page.text("load-met"));
    assert!(best.is_some(), "six times");
}

/// How long scripting takes of a frame of the screen, in milliseconds: of at least 120 frames, 95
/// in 100 take no longer.
fn most_of_draws(page: &Browser) -> f64 {
    page.js("performance.clearMeasures('draw')");
    let draws = "performance.getEntriesByName('draw')";
    page.until("it draws", &format!("{draws}.length >= 120"));
    let spent = page.js(&format!(
        "const all = {draws}.map((draw) => draw.duration).sort((a, b) => a - b); \
         return [all[all.length >> 1], all[Math.floor(all.length * 0.95)]]"
    ));
    println!("scripting a frame, ms: median {}, of 95 in 100 at most {}", spent[0], spent[1]);
    spent[1].as_f64().unwrap()
}

//! What people do with the page: in a real browser, on a running store.

use fantoccini::key::Key;

use crate::browser::Browser;
use crate::looks;
use crate::store::{Store, toystore};
use crate::viewer::Viewer;

/// Replicas that say they lead, as they are drawn.
const LEADER: &str = "[...document.querySelectorAll('#topology .node.leads')]\
                      .map((node) => node.dataset.testid)[0]";

/// Who leads, once somebody does.
fn leader(page: &Browser) -> String {
    page.until("somebody leads", LEADER).as_str().unwrap().to_string()
}

/// Waits until somebody else does.
fn wait_for_another(page: &Browser, old: &str) {
    page.until("another one leads", &format!("({LEADER}) && ({LEADER}) !== '{old}'"));
}

/// Whether a node is drawn like this: `dead`, `up` …
fn is_drawn(node: &str, like: &str) -> String {
    format!("document.querySelector('[data-testid=\"{node}\"]').classList.contains('{like}')")
}

/// The verdict on one guarantee, as it is drawn: `held`, `broke` …
fn verdict(guarantee: &str) -> String {
    format!(
        "document.querySelector('[data-testid=\"guarantee-{guarantee}\"]')?.className.split(' ')[1]"
    )
}

#[test]
fn a_toy_is_bought_the_log_fills_and_the_verdict_is_read() {
    let store = Store::start_settled(&[]);
    let page = Browser::open(&store, 1400, 1000);
    page.until(
        "a round is open",
        "document.getElementById('verdict-state').textContent.startsWith('Nothing')",
    );
    page.click("order");
    let receipt = page.until("a receipt", "document.querySelector('#receipts li')?.textContent");
    assert!(receipt.as_str().unwrap().contains("Order 0: 1 ×"), "{receipt}");
    for log in ["order-1", "order-2", "order-3"] {
        let row = format!("document.querySelector('[data-testid=\"log-{log}\"]')");
        let cells = format!("{row}.querySelectorAll('.cell.committed').length >= 2");
        page.until(&format!("{log} has it"), &cells);
    }
    // Every message that names it, of all that nodes saw pass.
    page.until("its way is drawn", "document.querySelectorAll('#journey .leg').length >= 4");
    page.until("messages move", "document.querySelector('.dot[visibility=visible]') !== null");
    page.until("and are arrows", "document.querySelector('#spacetime-svg .arrow') !== null");
    page.js("document.querySelector('[data-testid=\"log-order-1\"] .cell:last-child') \
         .dispatchEvent(new PointerEvent('pointerover', { bubbles: true }))");
    let tip = "document.getElementById('cell-tip').textContent.includes('order 0: 1 ×')";
    page.until("a cell says what it is", tip);
    page.picture("bought");
    page.until("the verdict", &format!("{} === 'held'", verdict("once")));
    // What only the end of a round can show is not green before.
    assert_eq!(page.js(&format!("return {}", verdict("replicas"))), "not-judged");
    page.click("load-start");
    page.until(
        "shoppers shop",
        "document.getElementById('load-met').textContent.includes('requests/s')",
    );
    let cache = "document.querySelector('[data-testid=\"cache-frontend-1\"]').textContent";
    page.until("the cache tells what happens", &format!("{cache}.includes(' filled, version ')"));
    page.until("looks are judged", &format!("{} === 'held'", verdict("stock")));
    page.click("load-stop");
    page.until(
        "the round has ended",
        "document.getElementById('verdict-last').textContent.includes('Round 2 has ended: held')",
    );
    page.until("all replicas were compared", &format!("{} === 'held'", verdict("replicas")));
    assert_is_served(&page, "[data-file=picture]");
}

/// What a link of the page leads to is a page, too.
fn assert_is_served(page: &Browser, link: &str) {
    let href = page.js(&format!("return document.querySelector('{link}').href"));
    let words = page.js(&format!(
        "const request = new XMLHttpRequest(); request.open('GET', {href}, false); \
         request.send(); return `${{request.status}} ${{request.responseText.slice(0, 15)}}`"
    ));
    assert!(words.as_str().unwrap().starts_with("200 <!doctype html"), "{words}");
}

#[test]
fn the_leader_is_killed_by_click_and_orders_go_on() {
    let store = Store::start_settled(&[]);
    let page = Browser::open(&store, 1400, 1000);
    let old = &leader(&page);
    page.click("load-start");
    page.click(old);
    // Under load the words beside it change with every frame: a press that takes long is not lost.
    page.js("window.kill = document.querySelector('[data-testid=do-kill]')");
    let orders = "document.querySelector('#inspect-facts').textContent";
    let before = page.js(&format!("return {orders}"));
    page.until("other words", &format!("{orders} !== {before}"));
    assert_eq!(page.js("return window.kill.isConnected"), true);
    page.click("do-kill");
    wait_for_another(&page, old);
    page.click("load-stop");
    page.until("it is dead", &is_drawn(old, "dead"));
    page.click("order");
    page.until(
        "orders go on",
        "document.querySelector('#receipts li')?.textContent.includes('Order ')",
    );
    page.picture("leader-killed");
    page.click("heal");
    page.until("it is back", &is_drawn(old, "up"));
}

#[test]
fn with_push_and_a_late_link_the_verdict_turns_red() {
    let store = Store::start_settled(&["--invalidation", "push"]);
    let page = Browser::open(&store, 1400, 1000);
    page.enter("edge-frontend-1-catalog");
    page.js("document.getElementById('set-delay').value = 300");
    page.click("do-apply");
    page.until(
        "the link is marked",
        "document.querySelector('#topology .edge.faulty .mark')?.textContent === '300 ms late'",
    );
    page.click("load-start");
    page.until("stale reads are found", &format!("{} === 'broke'", verdict("stock")));
    let words = page.text("guarantee-stock");
    assert!(words.contains("the cache of frontend-1 served version"), "{words}");
    assert_is_served(&page, "[data-sofar=picture]");
    page.picture("push-broke");
    page.click("load-stop");
    page.until(
        "the round keeps it",
        "document.getElementById('verdict-last').textContent.includes('has ended: broke')",
    );
}

#[test]
fn naive_is_convicted_when_its_leader_is_cut_off_and_hangs() {
    let store = Store::start_settled(&["--replication", "naive"]);
    let page = Browser::open(&store, 1400, 1000);
    // The highest number leads, without anybody's vote.
    let old = &leader(&page);
    assert_eq!(old, "node-order-3");
    let hint = page.text("verdict-try");
    assert!(hint.contains("Cut the links from order-3"), "{hint}");
    for link in ["edge-order-1-order-3", "edge-order-2-order-3"] {
        page.enter(link);
        page.click("do-cut-both-ways");
        let mark = format!("document.querySelector('[data-testid=\"{link}\"] .mark').textContent");
        page.until("the link is marked", &format!("{mark} === 'cut'"));
        page.press(&Key::Escape);
    }
    page.click("load-start");
    page.until(
        "it acknowledges what nobody else has",
        "document.querySelector('[data-testid=\"log-order-1\"]')
            .querySelectorAll('.cell.missing').length > 5",
    );
    page.click(old);
    page.click("do-pause");
    wait_for_another(&page, old);
    page.until("numbers are given twice", &format!("{} === 'broke'", verdict("once")));
    let words = page.text("guarantee-once");
    assert!(words.contains("was given to purchase"), "{words}");
    page.picture("naive-broke");
}

#[test]
fn chaos_is_switched_on_and_off() {
    let store = Store::start_settled(&[]);
    let page = Browser::open(&store, 1400, 1000);
    page.js("document.getElementById('chaos-seed').value = 'seven'");
    page.click("chaos-switch");
    page.until("a wrong seed is refused", "document.querySelector('#told.refused')?.textContent");
    page.js("document.getElementById('chaos-seed').value = '4'");
    page.tab_to("chaos-switch");
    page.press(&Key::Enter);
    page.until(
        "a strike is named",
        "document.getElementById('chaos-now').textContent.startsWith('Chaos, seed 4: strike 1')",
    );
    page.click("chaos-now");
    page.until("a strike is over", "document.querySelector('#chaos-last li')?.textContent");
    page.picture("chaos");
    page.click("chaos-switch");
    page.until(
        "its seed is told",
        "document.getElementById('told').textContent.includes('Seed 4 strikes the same again')",
    );
    page.until("it is off", "document.getElementById('chaos-box').hidden");
    page.until(
        "all are up",
        "document.querySelectorAll('#topology .node.up').length === 5 && \
         document.querySelectorAll('#topology .edge.faulty').length === 0",
    );
}

#[test]
fn the_past_is_shown_and_left_again() {
    let store = Store::start_settled(&[]);
    let page = Browser::open(&store, 1400, 1000);
    let leader = &leader(&page);
    page.click(leader);
    page.click("do-kill");
    wait_for_another(&page, leader);
    page.js("const scrub = document.getElementById('scrub'); scrub.value = 985; scrub.oninput()");
    page.until(
        "it is the past",
        "document.getElementById('stream').textContent.startsWith('as it was')",
    );
    page.until("the old leader led", &format!("({LEADER}) === '{leader}'"));
    // What is past cannot be broken.
    page.enter(leader);
    page.until("nothing can be done", "document.querySelector('#inspect-body button')?.disabled");
    page.press(&Key::Escape);
    page.click("live");
    wait_for_another(&page, leader);
}

#[test]
fn everything_is_done_by_keys() {
    let store = Store::start_settled(&[]);
    let page = Browser::open(&store, 1400, 1000);
    let leader = &leader(&page);
    page.tab_to(leader);
    page.press(&Key::Enter);
    page.until("it is looked at", "document.getElementById('inspect').matches(':popover-open')");
    page.tab_to("do-kill");
    page.press(&Key::Enter);
    wait_for_another(&page, leader);
    page.tab_to("order");
    page.press(&Key::Enter);
    page.until(
        "a toy is bought",
        "document.querySelector('#receipts li')?.textContent.includes('Order 0')",
    );
    page.tab_to("heal");
    page.press(&Key::Enter);
    page.until("it is back", &is_drawn(leader, "up"));
}

#[test]
fn a_newcomer_is_shown_round_and_can_skip_it() {
    let store = Store::start_settled(&[]);
    let page = Browser::open_first(&store, 1400, 1000);
    page.until(
        "the tour offers itself",
        "document.getElementById('tour-title').textContent.startsWith('1 of 5')",
    );
    page.picture("tour");
    page.click("order");
    page.until(
        "the step is done",
        "document.getElementById('tour-words').textContent.startsWith('✓')",
    );
    for step in 2..=5 {
        page.click("tour-next");
        page.until(
            "the next step",
            &format!("document.getElementById('tour-title').textContent.startsWith('{step} of 5')"),
        );
    }
    page.click("tour-next");
    page.until("it is over", "document.getElementById('tour').hidden");
    page.js("location.reload()");
    page.until("the page is live", "document.getElementById('stream')?.textContent === 'live'");
    assert_eq!(page.js("return document.getElementById('tour').hidden"), true);
    page.click("tour-again");
    page.until("it comes again", "!document.getElementById('tour').hidden");
    page.click("tour-skip");
    page.until("it is skipped", "document.getElementById('tour').hidden");
}

#[test]
fn a_bundle_is_opened_with_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("two-leaders");
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/naive-two-leaders.toml");
    let mut run = toystore(&["run", scenario, "--world", "sim", "--seed", "1", "--out"]);
    assert!(run.arg(&bundle).output().unwrap().status.success());
    let viewer = Viewer::open(&bundle);
    let page = Browser::at(&viewer.url, 1400, 1000);
    page.until(
        "it is held at the violation",
        "document.getElementById('moment').textContent.includes('into the run')",
    );
    assert_eq!(page.text("stream"), "bundle two-leaders");
    page.until("the verdict is read", "document.querySelectorAll('.line.broke').length > 0");
    assert!(page.text("verdict-state").contains("broke"), "{}", page.text("verdict-state"));
    let moment = page.text("moment");
    page.picture("bundle");
    page.js("const scrub = document.getElementById('scrub'); scrub.value = 0; scrub.oninput()");
    page.until(
        "it is the beginning",
        "document.getElementById('moment').textContent.startsWith('0.0 s')",
    );
    page.js(
        "const scrub = document.getElementById('scrub'); scrub.value = scrub.max; scrub.oninput()",
    );
    let shown = "document.getElementById('moment').textContent";
    page.until("it is the end", &format!("!{shown}.startsWith('0.0 s')"));
    assert_ne!(page.text("moment"), moment);
    // What only a running store has is not there.
    for gone in ["live", "heal", "tour-again", "order", "load-start"] {
        let hidden = format!("return document.querySelector('[data-testid={gone}]').offsetParent");
        assert!(page.js(&hidden).is_null(), "{gone}");
    }
    assert!(page.text("shut").contains("Nothing runs here"));
    let picture = page.js("return document.querySelector('[data-file=\"picture.html\"]').href");
    let words = page.js(&format!(
        "const request = new XMLHttpRequest(); request.open('GET', {picture}, false); \
         request.send(); return `${{request.status}} ${{request.responseText.slice(0, 15)}}`"
    ));
    assert!(words.as_str().unwrap().starts_with("200 <!doctype html"), "{words}");
    looks::check(&page, "bundle-end");
    page.resize(390, 844);
    looks::check(&page, "bundle-narrow");
}

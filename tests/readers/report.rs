//! `mpix report`.

use std::fs;
use std::path::Path;

use mpix::events::{LaunchEvent, Outcome};
use mpix::journal::Record;
use serde_json::Value;

use crate::fixture::{Fixture, append, hostile_name, picture};

fn json(fixture: &Fixture) -> Value {
    serde_json::from_str(&fixture.mpix("report out --json").expect_code(0).stdout).unwrap()
}

/// The page, after a look at its form: each element is closed in its order, and nothing is loaded.
fn page(fixture: &Fixture) -> String {
    fixture.mpix("report out --html page.html").expect_code(0);
    let page = fs::read_to_string(fixture.path("page.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert_closed(&page);
    let (_, body) = page.split_once("<body>").unwrap();
    for outside in ["http:", "https:", "src=\"/", "<link", "<iframe", "@import", "javascript:"] {
        assert!(!body.contains(outside), "{outside}");
    }
    page
}

/// Elements that are never closed.
const VOID: [&str; 6] = ["meta", "img", "input", "br", "!DOCTYPE", "line"];

#[track_caller]
fn assert_closed(page: &str) {
    let (page, script) = page.split_once("<script>").unwrap();
    let (_, rest) = script.split_once("</script>").unwrap();
    let (head, style) = page.split_once("<style>").unwrap();
    let (_, body) = style.split_once("</style>").unwrap();
    let text = format!("{head}{body}{rest}");
    let mut open = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.to_owned()), "{tag}");
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn text_and_json_tell_the_same() {
    let fixture = Fixture::of_two_runs();
    let text = fixture.mpix("report out").expect_code(0).stdout;
    for words in [
        "`out`: the last run has ended",
        "ops          gray",
        "20 of 22 done, 2 failed",
        "2 not-an-image",
        "20.0 kB, 40.0 megapixels",
        "median 201.0 ms, 95 of 100 within 210.0 ms",
        "decode 20.0 %, filter 50.0 %",
        "211.0 ms, mostly filter, 2.0 megapixels, rank 1: `in/b11.png`",
        "ended without a word, killed perhaps",
        "ended, some images failed, exit code 1",
        "in/torn.png` ends early",
        "rank 1 host-1: the disk is slow (2 times)",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let told = json(&fixture);
    assert_eq!((&told["counts"]["done"], &told["counts"]["failed"]), (&20.into(), &2.into()));
    assert_eq!((&told["runs"][0]["done"], &told["runs"][1]["done"]), (&8.into(), &12.into()));
    assert_eq!((&told["seconds"], &told["images_timed"]), (&8.0.into(), &20.into()));
    assert_eq!((&told["images_per_s"], &told["megapixels_per_s"]), (&2.5.into(), &5.0.into()));
    assert_eq!(told["ranks"][1]["images"], 10);
    assert_eq!(told["slowest"].as_array().unwrap().len(), 5);
    assert_eq!(told["notes"].as_array().unwrap().len(), 0, "{}", told["notes"]);
}

#[test]
fn a_page_has_its_parts() {
    let fixture = Fixture::of_two_runs();
    let page = page(&fixture);
    for words in [
        "Images over time",
        "Where the time of an image goes",
        "Time of an image",
        "Pixels of each rank",
        "Work of each rank",
        "is no longer there",
        "the disk is slow",
        "mpix verify out",
        "--retry-failed --op gray -o out",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert_eq!(page.matches("<svg viewBox").count(), 6);
    assert_eq!(page.matches("<li class=\"card\">").count(), 20);
}

#[test]
fn hostile_names_stay_text() {
    let mut fixture = Fixture::new();
    let name = hostile_name();
    for directory in ["in", "out"] {
        picture(&fixture.path(directory).join(&name), 4);
    }
    fixture.start(1, 2, 1);
    fixture.seconds(1.0);
    fixture.done_at(&name, 0, 10.0);
    fixture.fail("</td><img src=x onerror=alert(2)>", "<b>reason</b> & \u{202e}more");
    fixture.warn("</table><script>alert(3)</script>");
    fixture.end(Outcome::SomeFailed, 1, 2.0);
    let now = fixture.now;
    fixture.write_status(now);
    let page = page(&fixture);
    assert_eq!(page.matches("<script>").count(), 1, "ours");
    for harm in ["<script>alert", "<img src=x", "<b>reason", "\u{202e}", "\x1b"] {
        assert!(!page.contains(harm), "{harm:?}");
    }
    assert!(page.contains(
        r"&lt;script&gt;alert(1)&lt;_script&gt;&quot;&#39;&amp;\n\u{1b}[31m\xff\u{202e}.png"
    ));
    assert_eq!(page.matches("<img src=\"data:image/jpeg;base64,").count(), 2);
    let text = fixture.mpix("report out").stdout;
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn pictures_that_cannot_be_shown_say_why() {
    let mut fixture = Fixture::new();
    for (name, channels) in [("gray.png", 1), ("veil.png", 2), ("colour.png", 3), ("clear.png", 4)]
    {
        picture(&fixture.path("in").join(name), channels);
        picture(&fixture.path("out").join(name), channels);
    }
    crate::pictures::files::put(&fixture.path("in/torn.png"), b"\x89PNG\r\n\x1a\nno more");
    picture(&fixture.path("out/torn.png"), 3);
    fixture.start(1, 6, 1);
    for name in ["gray.png", "veil.png", "colour.png", "clear.png", "torn.png", "gone.png"] {
        fixture.done(name, 0, 10.0);
    }
    append(&fixture.path("in/gray.png"), b"more");
    fixture.end(Outcome::AllDone, 0, 1.0);
    let page = page(&fixture);
    assert_eq!(page.matches("src=\"data:image/jpeg").count(), 8);
    assert_eq!(page.matches("is no longer there").count(), 2);
    assert!(page.contains("has changed since: it has"), "changed");
    assert!(page.contains("is no whole PNG image"), "torn");
    let none = fixture.mpix("report out --html none.html --thumbnails 0").expect_code(0);
    assert_eq!(none.stdout, "");
    assert!(!fs::read_to_string(fixture.path("none.html")).unwrap().contains("data:image/jpeg"));
}

#[test]
fn without_a_log_it_tells_what_the_journal_knows() {
    let fixture = Fixture::of_two_runs();
    fs::remove_file(fixture.own("log.jsonl")).unwrap();
    let text = fixture.mpix("report out").expect_code(0).stdout;
    assert!(text.contains("there is no log: times are"), "{text}");
    assert!(text.contains("20 of 22 done, 2 failed") && text.contains("median 201.0 ms"), "{text}");
    assert!(page(&fixture).contains("There is no log: times are"));
    fs::remove_file(fixture.own("status.json")).unwrap();
    let told = json(&fixture);
    assert_eq!((&told["total"], &told["runs"][0]["run"]), (&Value::Null, &2.into()));
    page(&fixture);
}

#[test]
fn a_copy_tells_of_itself_and_a_log_out_of_sight_is_named() {
    let fixture = Fixture::of_two_runs();
    let mut copied = std::process::Command::new("cp");
    copied.args(["-r", "out", "copy"]);
    assert!(copied.current_dir(fixture.path(".")).status().unwrap().success());
    fs::remove_file(fixture.path("copy/.mpix/log.jsonl")).unwrap();
    let text = fixture.mpix("report copy").expect_code(0).stdout;
    assert!(text.contains("there is no log: times are"), "{text}");
    assert!(fixture.mpix("logs copy").expect_code(2).tells(&["`copy` has no log"]));
    let directory = fixture.own(".");
    let status = mpix::events::Status::read(&directory).unwrap();
    mpix::events::Status { log: "/gone/runs.log".into(), ..status }.write(&directory).unwrap();
    let text = fixture.mpix("report out").expect_code(0).stdout;
    assert!(text.contains("the last run logged to `/gone/runs.log`, which is not there"), "{text}");
    let run = fixture.mpix("logs out").expect_code(0);
    assert!(run.tells(&["logged to `/gone/runs.log`"]) && run.stdout.lines().count() == 27);
}

#[test]
fn a_log_that_is_not_whole_is_told() {
    let fixture = Fixture::of_two_runs();
    let log = fs::read_to_string(fixture.own("log.jsonl")).unwrap();
    let half: Vec<&str> = log.lines().skip(5).collect();
    fs::remove_file(fixture.own("log.jsonl")).unwrap();
    crate::pictures::files::put(&fixture.own("log.2.jsonl"), half.join("\n").as_bytes());
    append(&fixture.own("log.2.jsonl"), b"\nnonsense\n");
    let text = fixture.mpix("report out").expect_code(0).stdout;
    assert!(text.contains("the log begins with its file 2"), "{text}");
    assert!(text.contains("1 line of the log are no entries"), "{text}");
    assert!(text.contains("the log tells of 16 of 20 results"), "{text}");
    page(&fixture);
}

#[test]
fn a_damaged_journal_is_told() {
    let fixture = Fixture::of_two_runs();
    append(&fixture.own("journal"), b"these bytes are no record");
    let text = fixture.mpix("report out").expect_code(0).stdout;
    assert!(text.contains("the journal is damaged: 25 bytes at offset"), "{text}");
    assert!(page(&fixture).contains("The journal is damaged: 25 bytes"));
    assert_eq!(json(&fixture)["damage"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_without_images_and_one_with_one() {
    let mut fixture = Fixture::new();
    fixture.start(1, 1, 1);
    assert!(!page(&fixture).contains("<svg viewBox"));
    assert!(fixture.mpix("report out").expect_code(0).stdout.contains("0 of 1 done, 0 failed"));
    fixture.seconds(0.5);
    fixture.done("a.png", 0, 300.0);
    fixture.end(Outcome::AllDone, 0, 0.6);
    let page = page(&fixture);
    assert_eq!(page.matches("<svg viewBox").count(), 4);
    assert!(!page.contains("NaN") && !page.contains("inf"), "numbers");
}

#[test]
fn many_images_make_a_page_of_bounded_size() {
    let mut fixture = Fixture::new();
    fixture.start(1, 6000, 2);
    for number in 0..3000 {
        fixture.seconds(0.01);
        fixture.done(&format!("{number:05}.png"), number % 2, 1.0 + (number * number % 997) as f64);
    }
    for number in 0..3000 {
        fixture.fail(&format!("bad/{number}.png"), "is empty");
    }
    fixture.end(Outcome::SomeFailed, 1, 30.0);
    let page = page(&fixture);
    assert!(page.len() < 1_000_000, "{}", page.len());
    assert!(page.contains("3000 images without a result; the first 2,000 stand here"));
    let text = fixture.mpix("report out").expect_code(0).stdout;
    assert_eq!(text.matches("/bad/").count(), 3000);
}

#[test]
fn a_page_replaces_nothing_but_a_page() {
    let mut fixture = Fixture::new();
    for name in ["in/a.html", "out/b/a.html"] {
        crate::pictures::files::put(&fixture.path(name), b"an image");
    }
    std::os::unix::fs::symlink(fixture.path("out/b"), fixture.path("link")).unwrap();
    fixture.start(1, 1, 1);
    fixture.done("a.html", 0, 1.0);
    let state = mpix::journal::read(&fixture.path("out")).unwrap();
    let done = state.all_done().next().unwrap().clone();
    fixture.record(&Record::Done(mpix::journal::Done { output: "b/a.html".into(), ..done }));
    for (place, what) in [
        ("in/a.html", "an input"),
        ("./in/../in/a.html", "an input"),
        ("out/b/a.html", "a result"),
        ("link/a.html", "a result"),
        ("out/.mpix/journal", "among what mpix keeps"),
        ("out/.mpix/new.html", "among what mpix keeps"),
        ("new.png", "an image by name"),
    ] {
        let run = fixture.mpix(&format!("report out --html {place}")).expect_code(2);
        assert!(run.tells(&["the page would replace", what]), "{place}: {}", run.stderr);
    }
    assert_eq!(fs::read(fixture.path("in/a.html")).unwrap(), b"an image");
    let run = fixture.mpix("report out --html gone/page.html").expect_code(2);
    assert!(run.tells(&["failed to write the page `gone/page.html`"]), "{}", run.stderr);
    for place in ["out/report.html", "out/report.html", "page"] {
        fixture.mpix(&format!("report out --html {place}")).expect_code(0);
        assert!(fs::metadata(fixture.path(place)).unwrap().len() > 1000);
    }
    let left = |directory: &Path| {
        fs::read_dir(directory)
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(".mpix-"))
    };
    assert!(!left(&fixture.path(".")) && !left(&fixture.path("out")));
}

#[test]
fn where_no_run_was_it_says_so() {
    let fixture = Fixture::new();
    for line in ["report out", "report gone", "report out --html page.html"] {
        let run = fixture.mpix(line).expect_code(2);
        assert!(run.tells(&["has no journal"]), "{line}: {}", run.stderr);
    }
    assert!(!fixture.path("page.html").exists());
}

#[test]
fn a_launch_is_told() {
    let fixture = Fixture::of_launch();
    let text = fixture.mpix("report out").expect_code(0).stdout;
    for words in [
        "launch 0123456789abcdef, 3 attempts, 1 failure, 4.8 s lost between attempts: all done\n",
        "attempt   1  2026-01-31T12:00:00Z      0:05  failed, on host-0, host-1\n",
        "attempt   2  2026-01-31T12:00:08Z      0:03  stopped, to go on with other hosts, on host-0, \
         host-2\n",
        "attempt   3  2026-01-31T12:00:12Z      0:04  all done, on host-0, host-1\n",
        "2026-01-31T12:00:05Z  attempt 1 failed on `host-1`: rank 1 has said nothing for 2 s (noticed \
         by rank 0's pings); the next started 3.5 s later\n",
        "2026-01-31T12:00:05Z  `host-1` is down: no answer\n",
        "2026-01-31T12:00:11Z  `host-1` joins\n",
        "2026-01-31T12:00:12Z  `host-2` takes no ranks: its mpix is 0.0.9\n",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let told = json(&fixture);
    let launch = &told["launches"][0];
    assert_eq!((&launch["exit_code"], &launch["lost_s"]), (&0.into(), &4.75.into()), "{launch}");
    assert_eq!(launch["attempts"][1]["until_next_s"], 1.25);
    assert_eq!(
        (&launch["failures"][0]["host"], launch["events"].as_array().unwrap().len()),
        (&"host-1".into(), 4)
    );
    assert_eq!(told["notes"].as_array().unwrap().len(), 0, "{}", told["notes"]);
    let page = page(&fixture);
    for words in [
        "<h2 id=\"launch\">Launch</h2>",
        "3 attempts, 1 failure, 4.8 s lost between attempts: all done.",
        "<td>rank 1 has said nothing for 2 s</td><td>rank 0&#39;s pings</td>",
        "<td>`host-1` is down: no answer</td>",
        "<title>attempt 1 failed: host-1: rank 1 has said nothing for 2 s</title>",
        "Crosses mark failures in a launch.",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // Where run 1 ends: 2 s of 6 into both plots.
    assert_eq!(page.matches("<g class=\"fault\"").count(), 2);
    assert_eq!(page.matches("<line class=\"\" x1=\"203.3\" y1=\"34.0\" x2=\"203.3\"").count(), 2);
}

#[test]
fn without_a_launch_nothing_is_said_of_one() {
    let fixture = Fixture::of_two_runs();
    assert!(!fixture.mpix("report out").expect_code(0).stdout.contains("launch"));
    assert_eq!(json(&fixture)["launches"].as_array().unwrap().len(), 0);
    let page = page(&fixture);
    assert!(!page.contains("id=\"launch\"") && !page.contains("in a launch"));
}

#[test]
fn a_supervisor_that_was_lost_is_told_and_what_it_said_stays_text() {
    let mut fixture = Fixture::new();
    let harm = "<b>harm</b>\u{202e}\x1b[2J";
    fixture.launch_begins(&["host-0"]);
    fixture.attempt(1, &["host-0"]);
    fixture.start(1, 9, 1);
    fixture.seconds(2.0);
    fixture.done("a.png", 0, 10.0);
    fixture.seconds(10.0);
    fixture.launch_begins(&["host-0"]);
    fixture.launch(LaunchEvent::TakesOver { from: "process 7 on `host-9`".to_owned() });
    fixture.attempt(2, &["host-0"]);
    fixture.attempt_fails(2, harm, harm);
    fixture.attempt(3, &["host-0", harm]);
    fixture.write_launch_status(None);
    let told = json(&fixture);
    let launches = told["launches"].as_array().unwrap();
    assert_eq!((launches.len(), &launches[0]["lost_s"]), (1, &10.0.into()), "{told}");
    let outcomes: Vec<_> = launches[0]["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["its supervisor was lost", "failed", "its supervisor was lost"]);
    let text = fixture.mpix("report out").expect_code(0).stdout;
    assert!(text.contains("takes over from process 7 on `host-9`"), "{text}");
    assert!(
        text.contains("attempts: ended without a word, killed perhaps") && !text.contains('\x1b')
    );
    let page = page(&fixture);
    assert!(
        !page.contains("<b>harm") && page.contains(r"&lt;b&gt;harm&lt;/b&gt;\u{202e}\u{1b}[2J")
    );
    append(&fixture.own("launch.jsonl"), b"nonsense\n");
    let text = fixture.mpix("report out").expect_code(0).stdout;
    assert!(text.contains("1 line of the log are no entries"), "{text}");
}

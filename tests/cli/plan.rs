//! `mpix plan`: what is foreseen, and what is refused.

use mpix::image_file::Format;
use serde_json::Value;

use crate::made::file;
use crate::place::Place;

fn planned(place: &Place, arguments: &str) -> Value {
    let answer = place.mpix(arguments);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[test]
fn a_slow_network_holds_up_what_many_ranks_could_do() {
    let place = Place::new();
    for name in ["in/a.png", "in/b.png"] {
        place.put(name, &file(Format::Png, 1200, 800, 3));
    }
    let plan = |network, shared| {
        let arguments = format!(
            "plan --json --ranks 1..64 --images 100000 --network {network} \
             -- run -t 1 --shared-fs {shared} --op gray -o out in"
        );
        planned(&place, &arguments)
    };
    let (fast, slow, shared) = (plan("1T", "auto"), plan("10k", "auto"), plan("1G", "yes"));
    let seconds = |plan: &Value, row: usize| plan["rows"][row]["seconds"].as_f64().unwrap();
    assert_eq!((&fast["images"], &fast["measured"]), (&100_000.into(), &2.into()));
    assert_eq!(fast["rows"].as_array().unwrap().len(), 7);
    assert!(seconds(&fast, 3) < seconds(&fast, 0) / 4.0, "{fast}");
    assert!(seconds(&slow, 6) > seconds(&slow, 0) / 2.0, "{slow}");
    let waits_for = slow["first_bottleneck"]["bottleneck"].as_str().unwrap();
    assert!(waits_for.starts_with("network"), "{slow}");
    // Each host has its own link to the files.
    assert!(seconds(&shared, 6) < seconds(&shared, 0) / 8.0, "{shared}");
    assert!(seconds(&plan("1G", "auto"), 6) > seconds(&shared, 6) * 2.0, "{shared}");
    assert!(!place.path("out").exists());
}

#[test]
fn what_cannot_be_planned_is_told() {
    let place = Place::with(&["in/a.png"]);
    place.put("in/b.png", b"no picture");
    let answer = place.mpix("plan --ranks 1,2 -- run -o out in").expect_code(0);
    assert!(answer.stdout.contains("not measured: `in/b.png`"), "{answer:?}");
    assert!(answer.stdout.contains("images/s"), "{answer:?}");
    place.mpix("plan -- run -o out in/b.png").expect_code(1);
    for (arguments, told) in [
        ("plan --ranks 4..2 -- run -o out in", "`--ranks 4..2`"),
        ("plan --network fast -- run -o out in", "`--network fast`"),
        ("plan -- launch", "will not do"),
        ("plan -- run -o out nothing", "`nothing`"),
    ] {
        let answer = place.mpix(arguments).expect_code(2);
        assert!(answer.stderr.contains(told), "{answer:?}");
    }
}

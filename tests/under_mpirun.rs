//! Whole directories under the real mpirun: the same bytes for any number of ranks, either way of
//! sharing out, and any height of bands.

mod launch;
mod pictures;

use launch::{assert_same, files, have, mpirun, mpix};
use mpix::ops::OPS;

const CHAINS: &[&[&str]] = &[
    &[],
    &["blur:ksize=9", "canny:low=20,high=60", "invert"],
    &["canny:low=30,high=90", "blur:ksize=5"],
    &["canny:low=10,high=40", "canny", "red"],
    &["sharpen", "gamma:value=0.7", "laplacian:overflow=wrap", "heatmap"],
];

fn op_arguments(chain: &[String]) -> Vec<String> {
    chain.iter().flat_map(|op| ["--op".to_owned(), op.clone()]).collect()
}

#[test]
fn the_same_bytes_for_any_number_of_ranks() {
    if !have("mpirun") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let count = pictures::files::write_tree(&input);
    let single = OPS.iter().map(|op| vec![op.text_of(op.samples[0])]);
    let chains = CHAINS.iter().map(|chain| chain.iter().map(|&op| op.to_owned()).collect());
    let mut compared = 0;
    for (number, chain) in single.chain(chains).enumerate() {
        let run = |ranks: usize, name: &str, flags: &[&str]| {
            let output = dir.path().join(format!("{number}-{name}"));
            let mut arguments = vec!["run", "-q", "-r", "-o", output.to_str().unwrap()];
            arguments.extend(flags);
            let ops = op_arguments(&chain);
            arguments.extend(ops.iter().map(String::as_str));
            arguments.push(input.to_str().unwrap());
            let run = if ranks == 0 { mpix(&arguments) } else { mpirun(ranks, &arguments) };
            run.expect_code(0);
            output
        };
        let alone = run(0, "alone", &["--distribute", "images", "--threads", "1"]);
        let expected = files(&alone);
        assert_eq!(expected.len(), count);
        for ranks in [1, 2, 3, 5] {
            let height = ["1", "7", "64", "100000"][number % 4];
            for (name, flags) in [
                ("images", &["--distribute", "images"][..]),
                ("bands", &["--distribute", "bands", "--threads", "2"][..]),
                ("heights", &["--distribute", "bands", "--band-rows", height][..]),
            ] {
                // Every height with every number of ranks would only repeat what two show.
                if name == "heights" && ranks % 2 == 0 {
                    continue;
                }
                let output = run(ranks, name, flags);
                compared += assert_same(&expected, &output, &format!("{chain:?} {ranks} {name}"));
                std::fs::remove_dir_all(output).unwrap();
            }
        }
    }
    println!("{compared} files compared with those of one rank on one thread");
    assert!(compared > 19 * 11 * count - 1, "{compared}");
}

#[test]
fn inputs_stay_as_they_are_and_nothing_temporary_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    pictures::files::write_tree(&input);
    let before = files(&input);
    let output = dir.path().join("out");
    let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
    for _ in 0..2 {
        mpix(["run", "-q", "-r", "--op", "invert", "-o", output, input]).expect_code(0);
    }
    assert_same(&before, input.as_ref(), "the inputs");
    let results = files(output.as_ref());
    assert_eq!(results.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}

//! The scripts, as far as they go without building anything.

use std::process::{Command, Output};

use mpix::ops::OPS;

use crate::launch::PROGRAM;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn bash(script: &str, arguments: &[&str], from: &str) -> Output {
    let mut command = Command::new("timeout");
    command.args(["20", "bash", "-c", script, "bash"]).args(arguments).current_dir(from);
    command.output().unwrap()
}

#[test]
fn the_demo_refuses_to_empty_what_it_is_to_read() {
    let demo = format!("exec {ROOT}/scripts/demo.sh \"$@\"");
    let home = tempfile::tempdir().unwrap();
    let from = home.path().to_str().unwrap();
    for above in ["/", ROOT] {
        let refused = bash(&demo, &[above], from);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{above}: {told}");
        assert!(told.contains("neither inside nor above"), "{above}: {told}");
    }
    let missing = bash(&demo, &["scripts"], from);
    assert_eq!(missing.status.code(), Some(2), "a name is meant from where the user stands");
    let refused = bash(&demo, &["."], ROOT);
    assert_eq!(refused.status.code(), Some(2), "a relative name");
}

#[test]
fn scripts_have_the_list_of_ops_from_the_program() {
    let script = format!(". {ROOT}/scripts/ops.sh && op_examples \"$1\"");
    let listed = bash(&script, &[PROGRAM], ROOT);
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    let examples: Vec<String> = OPS.iter().map(|op| op.text_of(op.samples[0])).collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), examples);
    // Those that the README shows.
    for shown in ["gray", "gamma:value=2.2", "convolve:kernel=-2,-1,0/-1,1,1/0,1,2"] {
        assert!(examples.iter().any(|example| example == shown), "{shown}");
    }
    let none = bash(&script, &["/bin/echo"], ROOT);
    assert!(!none.status.success());
}

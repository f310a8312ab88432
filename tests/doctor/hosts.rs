//! Hosts of a hostfile, played by a script in place of ssh.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::launch::{finish, mpix};
use crate::{Stage, assert_words, finding, findings, json, own_path};

/// Plays hosts by their names; the command comes as the last word, as to sshd.
const SSH: &str = r#"
echo "$*" >> ssh.log
for word do command=$word; case $word in *@*) host=${word#*@} ;; good*|dead|empty|old|hangs|bare|deaf|elsewhere) host=$word ;; esac; done
case $host in
  good*) echo "Welcome to $host"; exec sh -c "$command" ;;
  dead) echo "Warning: Permanently added something" >&2
        echo "ssh: connect to host dead port 22: No route to host" >&2; exit 255 ;;
  empty) echo "sh: 1: exec: mpix: not found" >&2; exit 127 ;;
  bare) echo "mpix: error while loading shared libraries: libmpi.so.40: cannot open shared object file" >&2
        exit 127 ;;
  old) sh -c "$command" | sed 's/"version": "[^"]*"/"version": "0.0.9"/' ;;
  elsewhere) sh -c "$command" | sed 's/"program": "[^"]*"/"program": "\/opt\/mpix"/' ;;
  deaf) echo "Host key verification failed." >&2; exit 255 ;;
  hangs) sleep 100 & sleep 100 ;;
  *) echo "unknown host $host of: $*" >&2; exit 99 ;;
esac"#;

/// A stage whose ssh plays hosts.
fn stage(hostfile: &str) -> Stage {
    let stage = Stage::new();
    stage.program("ssh", SSH);
    stage.put("hosts", hostfile);
    stage
}

/// The report of a host, by its name in the hostfile.
#[track_caller]
fn host<'a>(diagnosis: &'a Value, name: &str) -> &'a Value {
    let hosts = diagnosis["hosts"].as_array().unwrap();
    hosts
        .iter()
        .find(|host| host["host"] == name)
        .unwrap_or_else(|| panic!("{name}: {diagnosis:#}"))
}

#[test]
fn a_host_that_has_all_is_reached_as_the_hostfile_says() {
    let stage = stage("good1 slots=1\nme@good2 port=2222 slots=4096\n");
    let run = stage.run("doctor --json --hostfile hosts");
    let found = json(&run);
    assert_eq!(found["hosts"].as_array().unwrap().len(), 3);
    let good = host(&found, "good1");
    assert_words(&finding(good, "reach"), &["ok: by ssh in"]);
    assert_words(&finding(good, "mpix"), &["ok", own_path().to_str().unwrap()]);
    assert_words(&finding(good, "slots"), &["ok: `good1`: 1 for"]);
    for of_head in ["disk", "root", "ssh", "slurm"] {
        assert_eq!(findings(good, of_head).len(), 0, "{of_head} matters here alone");
    }
    assert_words(&finding(host(&found, "good2"), "slots"), &["warning", "slots=4096", "slots=1"]);
    let log = std::fs::read_to_string(stage.path("ssh.log")).unwrap();
    let to_second = log.lines().find(|line| line.contains("good2")).unwrap();
    assert_words(to_second, &["BatchMode=yes", "ConnectTimeout=5", "-p 2222 me@good2"]);
}

#[test]
fn each_way_to_fail_is_a_problem_with_a_cure() {
    let names = ["dead", "empty", "bare", "old", "deaf"];
    let stage = stage(&names.map(|name| format!("u@{name} port=7\n")).concat());
    let run = stage.run("doctor --json --hostfile hosts").expect_code(1);
    let found = json(&run);
    let told = |name, check| finding(host(&found, name), check);
    let own = own_path().display().to_string();
    let copy = |name| format!("scp -P 7 {own} u@{name}:{own}");
    let route = "No route to host";
    assert_words(&told("dead", "reach"), &["problem", route, "`ssh -p 7 u@dead true`"]);
    assert_words(&told("empty", "mpix"), &["problem", &own, "not found", &copy("empty")]);
    assert_words(&told("bare", "mpi"), &["problem", "libmpi.so.40", "openmpi-bin"]);
    assert_words(
        &told("old", "mpix"),
        &["problem", "0.0.9", env!("CARGO_PKG_VERSION"), &copy("old")],
    );
    assert_words(&told("deaf", "reach"), &["problem", "accept its key", "`ssh -p 7 u@deaf`"]);
}

#[test]
fn a_host_with_mpix_elsewhere_is_warned_of() {
    let stage = stage("elsewhere slots=1\n");
    let found = json(&stage.run("doctor --json --hostfile hosts"));
    let mpix = findings(host(&found, "elsewhere"), "mpix");
    assert_words(&mpix[0], &["warning: it is at /opt/mpix", own_path().to_str().unwrap()]);
}

#[test]
fn hosts_that_hang_are_given_up_all_at_once() {
    let stage = stage("hangs\nx@hangs2\ngood1\n");
    stage.program("ssh", &SSH.replace("hangs)", "hangs*)"));
    let start = Instant::now();
    let run = stage.run("doctor --json --timeout 2 --hostfile hosts").expect_code(1);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let found = json(&run);
    for (name, typed) in [("hangs", "`ssh hangs true`"), ("hangs2", "`ssh x@hangs2 true`")] {
        let told = finding(host(&found, name), "reach");
        assert_words(&told, &["problem: `ssh` has not ended after 2 s", typed, "--timeout"]);
    }
    assert_words(&finding(host(&found, "good1"), "reach"), &["ok"]);
}

#[test]
fn this_host_is_not_asked_by_ssh() {
    let stage = stage("localhost slots=4096\n127.0.0.1\n");
    let found = json(&stage.run("doctor --json --hostfile hosts"));
    assert!(!stage.path("ssh.log").exists());
    assert_eq!(found["hosts"].as_array().unwrap().len(), 1);
    let slots = findings(&found["hosts"][0], "slots");
    assert_eq!(slots.len(), 2);
    assert_words(&slots[0], &["warning", "`localhost` has slots=4096"]);
}

#[test]
fn hosts_are_reached_by_the_agent_of_mpirun() {
    let stage = stage("good1 slots=1\n");
    stage.program("rsh", &SSH.replace("ssh.log", "rsh.log"));
    let mut mpix = stage.mpix("doctor --json --hostfile hosts");
    mpix.env("OMPI_MCA_plm_rsh_agent", "no-such-agent : rsh -x");
    let found = json(&finish(mpix));
    assert_words(&finding(host(&found, "good1"), "reach"), &["ok: by rsh"]);
    let log = std::fs::read_to_string(stage.path("rsh.log")).unwrap();
    assert!(log.starts_with("-x good1 exec sh -c"), "{log}");
    assert!(!stage.path("ssh.log").exists());
}

#[test]
fn people_see_what_needs_attention() {
    let stage = stage("good1 slots=1\ndead\n");
    let run = stage.run("doctor --hostfile hosts").expect_code(1);
    let blocks: Vec<&str> = run.stdout.split("\n\n").collect();
    assert_eq!(blocks.len(), 4, "{}", run.stdout);
    assert_words(blocks[1], &["good1: mpix", "reach, mpix, "]);
    assert_words(blocks[2], &["dead: mpix unknown", "PROBLEM  reach", "cure: "]);
    assert_words(blocks[3], &["3 hosts: "]);
    let all = stage.run("doctor -v --hostfile hosts");
    assert_words(all.stdout.split("\n\n").nth(1).unwrap(), &["ok       reach          by ssh"]);
}

#[test]
fn hostfiles_that_mpirun_stumbles_over_are_warned_of() {
    let stage = stage("good1 slots=1\r\n# end");
    let found = json(&stage.run("doctor --json --hostfile hosts"));
    let told = finding(&found["hosts"][0], "hostfile");
    assert_words(&told, &["warning: 1 host,", "line 1: ", "sed -i", "line 2: "]);
}

#[test]
fn a_wrong_hostfile_is_told_by_line() {
    let stage = stage("good1\ngood2 slots=two\n");
    let run = stage.run("doctor --hostfile hosts").expect_code(2);
    assert!(run.tells(&["`hosts`, line 2", "`slots=two`", "write 0 to"]), "{}", run.stderr);
    assert!(run.stdout.is_empty() && !stage.path("ssh.log").exists());
    assert!(mpix(["doctor", "--hostfile", "/no/such"]).expect_code(2).tells(&["/no/such"]));
    mpix(["doctor", "--timeout", "0"]).expect_code(2);
}

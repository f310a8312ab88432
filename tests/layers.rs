//! Which module may name which: the table below against every path in `src/` that starts at
//! `crate`, or climbs there by `super`. And where `unsafe` may stand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "layers/paths.rs"]
mod paths;

use std::path::{Path, PathBuf};

use paths::{Naming, namings, words};

/// A module, and the others that it may name.
const TABLE: &[(&str, &[&str])] = &[
    ("band", &[]),
    ("buffers", &[]),
    ("error", &[]),
    ("hash", &[]),
    ("path_bytes", &[]),
    ("cli", &[]),
    ("events", &["error"]),
    ("simd", &[]),
    ("ops", &["simd", "band", "error"]),
    ("image_file", &["simd", "band", "error"]),
    ("settings", &["cli", "ops", "image_file", "journal", "hash", "error"]),
    ("plan", &["ops", "settings", "image_file", "hash", "error"]),
    ("transport", &["band", "buffers", "plan", "image_file", "hash", "path_bytes", "error"]),
    ("host", &["plan", "error"]),
    (
        "worker_rank",
        &[
            "transport",
            "plan",
            "ops",
            "host",
            "image_file",
            "source",
            "band",
            "buffers",
            "hash",
            "error",
        ],
    ),
    ("source", &["settings", "image_file", "hash", "error"]),
    (
        "rank0",
        &[
            "worker_rank",
            "transport",
            "plan",
            "ops",
            "image_file",
            "band",
            "buffers",
            "hash",
            "error",
            "source",
            "settings",
            "journal",
            "events",
        ],
    ),
    ("journal", &["hash", "path_bytes", "error"]),
    ("launch", &["settings", "journal", "events", "host", "error"]),
    ("doctor", &["host", "launch", "ops", "transport", "error"]),
    ("host_list", &["host", "launch", "error"]),
    (
        "scaling",
        &["worker_rank", "plan", "ops", "host", "image_file", "source", "settings", "error"],
    ),
    ("op_list", &["ops"]),
    ("verify", &["journal", "error"]),
    ("pulse", &["host", "journal", "events"]),
    ("status", &["pulse", "journal", "events", "error"]),
    ("logs", &["pulse", "journal", "events", "error"]),
    ("report", &["pulse", "journal", "events", "image_file", "error"]),
];

/// They join the others, and may name all of them.
const ABOVE_ALL: &[&str] = &["role", "lib", "main"];

/// Where `unsafe` may stand.
const UNSAFE: &[&str] = &[
    "simd/",
    "transport/mpi.rs",
    "image_file/libjpeg.rs",
    "image_file/libjpeg_blocks.rs",
    "image_file/libjpeg_dct.rs",
];

/// Every file of `src/`, by its path below it, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    walkdir::WalkDir::new(&root)
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rs"))
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.path().strip_prefix(&root).unwrap().to_path_buf(), text)
        })
        .collect()
}

/// The modules that a file is in, from the top: `ops`, `kernels` for `ops/kernels/mod.rs`.
fn modules_of(file: &Path) -> Vec<String> {
    let parts = file.with_extension("");
    let parts = parts.iter().map(|part| part.to_str().unwrap().to_owned());
    parts.filter(|part| part != "mod" && part != "lib").collect()
}

/// What breaks the table in a file, a line each.
fn breaches(file: &Path, text: &str) -> Vec<String> {
    let modules = modules_of(file);
    let own = modules.first().map_or("lib", String::as_str);
    if ABOVE_ALL.contains(&own) {
        return Vec::new();
    }
    let at = format!("src/{}", file.display());
    let Some((_, allowed)) = TABLE.iter().find(|(module, _)| *module == own) else {
        return vec![format!(
            "{at}: `{own}` is not in the table of tests/layers.rs: say there what it may name"
        )];
    };
    let named = namings(text, modules.len()).into_iter();
    let wrong =
        named.filter(|naming| naming.module != own && !allowed.contains(&naming.module.as_str()));
    wrong
        .map(|Naming { module, line }| {
            let rule =
                if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
            format!("{at}:{line}: `{own}` names `{module}`; it may name {rule}")
        })
        .collect()
}

#[test]
fn modules_name_only_what_the_table_allows() {
    let sources = sources();
    let found: Vec<String> = sources.iter().flat_map(|(file, text)| breaches(file, text)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    let all: usize =
        sources.iter().map(|(file, text)| namings(text, modules_of(file).len()).len()).sum();
    println!("{all} paths in {} files", sources.len());
    assert!(all > 100, "the parser finds no more than {all} paths");
}

#[test]
fn every_row_of_the_table_is_a_module() {
    let sources = sources();
    for (module, allowed) in TABLE {
        for module in [module].into_iter().chain(*allowed) {
            let there = sources.iter().any(|(file, _)| modules_of(file) == [*module]);
            assert!(there, "the table speaks of `{module}`, which is not in src/");
        }
    }
}

#[test]
fn unsafe_stands_only_where_it_may() {
    let mut places = 0;
    for (file, text) in sources() {
        let lines: Vec<usize> =
            words(&text).filter(|(word, _)| word == "unsafe").map(|(_, line)| line).collect();
        let free = UNSAFE.iter().any(|place| file.to_str().unwrap().starts_with(place));
        assert!(free || lines.is_empty(), "src/{}:{lines:?}: `unsafe`", file.display());
        places += lines.len();
    }
    assert!(places > 0, "the parser finds no `unsafe` at all");
}

#[test]
fn a_breach_is_told_with_file_line_and_rule() {
    let told = breaches(Path::new("band.rs"), "\nuse crate::ops::Op;\n");
    assert_eq!(told, ["src/band.rs:2: `band` names `ops`; it may name nothing of ours"]);
    let told = breaches(
        Path::new("ops/gray.rs"),
        "use crate::{error::E, band};\nfn f() { super::super::plan::g() }",
    );
    assert_eq!(told, ["src/ops/gray.rs:2: `ops` names `plan`; it may name simd, band, error"]);
    assert!(breaches(Path::new("role.rs"), "use crate::ops;").is_empty());
    assert!(breaches(Path::new("stranger.rs"), "")[0].contains("not in the table"));
}

//! What Open MPI 4.1.4 was seen to do with the same files.

use proptest::prelude::*;

use super::*;

fn hosts(text: &str) -> Vec<HostEntry> {
    parsed(text).hosts
}

fn parsed(text: &str) -> Hostfile {
    parse(text, Path::new("hosts")).unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
}

/// A host with slots.
fn host(name: &str, slots: impl Into<Option<usize>>) -> HostEntry {
    HostEntry { name: name.to_owned(), slots: slots.into(), ..HostEntry::default() }
}

/// What is wrong with a line.
fn wrong(line: &str) -> Wrong {
    match parse(&format!("# first\nnode0\n{line}\n"), Path::new("hosts")) {
        Err(HostfileError::Line { line: 3, wrong, .. }) => wrong,
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn hosts_are_read_with_their_slots() {
    let text =
        "node1\n\n  node2 slots=4 \n# comment\nnode3\tslots = 2 max-slots= 3 # more\n10.0.0.1";
    let mut third = host("node3", 2);
    third.max_slots = Some(3);
    let all = [host("node1", None), host("node2", 4), third, host("10.0.0.1", None)];
    assert_eq!(hosts(text), all);
    assert_eq!(parsed(text).oddities, []);
    for slots in ["cpu=3", "count=3", "slots=3", "slots=\t3", "max_slots=3"] {
        assert_eq!(hosts(&format!("a {slots}"))[0].slots, Some(3), "{slots}");
    }
    for max in ["cpu_max", "max-cpu", "count-max", "max_count", "slots-max", "slots_max"] {
        let host = &hosts(&format!("a {max}=5 slots=3"))[0];
        assert_eq!((host.slots, host.max_slots), (Some(3), Some(5)), "{max}");
    }
    assert_eq!(hosts("12"), [host("12", None)], "Open MPI takes numbers for names");
}

#[test]
fn users_and_ports_are_read() {
    let expected = HostEntry { user: Some("root".into()), port: Some(2222), ..host("a.b", 1) };
    for text in ["root@a.b port=2222 slots=1", "a.b slots=1 username=root port=2222"] {
        assert_eq!(hosts(text)[0], expected, "{text}");
    }
    assert_eq!(hosts("a user-name=x")[0].user.as_deref(), Some("x"));
}

#[test]
fn ipv6_addresses_are_read_bare_and_in_brackets() {
    for text in ["::1", "[::1]", "fd00::1:2", "[fe80::1%eth0]", "root@fe80::1", "::ffff:10.0.0.1"] {
        let read = parsed(text);
        assert!(is_ipv6(&read.hosts[0].name), "{text}");
        assert_eq!(read.oddities[0].kind, OddityKind::Ipv6, "{text}");
    }
}

#[test]
fn a_host_named_again_has_one_slot_more() {
    assert_eq!(hosts("a\nb\na\na\n"), [host("a", 3), host("b", None)]);
    assert_eq!(hosts("a slots=3\na\n"), [host("a", 4)]);
    for again in ["a\na slots=3\n", "a slots=2\na slots=3\n", "a slots=2\na max_slots=3"] {
        let error = parse(again, Path::new("hosts")).unwrap_err();
        let HostfileError::Line { line: 2, wrong, .. } = error else { panic!("{error:?}") };
        assert_eq!(wrong, Wrong::SlotsAgain { host: "a".into() });
    }
}

#[test]
fn hosts_are_excluded_wherever_that_is_said() {
    assert_eq!(hosts("^b\na\nb\n"), [host("a", None)]);
    assert_eq!(hosts("a\nb slots=2\n^b\n"), [host("a", None)]);
    let nobody = parse("a\n^a\n", Path::new("hosts"));
    assert!(matches!(nobody, Err(HostfileError::NoHosts { .. })));
    assert_eq!(wrong("^a slots=2"), Wrong::ExcludedWithMore { host: "a".into() });
}

#[test]
fn comments_of_all_kinds_are_skipped() {
    let text =
        "a#c\nb // c # c\n/* x\n c slots=3 */ d /* y */ slots=2 /* z\n*/e\n/* // */f # /*\ng\n";
    let names = hosts(text).into_iter().map(|host| host.name).collect::<String>();
    assert_eq!(names, "abdefg");
    assert_eq!(hosts(text)[2].slots, Some(2));
    assert!(matches!(parse("# a\n", Path::new("h")), Err(HostfileError::NoHosts { .. })));
    assert!(matches!(parse("", Path::new("h")), Err(HostfileError::NoHosts { .. })));
}

#[test]
fn what_mpirun_stumbles_over_is_told() {
    let kinds = |text| {
        let oddities = parsed(text).oddities.into_iter();
        oddities.map(|oddity| (oddity.line, oddity.kind)).collect::<Vec<_>>()
    };
    assert_eq!(kinds("a\r\nb slots=1\r\n"), [(1, OddityKind::CarriageReturn)]);
    assert_eq!(hosts("a slots=1\r\n"), [host("a", 1)]);
    assert_eq!(kinds("a\nb # c"), [(2, OddityKind::CommentWithoutNewline)]);
    assert_eq!(kinds("a\n^b\n"), [(2, OddityKind::Exclusion)]);
    assert_eq!(kinds("a.b@c\n"), [(1, OddityKind::UserWithDot)]);
    assert_eq!(kinds("c username=a.b\n"), [(1, OddityKind::UserWithDot)]);
    assert_eq!(kinds("a_b\n"), [(1, OddityKind::Underscore)]);
    let (first, second) = ("a.x".to_owned(), "a.y".to_owned());
    assert_eq!(kinds("a.x\na.y\n"), [(2, OddityKind::SameShortName { first, second })]);
    assert_eq!(kinds("10.0.0.1\n10.0.0.2\na.x\na.x\n"), []);
}

#[test]
fn wrong_lines_are_told_with_what_would_be_right() {
    let word = |word: &str| word.to_owned();
    assert_eq!(wrong("+n0"), Wrong::Relative { word: word("+n0") });
    assert_eq!(wrong("+e:2 slots=1"), Wrong::Relative { word: word("+e:2") });
    assert_eq!(wrong("rank 0=a slot=1"), Wrong::Rankfile);
    assert_eq!(wrong("slots=4"), Wrong::NoHost { word: word("slots") });
    assert_eq!(wrong("a=4"), Wrong::NoHost { word: word("a") });
    assert_eq!(wrong("=4"), Wrong::NoHost { word: word("=") });
    assert_eq!(wrong("a,b"), Wrong::HostWithMore { word: word("a,b") });
    assert_eq!(wrong("a:2"), Wrong::HostWithMore { word: word("a:2") });
    for name in ["-oProxyCommand", "\u{feff}a", "é", "[a]", "a*", "\"a\"", "a@b@c", "u@", "^"] {
        assert!(matches!(wrong(name), Wrong::Host { .. }), "{name}");
    }
    for user in ["@a", "-l@a", "a/b@c", "a username=-x"] {
        assert!(matches!(wrong(user), Wrong::User { .. }), "{user}");
    }
    for unknown in ["a slot=2", "a user=x", "a b", "a 4", "a SLOTS=1", "a cores=2", "a slots=1=2"] {
        assert!(matches!(wrong(unknown), Wrong::Unknown { .. }), "{unknown}");
    }
    for missing in ["a slots", "a slots=", "a slots 4", "a username=", "a slots==4"] {
        assert!(matches!(wrong(missing), Wrong::NoValue { .. }), "{missing}");
    }
    for number in ["slots=x", "slots=-1", "slots=+1", "slots=2147483648", "port=0", "port=65536"] {
        assert!(matches!(wrong(&format!("a {number}")), Wrong::Number { .. }), "{number}");
    }
    assert_eq!(wrong("a slots=1 cpu=1"), Wrong::Twice { key: "slots" });
    assert_eq!(wrong("x@a username=y"), Wrong::Twice { key: "username" });
    assert_eq!(wrong("a slots=3 max_slots=2"), Wrong::TooManySlots { slots: 3, max_slots: 2 });
}

#[test]
fn a_message_names_file_and_line() {
    let error = parse("node1\nnode2 slots=many\n", Path::new("my hosts")).unwrap_err();
    assert_eq!(
        crate::error::with_causes(&error),
        "failed to read the hostfile `my hosts`, line 2: `slots=many` is no number that it takes; \
         write 0 to 2147483647"
    );
    let none = read(Path::new("/no/such/file")).unwrap_err();
    assert!(none.to_string().contains("/no/such/file"));
}

#[test]
fn the_example_is_a_hostfile() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostfile.example");
    let read = read(&example).unwrap();
    assert_eq!(read.hosts.len(), 3);
    assert!(read.hosts.iter().all(|host| host.slots == Some(1)));
    assert_eq!(read.oddities, []);
}

fn any_host() -> impl Strategy<Value = HostEntry> {
    let name = prop_oneof![
        "[a-z0-9_][a-zA-Z0-9._-]{0,12}",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<Ipv6Addr>().prop_map(|address| address.to_string()),
    ]
    .prop_filter("a setting's name", |name| Line::parse(name).is_ok());
    let user = proptest::option::of("[a-z_][a-z0-9._-]{0,8}");
    let slots = proptest::option::of((0_usize..99, proptest::option::of(0_usize..99)));
    (name, user, proptest::option::of(1_u16..), slots).prop_map(|(name, user, port, slots)| {
        let max_slots = slots.and_then(|(slots, more)| Some(slots + more?));
        HostEntry { name, user, port, slots: slots.map(|(slots, _)| slots), max_slots }
    })
}

proptest! {
    #[test]
    fn a_hostfile_shown_is_read_the_same(hosts in proptest::collection::vec(any_host(), 1..8)) {
        let mut names = HashSet::new();
        let hosts: Vec<_> = hosts.into_iter().filter(|host| names.insert(host.name.clone())).collect();
        let shown = Hostfile { hosts, oddities: Vec::new() }.to_string();
        let read = parsed(&shown);
        prop_assert_eq!(read.to_string(), shown);
    }

    #[test]
    fn no_text_makes_it_panic(text in "([a-b@^+#/*=\\[\\]:.%\r\n\t ]|slots|max_slots|port|é|[0-9]{1,12}){0,40}") {
        if let Ok(read) = parse(&text, Path::new("hosts")) {
            prop_assert_eq!(hosts(&read.to_string()), read.hosts);
        }
    }
}

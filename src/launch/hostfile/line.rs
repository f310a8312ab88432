//! One line of a hostfile.

use std::borrow::Cow;

use super::{HostEntry, Oddity, OddityKind, Wrong, is_ipv6};

const SLOTS: [&str; 3] = ["slots", "cpu", "count"];
const MAX_SLOTS: [&str; 12] = [
    "max_slots",
    "max-slots",
    "slots_max",
    "slots-max",
    "max_cpu",
    "max-cpu",
    "cpu_max",
    "cpu-max",
    "max_count",
    "max-count",
    "count_max",
    "count-max",
];
const USER: [&str; 3] = ["username", "user_name", "user-name"];
const PORT: [&str; 1] = ["port"];

/// The settings to name to a user.
const KNOWN: &str = "slots, max_slots, username and port";
/// Open MPI keeps numbers in 31 bits, and wraps larger ones.
const MOST_SLOTS: u32 = i32::MAX.unsigned_abs();

/// A line that names a host.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) host: HostEntry,
    /// Whether it is `^host`.
    pub(super) excluded: bool,
}

/// A setting that a line may have.
#[derive(Clone, Copy)]
enum Setting {
    Slots,
    MaxSlots,
    User,
    Port,
}

impl Line {
    /// What a line without comments says; none: nothing.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Wrong> {
        let spaced = text.replace('=', " = ");
        let mut words = spaced.split([' ', '\t', '\u{b}', '\u{c}']).filter(|word| !word.is_empty());
        let Some(first) = words.next() else { return Ok(None) };
        let mut words = words.peekable();
        if let Some(word) = words.next_if(|word| *word == "=").map(|_| first) {
            return Err(Wrong::NoHost { word: word.to_owned() });
        }
        let mut line = Self::named(first)?;
        while let Some(key) = words.next() {
            if line.excluded {
                return Err(Wrong::ExcludedWithMore { host: line.host.name });
            }
            let setting = Setting::of(key).ok_or_else(|| unknown(key))?;
            let value = words.next_if(|word| *word == "=").and_then(|_| words.next());
            line.host.set(setting, key, value)?;
        }
        line.host.check_slots()?;
        Ok(Some(line))
    }

    /// The host that the first word of a line names.
    fn named(word: &str) -> Result<Self, Wrong> {
        if word.starts_with('+') {
            return Err(Wrong::Relative { word: word.to_owned() });
        }
        if word == "rank" {
            return Err(Wrong::Rankfile);
        }
        if word == "=" {
            return Err(Wrong::NoHost { word: word.to_owned() });
        }
        let name = word.strip_prefix('^');
        let (excluded, name) = (name.is_some(), name.unwrap_or(word));
        let (user, name) = match name.split_once('@') {
            Some((user, name)) => (Some(user_name(user)?), name),
            None => (None, name),
        };
        let host = HostEntry { name: host_name(name)?, user, ..HostEntry::default() };
        Ok(Self { host, excluded })
    }

    /// What Open MPI 4.1 stumbles over here.
    pub(super) fn oddities(&self) -> impl Iterator<Item = OddityKind> {
        let name = &self.host.name;
        let user_with_dot = self.host.user.as_ref().is_some_and(|user| user.contains('.'));
        [
            (is_ipv6(name), OddityKind::Ipv6),
            (self.excluded, OddityKind::Exclusion),
            (user_with_dot, OddityKind::UserWithDot),
            (name.contains('_'), OddityKind::Underscore),
        ]
        .into_iter()
        .filter_map(|(is_so, kind)| is_so.then_some(kind))
    }
}

impl Setting {
    fn of(key: &str) -> Option<Self> {
        let all: [(&[&str], Self); 4] = [
            (&SLOTS, Self::Slots),
            (&MAX_SLOTS, Self::MaxSlots),
            (&USER, Self::User),
            (&PORT, Self::Port),
        ];
        all.iter().find(|(names, _)| names.contains(&key)).map(|(_, setting)| *setting)
    }

    fn example(self) -> &'static str {
        match self {
            Self::Slots | Self::MaxSlots => "4",
            Self::User => "ubuntu",
            Self::Port => "22",
        }
    }
}

impl HostEntry {
    fn set(&mut self, setting: Setting, key: &str, value: Option<&str>) -> Result<(), Wrong> {
        let value = value
            .filter(|value| *value != "=")
            .ok_or_else(|| Wrong::NoValue { key: key.to_owned(), example: setting.example() })?;
        match setting {
            Setting::Slots => once("slots", &mut self.slots, slots(key, value)?),
            Setting::MaxSlots => once("max_slots", &mut self.max_slots, slots(key, value)?),
            Setting::User => once("username", &mut self.user, user_name(value)?),
            Setting::Port => once("port", &mut self.port, port(key, value)?),
        }
    }

    /// At most stands for how many where nothing else does.
    fn check_slots(&mut self) -> Result<(), Wrong> {
        let Some(max_slots) = self.max_slots else { return Ok(()) };
        let slots = *self.slots.get_or_insert(max_slots);
        if slots > max_slots { Err(Wrong::TooManySlots { slots, max_slots }) } else { Ok(()) }
    }
}

fn once<T>(key: &'static str, place: &mut Option<T>, value: T) -> Result<(), Wrong> {
    if place.replace(value).is_some() { Err(Wrong::Twice { key }) } else { Ok(()) }
}

fn number(key: &str, value: &str, lowest: u32, highest: u32) -> Result<u32, Wrong> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && (lowest..=highest).contains(number));
    let (key, value) = (key.to_owned(), value.to_owned());
    number.ok_or(Wrong::Number { key, value, lowest, highest })
}

fn slots(key: &str, value: &str) -> Result<usize, Wrong> {
    let slots = number(key, value, 0, MOST_SLOTS)?;
    Ok(usize::try_from(slots).unwrap_or(usize::MAX))
}

fn port(key: &str, value: &str) -> Result<u16, Wrong> {
    let port = number(key, value, 1, u16::MAX.into())?;
    Ok(u16::try_from(port).unwrap_or(u16::MAX))
}

fn unknown(word: &str) -> Wrong {
    Wrong::Unknown { word: word.to_owned(), known: KNOWN }
}

/// Whether a word is made of letters, digits and `extra`, and starts with none that a program could
/// take for an option.
fn is_plain(word: &str, extra: &[char]) -> bool {
    let mut characters = word.chars();
    let starts_well = characters.next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    starts_well && characters.all(|c| c.is_ascii_alphanumeric() || extra.contains(&c))
}

fn user_name(word: &str) -> Result<String, Wrong> {
    let plain = is_plain(word, &['.', '_', '-']);
    plain.then(|| word.to_owned()).ok_or_else(|| Wrong::User { word: word.to_owned() })
}

fn host_name(word: &str) -> Result<String, Wrong> {
    let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if Setting::of(word).is_some() || word == "rank" {
        return Err(Wrong::NoHost { word: word.to_owned() });
    }
    let is_name = bare.is_none() && is_plain(word, &['.', '_', '-']);
    let name = bare.unwrap_or(word);
    if is_name || is_ipv6(name) {
        return Ok(name.to_owned());
    }
    let word = word.to_owned();
    Err(if word.contains([',', ':']) { Wrong::HostWithMore { word } } else { Wrong::Host { word } })
}

/// The lines of `text` without comments and carriage returns; Open MPI's oddities about them.
pub(super) fn without_comments<'a>(text: &'a str, oddities: &mut Vec<Oddity>) -> Vec<Cow<'a, str>> {
    let mut lines: Vec<Cow<'a, str>> = Vec::new();
    let (mut in_block, mut returned) = (false, false);
    for line in text.split_inclusive('\n') {
        let number = lines.len() + 1;
        let ended = line.strip_suffix('\n');
        let whole = ended.unwrap_or(line);
        let bare = whole.strip_suffix('\r').unwrap_or(whole);
        let (kept, commented) = uncommented(bare, &mut in_block);
        if bare.len() < whole.len() && !commented && !returned {
            returned = true;
            oddities.push(Oddity { line: number, kind: OddityKind::CarriageReturn });
        }
        if commented && ended.is_none() {
            oddities.push(Oddity { line: number, kind: OddityKind::CommentWithoutNewline });
        }
        lines.push(kept);
    }
    lines
}

/// A line without its comments, and whether a comment goes to its end. `in_block`: whether a
/// `/* comment */` has begun and not ended.
fn uncommented<'a>(line: &'a str, in_block: &mut bool) -> (Cow<'a, str>, bool) {
    let mut kept = Cow::Borrowed("");
    let mut rest = line;
    loop {
        if *in_block {
            let Some((_, after)) = rest.split_once("*/") else { return (kept, false) };
            (*in_block, rest) = (false, after);
        }
        let to_end = rest.find('#').into_iter().chain(rest.find("//")).min();
        let block = rest.find("/*").filter(|&block| to_end.is_none_or(|end| block < end));
        kept += &rest[..block.or(to_end).unwrap_or(rest.len())];
        let Some(block) = block else { return (kept, to_end.is_some()) };
        kept += " ";
        (*in_block, rest) = (true, &rest[block + 2..]);
    }
}

//! Memory against what a run takes of it by default.

use super::{Check, Finding};
use crate::host::{Memory, size};

/// Whether the memory that a run takes by default, half of what its host has, is there.
pub(super) fn check(memory: Memory) -> Finding {
    let mut found = size(memory.total);
    if let Some(limit) = memory.group_limit.filter(|limit| *limit < memory.total) {
        found += &format!(", limited to {} by a control group", size(limit));
    }
    let taken = memory.usable() / 2;
    let Some(available) = memory.available else { return Finding::ok(Check::Memory, found) };
    found += &format!(", {} available", size(available));
    if available >= taken {
        return Finding::ok(Check::Memory, found);
    }
    found += &format!("; a run may take {} for images", size(taken));
    let enough = (available / 2) >> 20;
    let cure = format!("end what else runs here, or `mpix run --memory {}M`", enough.max(1));
    Finding::warning(Check::Memory, found, cure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn memory_that_others_have_is_told() {
        let memory = Memory { total: 8 << 30, available: Some(6 << 30), group_limit: None };
        assert_eq!(check(memory), Finding::ok(Check::Memory, "8.0 GiB, 6.0 GiB available"));
        let finding = check(Memory { available: Some(1 << 30), ..memory });
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.cure.unwrap().contains("--memory 512M"));
        let limited = Memory { available: Some(1 << 30), group_limit: Some(1 << 30), ..memory };
        assert!(check(limited).found.contains("limited to 1.0 GiB"));
        assert_eq!(check(limited).level, Level::Ok);
    }
}

//! Which forms of the kernels will run.

use super::{Check, Finding};
use crate::ops::Simd;

/// The instructions that kernels will use, given `MPIX_SIMD`.
pub(super) fn check(wanted: Option<&str>) -> Finding {
    let best = Simd::all().last().copied().unwrap_or_else(Simd::scalar);
    match wanted {
        None => Finding::ok(Check::Simd, best.to_string()),
        Some(wanted) if !Simd::NAMES.contains(&wanted) => {
            let names = Simd::NAMES.join(", ");
            let found = format!("{best}; `MPIX_SIMD={wanted}` is ignored");
            Finding::warning(Check::Simd, found, format!("unset it, or name one of {names}"))
        }
        Some(wanted) => {
            let used = Simd::detect();
            let found = format!("{used}: `MPIX_SIMD={wanted}`; this CPU has {best}");
            if used == best {
                return Finding::ok(Check::Simd, found);
            }
            Finding::warning(Check::Simd, found, "`unset MPIX_SIMD`, unless it is meant")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn an_unknown_level_is_told() {
        assert_eq!(check(None).level, Level::Ok);
        let finding = check(Some("sse9"));
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.cure.unwrap().contains("avx2"));
    }
}

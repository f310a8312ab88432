//! Which instructions this CPU has, and loops that are written once and compiled for several of them.
//!
//! A kernel is a plain loop that the compiler vectorises; where that falls short, a level has a form
//! of its own in that level's instructions. [`Simd`] says which form runs; all of them give the same
//! bytes.

#[cfg(test)]
pub(crate) mod every_colour;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "intrinsics that take pointers")]
pub(crate) mod vectors;

use std::fmt::{self, Display};
use std::sync::Once;

/// The proof that this CPU has certain instructions: only detection makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simd(Level);

/// The instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Simd {
    /// Names of all levels, on any CPU; `MPIX_SIMD` takes them.
    pub const NAMES: [&str; 3] = ["scalar", "avx2", "avx512"];

    /// The best that this CPU has, at most what `MPIX_SIMD` names: `scalar`, `avx2` or `avx512`. Of
    /// another name, the log is told once.
    #[must_use]
    pub fn detect() -> Self {
        static TOLD: Once = Once::new();
        let wanted = std::env::var("MPIX_SIMD").unwrap_or_default();
        if !wanted.is_empty() && !Self::NAMES.contains(&wanted.as_str()) {
            TOLD.call_once(|| {
                log::warn!(
                    "`MPIX_SIMD={wanted}` names none of {}: ignored",
                    Self::NAMES.join(", ")
                );
            });
        }
        let mut best = Self::scalar();
        for level in Self::all() {
            best = level;
            if level.to_string() == wanted {
                break;
            }
        }
        best
    }

    /// No instructions beyond those every CPU of this kind has.
    #[must_use]
    pub fn scalar() -> Self {
        Self(Level::Scalar)
    }

    /// The level, for [`kernel`].
    pub(crate) fn level(self) -> Level {
        self.0
    }

    /// Whether it has dot products of bytes and of words: the kernels that sum in whole numbers then beat
    /// those in single precision, and what others have made for AVX2.
    pub(crate) fn has_dot_products(self) -> bool {
        match self.0 {
            Level::Scalar => false,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => false,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => true,
        }
    }

    /// Every level this CPU has, the plainest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "only one level"))]
        let mut levels = vec![Self::scalar()];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("bmi2");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx512vnni");
            levels.extend(avx2.then_some(Self(Level::Avx2)));
            levels.extend((avx2 && avx512).then_some(Self(Level::Avx512)));
        }
        levels
    }
}

impl Display for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Level::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        })
    }
}

/// Compiles the body of a function for every level and picks one by a leading [`Simd`] argument. The
/// body may be followed by `avx2` and `avx512` blocks that take its place at these levels.
macro_rules! kernel {
    (
        $(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
        $(avx2 $avx2:block)? $(avx512 $avx512:block)?
    ) => {
        $(#[$doc])*
        pub(crate) fn $name(simd: $crate::simd::Simd, $($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn source($($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "bmi2,avx2,fma")]
            fn avx2($($arg: $type),*) $(-> $result)? {
                $crate::simd::kernel!(@first $($avx2)? { source($($arg),*) })
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "bmi2,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
            #[target_feature(enable = "avx512vbmi,avx512vnni")]
            fn avx512($($arg: $type),*) $(-> $result)? {
                $crate::simd::kernel!(@first $($avx512)? { source($($arg),*) })
            }

            match simd.level() {
                $crate::simd::Level::Scalar => source($($arg),*),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `Simd::all` makes this level only where AVX2 and FMA were detected.
                $crate::simd::Level::Avx2 => unsafe { avx2($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `Simd::all` makes this level only where all of these were detected.
                $crate::simd::Level::Avx512 => unsafe { avx512($($arg),*) },
            }
        }
    };
    (@first $first:block $($other:block)?) => { $first };
}
pub(crate) use kernel;

/// The `N` values of `row` from `start` on, their number known to the compiler.
#[inline(always)]
pub(crate) fn lanes<T, const N: usize>(row: &[T], start: usize) -> &[T; N] {
    #[expect(clippy::expect_used, reason = "callers stay inside the row; a fault must not pass")]
    row[start..].first_chunk().expect("a row longer than its lanes")
}

/// The same, to be written.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn lanes_mut<T, const N: usize>(row: &mut [T], start: usize) -> &mut [T; N] {
    #[expect(clippy::expect_used, reason = "callers stay inside the row; a fault must not pass")]
    row[start..].first_chunk_mut().expect("a row longer than its lanes")
}

/// Where chunks of `lanes` values start that cover `len` values; the last may overlap the one
/// before. None when `len` is less than one chunk.
#[inline(always)]
pub(crate) fn chunk_starts(len: usize, lanes: usize) -> impl Iterator<Item = usize> {
    let chunks = if len < lanes { 0 } else { len.div_ceil(lanes) };
    (0..chunks).map(move |index| (index * lanes).min(len - lanes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_all_values() {
        let starts = |len| chunk_starts(len, 4).collect::<Vec<_>>();
        assert!(starts(3).is_empty());
        assert_eq!(starts(4), [0]);
        assert_eq!(starts(9), [0, 4, 5]);
    }

    #[test]
    fn levels_are_distinct_and_start_with_scalar() {
        let all = Simd::all();
        assert_eq!(all[0], Simd::scalar());
        assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}

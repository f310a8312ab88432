//! Parameters of ops: what they take, how they are read, what they were set to.

use std::fmt::{self, Display};

use serde::Serialize;

use super::{OpEntry, Simd};
use crate::error::UsageError;

/// The greatest number in a kernel: sums stay far inside single precision.
pub(super) const MAX_WEIGHT: f64 = 1e9;

/// A parameter of an op.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Parameter {
    /// Its name before the `=`.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value when left out; without one the user must give it.
    pub default: Option<&'static str>,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A whole number.
    Integer {
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
        /// Whether even ones are refused.
        odd: bool,
    },
    /// A decimal number.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Rows of decimal numbers.
    Kernel {
        /// The most rows, and the most numbers in a row.
        max_size: usize,
    },
}

impl Kind {
    /// Reads a value; `None` when this kind does not take it.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        match *self {
            Self::Integer { min, max, odd } => {
                let value: u32 = text.parse().ok()?;
                let taken = (min..=max).contains(&value) && (!odd || value % 2 == 1);
                taken.then_some(Value::Integer(value))
            }
            Self::Number { min, max } => {
                let value: f64 = text.parse().ok()?;
                // Adding 0 turns -0, which would print otherwise, into 0.
                (min..=max).contains(&value).then_some(Value::Number(value + 0.0))
            }
            Self::Choice(words) => words.iter().find(|word| **word == text).map(|word| {
                let word: &'static str = word;
                Value::Choice(word)
            }),
            Self::Kernel { max_size } => Matrix::read(text, max_size).map(Value::Kernel),
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer { min, max, odd: true } => write!(f, "odd integer {min}..={max}"),
            Self::Integer { min, max, odd: false } => write!(f, "integer {min}..={max}"),
            Self::Number { min, max } => write!(f, "number {min}..={max}"),
            Self::Choice(words) => f.write_str(&words.join(" or ")),
            Self::Kernel { max_size } => write!(
                f,
                "rows of numbers, `/` between rows, `,` between numbers, \
                 at most {max_size} x {max_size}"
            ),
        }
    }
}

/// What a parameter is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(u32),
    /// A decimal number.
    Number(f64),
    /// One of the words of [`Kind::Choice`].
    Choice(&'static str),
    /// Rows of decimal numbers.
    Kernel(Matrix),
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Choice(word) => f.write_str(word),
            Self::Kernel(matrix) => write!(f, "{matrix}"),
        }
    }
}

/// Rows of decimal numbers, all of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// Reads `1,2,3/4,5,6`; blanks do for commas.
    fn read(text: &str, max_size: usize) -> Option<Self> {
        let mut values = Vec::new();
        let mut columns = None;
        for line in text.split('/') {
            let before = values.len();
            for number in line.split([',', ' ', '\t']).filter(|number| !number.is_empty()) {
                let value: f64 = number.parse().ok()?;
                values.push((value.abs() <= MAX_WEIGHT).then_some(value + 0.0)?);
            }
            let length = values.len() - before;
            if *columns.get_or_insert(length) != length {
                return None;
            }
        }
        let columns = columns.filter(|columns| (1..=max_size).contains(columns))?;
        (values.len() / columns <= max_size).then_some(Self { columns, values })
    }

    /// Numbers in a row.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// All numbers, row by row.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

impl Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.values.iter().enumerate() {
            let before = match (index, index % self.columns) {
                (0, _) => "",
                (_, 0) => "/",
                _ => ",",
            };
            write!(f, "{before}{value}")?;
        }
        Ok(())
    }
}

/// The values an op is built with, and the instructions its kernels may use.
#[derive(Clone, Copy, Debug)]
pub struct Params<'a> {
    op: &'static OpEntry,
    values: &'a [Value],
    simd: Simd,
}

impl<'a> Params<'a> {
    /// `values` are those of the parameters of `op`, in their order.
    pub(super) fn new(op: &'static OpEntry, values: &'a [Value], simd: Simd) -> Self {
        Self { op, values, simd }
    }

    /// The instructions the kernels may use.
    #[must_use]
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// The value of a [`Kind::Integer`].
    ///
    /// # Panics
    /// Like the three below, when the op declares no such parameter of that kind.
    #[must_use]
    pub fn integer(&self, name: &str) -> usize {
        let Value::Integer(value) = self.value(name) else { self.undeclared(name) };
        *value as usize
    }

    /// The value of a [`Kind::Number`].
    #[must_use]
    pub fn number(&self, name: &str) -> f64 {
        let Value::Number(value) = self.value(name) else { self.undeclared(name) };
        *value
    }

    /// The value of a [`Kind::Choice`].
    #[must_use]
    pub fn choice(&self, name: &str) -> &'static str {
        let Value::Choice(value) = self.value(name) else { self.undeclared(name) };
        value
    }

    /// The value of a [`Kind::Kernel`].
    #[must_use]
    pub fn kernel(&self, name: &str) -> &'a Matrix {
        let Value::Kernel(value) = self.value(name) else { self.undeclared(name) };
        value
    }

    /// The error for a value that only this op refuses.
    #[must_use]
    pub fn refuse(&self, name: &'static str, expected: &str) -> UsageError {
        UsageError::BadParameter {
            op: self.op.name,
            name,
            value: self.value(name).to_string(),
            expected: expected.to_owned(),
        }
    }

    fn value(&self, name: &str) -> &'a Value {
        let index = self.op.parameters.iter().position(|parameter| parameter.name == name);
        match index.and_then(|index| self.values.get(index)) {
            Some(value) => value,
            None => self.undeclared(name),
        }
    }

    fn undeclared(&self, name: &str) -> ! {
        unreachable!("op `{}` declares no such parameter `{name}`", self.op.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_to_their_range() {
        let kind = Kind::Integer { min: 1, max: 255, odd: true };
        assert_eq!(kind.to_string(), "odd integer 1..=255");
        assert_eq!(kind.read("31"), Some(Value::Integer(31)));
        for bad in ["30", "0", "257", "-1", "3.5", "", "x"] {
            assert_eq!(kind.read(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_finite_and_in_range() {
        let kind = Kind::Number { min: -1.0, max: 2.5 };
        assert_eq!(kind.read("2.5"), Some(Value::Number(2.5)));
        assert_eq!(kind.read("-0").map(|value| value.to_string()), Some("0".to_owned()));
        for bad in ["2.6", "nan", "inf", "1e9", "one"] {
            assert_eq!(kind.read(bad), None, "{bad}");
        }
    }

    #[test]
    fn kernels_are_rectangles() {
        let kind = Kind::Kernel { max_size: 3 };
        let text = |text| kind.read(text).map(|value| value.to_string());
        assert_eq!(text("0 -1 0/-1,5, -1/0 -1 0.50").as_deref(), Some("0,-1,0/-1,5,-1/0,-1,0.5"));
        assert_eq!(text("7").as_deref(), Some("7"));
        for bad in ["", "1/", "1,2/3", "1,2,3,4", "1/2/3/4", "a", "1e10", "nan"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }
}

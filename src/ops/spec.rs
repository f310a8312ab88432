//! An op with its parameters, as text and checked.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{OPS, OpEntry, Params, Simd, Step, Value};
use crate::error::UsageError;

/// An op with a value for each of its parameters, all of them checked.
///
/// The text is `name` or `name:parameter=value,…`; a piece between commas without a `=` belongs to
/// the value before it. [`Display`] writes all parameters, and reading that gives the same spec.
///
/// ```
/// let spec: mpix::ops::OpSpec = "blur:sigma=2".parse()?;
/// assert_eq!(spec.to_string(), "blur:ksize=31,sigma=2");
/// # Ok::<(), mpix::error::UsageError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OpSpec {
    entry: &'static OpEntry,
    values: Vec<Value>,
}

impl OpSpec {
    /// The op.
    #[must_use]
    pub fn entry(&self) -> &'static OpEntry {
        self.entry
    }

    /// The values, in the order of the op's parameters.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The steps that carry the op out.
    ///
    /// # Errors
    /// When the op refuses values that only together are wrong.
    pub(super) fn build(&self, simd: Simd) -> Result<Vec<Step>, UsageError> {
        (self.entry.build)(&Params::new(self.entry, &self.values, simd))
    }
}

impl FromStr for OpSpec {
    type Err = UsageError;

    fn from_str(text: &str) -> Result<Self, UsageError> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let entry = OpEntry::find(name.trim()).ok_or_else(|| UsageError::UnknownOp {
            spec: text.to_owned(),
            op: name.trim().to_owned(),
            known: OPS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
        })?;
        let given = read_values(entry, rest)?;
        let values = given.into_iter().enumerate().map(|(index, value)| match value {
            Some(value) => Ok(value),
            None => default_of(entry, index),
        });
        let spec = Self { entry, values: values.collect::<Result<_, _>>()? };
        spec.build(Simd::scalar())?;
        Ok(spec)
    }
}

/// The values given in `text`, in the order of the op's parameters.
fn read_values(entry: &'static OpEntry, text: &str) -> Result<Vec<Option<Value>>, UsageError> {
    let mut values = vec![None; entry.parameters.len()];
    for (name, value) in assignments(text) {
        let index = entry.parameters.iter().position(|parameter| parameter.name == name);
        let index = index.ok_or_else(|| unknown_parameter(entry, name))?;
        let parameter = &entry.parameters[index];
        if values[index].is_some() {
            return Err(UsageError::RepeatedParameter { op: entry.name, name: parameter.name });
        }
        let read = value.and_then(|value| parameter.kind.read(value));
        values[index] = Some(read.ok_or_else(|| UsageError::BadParameter {
            op: entry.name,
            name: parameter.name,
            value: value.unwrap_or_default().to_owned(),
            expected: parameter.kind.to_string(),
        })?);
    }
    Ok(values)
}

/// Takes `a=1,b=2,3` apart into `(a, 1)` and `(b, 2,3)`; the value is `None` without a `=`.
fn assignments(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut starts = vec![0];
    for (comma, _) in text.match_indices(',') {
        let piece = text[comma + 1..].split(',').next().unwrap_or_default();
        if piece.contains('=') {
            starts.push(comma + 1);
        }
    }
    let ends = starts.iter().skip(1).map(|start| start - 1).chain([text.len()]);
    let pieces = starts.iter().zip(ends).map(|(start, end)| &text[*start..end]);
    let pieces = pieces.filter(|piece| !piece.trim().is_empty());
    let split = pieces.map(|piece| match piece.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value)),
        None => (piece.trim(), None),
    });
    split.collect()
}

fn unknown_parameter(entry: &'static OpEntry, name: &str) -> UsageError {
    let known: Vec<_> = entry.parameters.iter().map(|parameter| parameter.name).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    UsageError::UnknownParameter { op: entry.name, name: name.to_owned(), known }
}

fn default_of(entry: &'static OpEntry, index: usize) -> Result<Value, UsageError> {
    let parameter = &entry.parameters[index];
    let expected = || parameter.kind.to_string();
    let default = parameter.default.ok_or_else(|| UsageError::MissingParameter {
        op: entry.name,
        name: parameter.name,
        expected: expected(),
    })?;
    parameter.kind.read(default).ok_or_else(|| UsageError::BadParameter {
        op: entry.name,
        name: parameter.name,
        value: default.to_owned(),
        expected: expected(),
    })
}

impl Display for OpSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name)?;
        for (index, (parameter, value)) in
            self.entry.parameters.iter().zip(&self.values).enumerate()
        {
            let before = if index == 0 { ':' } else { ',' };
            write!(f, "{before}{}={value}", parameter.name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for OpSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpSpec({self})")
    }
}

impl PartialEq for OpSpec {
    fn eq(&self, other: &Self) -> bool {
        self.entry.name == other.entry.name && self.values == other.values
    }
}

impl TryFrom<String> for OpSpec {
    type Error = UsageError;

    fn try_from(text: String) -> Result<Self, UsageError> {
        text.parse()
    }
}

impl From<OpSpec> for String {
    fn from(spec: OpSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_without_an_equals_sign_belongs_to_the_value_before() {
        let pieces = assignments("kernel=0,-1/2,3,divisor=2");
        assert_eq!(pieces, [("kernel", Some("0,-1/2,3")), ("divisor", Some("2"))]);
        assert_eq!(assignments("31"), [("31", None)]);
        assert_eq!(assignments(""), []);
    }

    #[test]
    fn errors_say_what_to_write() {
        let error = |text: &str| text.parse::<OpSpec>().unwrap_err().to_string();
        assert!(error("blurr:ksize=3").contains("gray, canny"));
        assert!(error("blur:size=3").contains("it takes: ksize, sigma"));
        assert!(error("blur:31").contains("no parameter `31`"));
        assert!(error("invert:x=1").contains("it takes: none"));
        assert!(error("blur:ksize=4").contains("odd integer 1..=255"));
        assert!(error("blur:ksize").contains("odd integer"));
        assert!(error("blur:ksize=3,ksize=5").contains("twice"));
        assert!(error("gamma").contains("needs `value`"));
        assert!(error("convolve:kernel=1,2/3").contains("rows of numbers"));
        assert!(error("convolve:kernel=1,divisor=0").contains("divisor"));
    }
}

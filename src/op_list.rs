//! `mpix ops`: every op, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::ops::{OPS, OpEntry};

/// Prints every op: what it does, its parameters, their ranges and defaults.
///
/// # Errors
/// When `out` cannot be written.
pub fn print(as_json: bool, out: &mut impl Write) -> io::Result<()> {
    if as_json {
        let list: Vec<Value> = OPS.iter().map(|op| to_json(op)).collect();
        serde_json::to_writer_pretty(&mut *out, &list)?;
        return writeln!(out);
    }
    for op in OPS {
        writeln!(out, "{:<20} {}", op.name, op.summary)?;
        for parameter in op.parameters {
            let default = parameter
                .default
                .map_or_else(|| "required".to_owned(), |value| format!("default {value}"));
            writeln!(
                out,
                "    {:<16} {}: {} ({default})",
                parameter.name, parameter.summary, parameter.kind
            )?;
        }
    }
    writeln!(out, "\nUse: --op NAME, or --op NAME:PARAMETER=VALUE,PARAMETER=VALUE")
}

fn to_json(op: &OpEntry) -> Value {
    let parameters: Vec<Value> = op
        .parameters
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "summary": parameter.summary,
                "takes": parameter.kind.to_string(),
                "kind": parameter.kind,
                "default": parameter.default,
                "required": parameter.default.is_none(),
            })
        })
        .collect();
    // Every op has a sample; without one it could not be tested.
    let example = op.text_of(op.samples.first().copied().unwrap_or_default());
    json!({
        "name": op.name,
        "summary": op.summary,
        "example": example,
        "parameters": parameters,
    })
}

//! What is wrong with a file, and where.

use std::fmt::{self, Write as _};

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, as in `backends.default[0].port`; empty for the document.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// Every fault of a file, in the order of their places; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Each fault as `FILE:LINE:COLUMN: KEY: what`, with the line it stands in.
    pub fn render(&self, file: &str, text: &str, color: bool) -> String {
        let (bold, red, off) = if color { ("\x1b[1m", "\x1b[31m", "\x1b[0m") } else { ("", "", "") };
        let lines: Vec<&str> = text.lines().collect();
        let mut output = String::new();
        for fault in &self.0 {
            let Fault { path, message, line, column } = fault;
            let key = if path.is_empty() { String::new() } else { format!("{path}: ") };
            let _ = writeln!(output, "{bold}{file}:{line}:{column}{off}: {red}error{off}: {key}{message}");
            if let Some(source) = lines.get((*line as usize).saturating_sub(1)) {
                // One column a character, and nothing that a terminal would obey.
                let source: String = source.chars().map(|c| if c.is_control() { ' ' } else { c }).take(160).collect();
                let gutter = line.to_string();
                let space = " ".repeat(gutter.len());
                let caret = " ".repeat((*column as usize).saturating_sub(1).min(160));
                let _ = writeln!(output, " {gutter} | {source}\n {space} | {caret}{red}^{off}");
            }
        }
        let count = self.0.len();
        let _ = writeln!(output, "{file}: {count} {}", if count == 1 { "fault" } else { "faults" });
        output
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            let Fault { path, message, line, column } = fault;
            write!(formatter, "{separator}{line}:{column}: {path}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

//! Writes answers: tables for people, columns for pipes, JSON and YAML for programs.

use std::io::Write;

use comfy_table::{Attribute, Cell, ContentArrangement, Table, TableComponent, presets};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

use crate::args::{Color, Format};
use crate::failure::Failure;
use crate::view::{Block, View};

/// What the outputs of the process are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surface {
    /// Answers go to a terminal.
    pub(crate) terminal: bool,
    /// Errors go to a terminal.
    pub(crate) error_terminal: bool,
}

/// Where answers go.
pub(crate) struct Printer<'a> {
    out: &'a mut dyn Write,
    format: Format,
    terminal: bool,
    color: bool,
    /// One of several answers: one a line in JSON, one a document in YAML.
    repeating: bool,
    /// Answers stay where they are: the next one stands below.
    appending: bool,
    /// A line stands that the next one takes the place of.
    live: bool,
    /// Where notes go: what is no answer.
    notes: Option<&'a mut dyn Write>,
}

impl<'a> Printer<'a> {
    /// A printer onto `out`.
    pub(crate) fn new(out: &'a mut dyn Write, format: Format, surface: Surface, color: Color) -> Self {
        Self {
            out,
            format,
            terminal: surface.terminal,
            color: color.on(surface.terminal),
            repeating: false,
            appending: false,
            live: false,
            notes: None,
        }
    }

    /// How answers are written.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Answers are coloured.
    pub(crate) fn colored(&self) -> bool {
        self.color
    }

    /// With a place for notes.
    pub(crate) fn with_notes(mut self, notes: &'a mut dyn Write) -> Self {
        self.notes = Some(notes);
        self
    }

    /// Says something that is no answer.
    pub(crate) fn note(&mut self, text: &str) -> Result<(), Failure> {
        self.end_line()?;
        if let Some(notes) = &mut self.notes {
            // A closed stderr is no reason to end.
            let _ = writeln!(notes, "{}", clean(text)).and_then(|()| notes.flush());
        }
        Ok(())
    }

    /// Answers will follow each other, each below the one before.
    pub(crate) fn append(&mut self) {
        (self.repeating, self.appending) = (true, true);
    }

    /// Shows how far something is. On a terminal, a line that is not the last one stands until the next takes its place.
    pub(crate) fn progress<M: prost::Message>(
        &mut self,
        name: &str,
        message: &M,
        live: bool,
        view: impl FnOnce(&M) -> View,
    ) -> Result<(), Failure> {
        if self.format != Format::Table || !self.terminal {
            return self.show(name, message, view);
        }
        for block in view(message).0 {
            if let Block::Line(line) = block {
                write!(self.out, "\r\x1b[2K{}", clean(&line))?;
            }
        }
        self.live = true;
        if !live {
            self.end_line()?;
        }
        self.flush()
    }

    /// Leaves the line that would be replaced.
    pub(crate) fn end_line(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.live) {
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// Answers will follow each other.
    pub(crate) fn repeat(&mut self) {
        self.repeating = true;
    }

    /// Shows an answer: the message `name` of the API for programs, `view` of it for people.
    pub(crate) fn show<M: prost::Message>(
        &mut self,
        name: &str,
        message: &M,
        view: impl FnOnce(&M) -> View,
    ) -> Result<(), Failure> {
        if self.format == Format::Table {
            self.view(&view(message))?;
            return self.flush();
        }
        self.value(&value(name, message)?)
    }

    /// Shows a value for programs: as YAML where that was asked for, else as JSON.
    pub(crate) fn value(&mut self, value: &serde_json::Value) -> Result<(), Failure> {
        if self.format == Format::Yaml {
            let yaml = serde_yaml::to_string(value).map_err(|error| Failure::Format(error.to_string()))?;
            if self.repeating {
                writeln!(self.out, "---")?;
            }
            writeln!(self.out, "{}", yaml.trim_end())?;
            return self.flush();
        }
        let json = if self.repeating { serde_json::to_string(value) } else { serde_json::to_string_pretty(value) };
        writeln!(self.out, "{}", json.map_err(|error| Failure::Format(error.to_string()))?)?;
        self.flush()
    }

    /// Shows what is no message of the API, in every format.
    pub(crate) fn lines(&mut self, view: &View) -> Result<(), Failure> {
        self.view(view)?;
        self.flush()
    }

    /// Writes text as it is.
    pub(crate) fn raw(&mut self, text: &[u8]) -> Result<(), Failure> {
        self.out.write_all(text)?;
        self.flush()
    }

    /// Hands over what was written.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    fn view(&mut self, view: &View) -> Result<(), Failure> {
        if self.repeating && self.terminal && !self.appending {
            // Home, then clear: the next look stands where the last one stood.
            write!(self.out, "\x1b[H\x1b[2J")?;
        }
        for (index, block) in view.0.iter().enumerate() {
            if index > 0 && matches!(block, Block::Table { .. }) {
                writeln!(self.out)?;
            }
            match block {
                Block::Line(line) => writeln!(self.out, "{}", clean(line))?,
                Block::Table { header, rows } => writeln!(self.out, "{}", self.table(header, rows))?,
            }
        }
        if self.repeating && !self.terminal && !self.appending {
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// Rows are as wide as they have to be, on a terminal too: cells that are broken into lines can be neither read nor
    /// copied where it is narrow.
    fn table(&self, header: &[&str], rows: &[Vec<String>]) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if self.terminal {
            table.set_style(TableComponent::HeaderLines, '─');
        }
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if !header.is_empty() {
            table.set_header(header.iter().map(title));
        }
        for row in rows {
            // Without titles, the first column has the names.
            let names = usize::from(header.is_empty());
            table.add_row(row.iter().take(names).map(title).chain(row.iter().skip(names).map(|text| cell(text))));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.trim_fmt()
    }
}

/// A message of the API as canonical proto3 JSON with the names of the .proto files; what is unset and has a default is
/// there, so that a script finds every key.
fn value<M: prost::Message>(name: &str, message: &M) -> Result<serde_json::Value, Failure> {
    let wrong = |error: &dyn std::error::Error| Failure::Format(error.to_string());
    let pool = DescriptorPool::decode(speedmimi_proto::FILE_DESCRIPTOR_SET).map_err(|error| wrong(&error))?;
    let descriptor = pool
        .get_message_by_name(&format!("speedmimi.v1.{name}"))
        .ok_or_else(|| Failure::Format(format!("no message {name} in the API")))?;
    let dynamic =
        DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).map_err(|error| wrong(&error))?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    dynamic.serialize_with_options(serde_json::value::Serializer, &options).map_err(|error| wrong(&error))
}

fn title(text: impl AsRef<str>) -> Cell {
    Cell::new(clean(text.as_ref())).add_attribute(Attribute::Bold)
}

fn cell(text: &str) -> Cell {
    let text = clean(text);
    let color = match text.split(',').next().unwrap_or_default() {
        "up" | "enabled" => comfy_table::Color::Green,
        "down" | "drain failed" => comfy_table::Color::Red,
        "disabled" | "disconnected" | "draining" | "drained" | "unknown" => comfy_table::Color::Yellow,
        "" => return Cell::new("-"),
        _ => return Cell::new(text),
    };
    Cell::new(text).fg(color)
}

/// Text from elsewhere, without what would steer a terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// As [`clean`], of text that may have several lines: those behind the first are set in.
pub(crate) fn clean_lines(text: &str) -> String {
    text.trim_end().lines().map(clean).collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(terminal: bool, color: Color) -> String {
        let mut out = Vec::new();
        let surface = Surface { terminal, error_terminal: false };
        let rows = vec![vec!["b1".to_owned(), "up".to_owned()], vec!["b".repeat(300), String::new()]];
        let view = View(vec![Block::Table { header: &["ID", "HEALTH"], rows }]);
        Printer::new(&mut out, Format::Table, surface, color).lines(&view).expect("a vector takes everything");
        String::from_utf8(out).expect("output is UTF-8")
    }

    #[test]
    fn a_terminal_gets_a_rule_and_colours_and_whole_rows() {
        let text = shown(true, Color::Auto);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains('─') && text.contains('\x1b'), "{text}");
        let plain = shown(true, Color::Never);
        assert!(plain.contains('─') && !plain.contains('\x1b'), "{plain}");
        assert!(plain.contains(&"b".repeat(300)), "{plain}");
    }

    #[test]
    fn a_pipe_gets_neither() {
        let text = shown(false, Color::Auto);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.is_ascii() && !text.contains('\x1b'), "{text}");
        assert!(text.ends_with("  -\n"), "{text}");
    }
}

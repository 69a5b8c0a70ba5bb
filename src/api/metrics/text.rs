//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

/// A text that grows line by line.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Begins a figure that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str) {
        self.begin(name, "gauge", help);
    }

    /// Begins a figure that only goes up.
    pub fn counter(&mut self, name: &str, help: &str) {
        self.begin(name, "counter", help);
    }

    /// Begins a distribution.
    pub fn histogram(&mut self, name: &str, help: &str) {
        self.begin(name, "histogram", help);
    }

    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One value.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        let mut open = '{';
        for (key, text) in labels {
            let _ = write!(self.0, "{open}{key}=\"");
            escape(text, &mut self.0);
            self.0.push('"');
            open = ',';
        }
        if open == ',' {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// The whole text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_the_format_says() {
        let mut text = Text::default();
        text.gauge("a", "What it is.");
        text.sample("a", &[], 7);
        text.sample("a", &[("x", "q\"\\\n"), ("y", "")], 1.5);
        let lines = "# HELP a What it is.\n# TYPE a gauge\na 7\na{x=\"q\\\"\\\\\\n\",y=\"\"} 1.5\n";
        assert_eq!(text.finish(), lines);
    }
}

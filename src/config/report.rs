//! What is in force, as TOML with the origin of each value: the output of `k2d config`.

use serde_json::{Map, Value};

use super::source::Loaded;

impl Loaded {
    /// All keys with their values and origins, as a file that could be read again.
    #[must_use]
    pub fn report(&self) -> String {
        let Ok(Value::Object(settings)) = serde_json::to_value(&self.settings) else { return String::new() };
        let mut out = String::new();
        self.table("", &settings, &mut out);
        for (name, value) in &settings {
            if let Value::Object(table) = value {
                out.push_str(&format!("\n[{name}]\n"));
                self.table(&format!("{name}."), table, &mut out);
            }
        }
        out
    }

    fn table(&self, prefix: &str, table: &Map<String, Value>, out: &mut String) {
        for (name, value) in table.iter().filter(|(_, value)| !value.is_object()) {
            let line = format!("{name} = {value}");
            out.push_str(&format!("{line:<40} # {}\n", self.origin(&format!("{prefix}{name}"))));
        }
    }
}

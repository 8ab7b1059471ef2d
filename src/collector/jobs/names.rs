//! Label texts as small numbers: a few dozen job and policy types stand behind a million jobs.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A text that a [`Names`] knows. The default is the empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Name(u16);

/// The texts seen so far; never forgotten, for there are few. Number 0 is the empty text.
#[derive(Debug)]
pub struct Names {
    texts: Vec<Arc<str>>,
    index: HashMap<Arc<str>, Name>,
    /// How many of them have been kept.
    kept: usize,
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Names { texts: Vec::new(), index: HashMap::new(), kept: 0 };
        names.intern("");
        names
    }
}

impl Names {
    /// The number of a text. Past 65,535 texts, which only a broken primary sends, every new one is the empty text.
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(name) = self.index.get(text) {
            return *name;
        }
        let Ok(number) = u16::try_from(self.texts.len()) else { return Name::default() };
        let shared: Arc<str> = text.into();
        self.texts.push(Arc::clone(&shared));
        self.index.insert(shared, Name(number));
        Name(number)
    }

    /// Whether there are texts that [`Names::changes`] would return.
    pub fn has_changed(&self) -> bool {
        self.kept < self.texts.len()
    }

    /// The texts that are new since the last call, in the order of their numbers.
    pub fn changes(&mut self) -> Vec<String> {
        let from = std::mem::replace(&mut self.kept, self.texts.len());
        self.texts.iter().skip(from).map(|text| text.to_string()).collect()
    }

    /// Every text, in the order of their numbers.
    pub fn everything(&mut self) -> Vec<String> {
        self.kept = 0;
        self.changes()
    }

    /// Takes in texts that were kept: they get the numbers that they had.
    pub fn restore(&mut self, texts: &[String]) {
        for text in texts {
            self.intern(text);
        }
        self.kept = self.texts.len();
    }

    /// The text of a number.
    pub fn text(&self, name: Name) -> &str {
        self.texts.get(usize::from(name.0)).map_or("", |text| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_numbers_run_out_gently() {
        let mut names = Names::default();
        assert_eq!(names.intern(""), Name::default());
        let backup = names.intern("BACKUP");
        assert_eq!(names.intern("BACKUP"), backup);
        assert_eq!(names.text(backup), "BACKUP");
        for i in 0..70_000 {
            names.intern(&i.to_string());
        }
        assert_eq!(names.intern("one more"), Name::default());
        assert_eq!(names.text(backup), "BACKUP");
    }
}

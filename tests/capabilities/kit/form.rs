//! Reads our own pages as far as a browser has to: forms and links.

/// The form of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Where it goes; `None` for the page's own address.
    pub action: Option<String>,
    /// Its fields as they stand.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The first form of a page.
    pub fn of(page: &str) -> Self {
        let start = page.find("<form").unwrap_or_else(|| panic!("no form in {page}"));
        let inside = page[start..].split("</form>").next().expect("split gives one");
        let tag = |text: &str| text.split('>').next().unwrap_or_default().to_owned();
        let action = attribute(&tag(inside), "action");
        let inputs = inside.split("<input").skip(1).map(tag);
        let fields = inputs.filter(|input| !input.contains("type=\"checkbox\"") || input.contains(" checked"));
        let fields =
            fields.filter_map(|input| Some((attribute(&input, "name")?, attribute(&input, "value").unwrap_or_default())));
        Self { action, fields: fields.collect() }
    }

    /// The form of a page that asks for a passkey, and what it asks for.
    pub fn asking(page: &str) -> (Self, serde_json::Value) {
        let start = page.find("data-passkey=").unwrap_or_else(|| panic!("no passkey is asked for in {page}"));
        let start = page[..start].rfind("<form").expect("a form");
        let options = attribute(page[start..].split('>').next().expect("split gives one"), "data-options").expect("options");
        (Self::of(&page[start..]), serde_json::from_str(&options).expect("JSON"))
    }

    /// With a field filled in.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What a field holds.
    pub fn value(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// As it is sent.
    pub fn encoded(&self) -> String {
        let pair = |(name, value): &(String, String)| format!("{}={}", encode(name), encode(value));
        self.fields.iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

/// The value of an attribute of a tag.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag[start..].split('"').next()?;
    Some(unescape(value))
}

pub fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub fn unescape(text: &str) -> String {
    let plain =
        [("&#38;", "&"), ("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    plain.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

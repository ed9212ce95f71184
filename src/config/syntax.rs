//! Complaints about text that is not TOML. When there is one, nothing else is said: what follows a syntax error is guesswork.

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;
use toml::de::Error;

use crate::config::complaint::{Code, Complaint};
use crate::config::placed::Place;
use crate::config::source::Text;

/// More would not help anybody.
const MOST: usize = 8;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads one text as TOML, with its places in the numbering of all texts.
///
/// # Errors
/// Complaints for what the parser reports.
pub fn parse(text: &Text) -> Result<DeTable<'_>, Vec<Complaint>> {
    if text.text.starts_with(BYTE_ORDER_MARK) {
        let place = text.start..text.start + BYTE_ORDER_MARK.len();
        let complaint =
            Complaint::new(Code::E0103, &place, "the file begins with a byte order mark").label("an invisible character");
        return Err(vec![complaint.help("save the file as UTF-8 without it").fix("")]);
    }
    let (root, errors) = DeTable::parse_recoverable(&text.text);
    if errors.is_empty() {
        return Ok(moved(root.into_inner(), text.start));
    }
    let complaints = errors.iter().take(MOST).map(|error| complaint(&text.text, error)).map(|mut complaint| {
        // Behind the end of this text begins another.
        let place = |place: &Place| {
            let local = text.inside(&(place.start.saturating_add(text.start)..place.end.saturating_add(text.start)));
            local.start + text.start..local.end + text.start
        };
        complaint.place = complaint.place.as_ref().map(place);
        complaint.also.iter_mut().for_each(|(also, _)| *also = place(also));
        complaint
    });
    Err(complaints.collect())
}

/// The same table, written `by` bytes later.
fn moved(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    if by == 0 {
        return table;
    }
    let place = |place: Place| place.start + by..place.end + by;
    let entries =
        table.into_iter().map(|(key, value)| (Spanned::new(place(key.span()), key.into_inner()), moved_value(value, by)));
    entries.collect()
}

fn moved_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let place = value.span().start + by..value.span().end + by;
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved(table, by)),
        DeValue::Array(items) => DeValue::Array(items.into_iter().map(|item| moved_value(item, by)).collect()),
        other => other,
    };
    Spanned::new(place, value)
}

fn complaint(text: &str, error: &Error) -> Complaint {
    // At the end of the file the parser points behind the last byte, or nowhere.
    let place = error.span().unwrap_or(text.len()..text.len());
    if error.message() != "duplicate key" {
        return Complaint::new(Code::E0101, &place, format!("not TOML: {}", error.message()));
    }
    let name = text.get(place.clone()).unwrap_or_default().trim();
    let complaint = Complaint::new(Code::E0102, &place, format!("`{name}` is written twice")).label("here again");
    match first_use(text, &place) {
        Some(first) => complaint.also(&first, "first written here"),
        None => complaint,
    }
    .help("keep one of the two")
}

/// Where the key at `second` was written first. The parser knows and does not tell, so the second one is given a name of its
/// own and the text is parsed again: the first is then its neighbour in the same table.
fn first_use(text: &str, second: &Place) -> Option<Place> {
    let written = text.get(second.clone())?;
    let name = DeTable::parse(&format!("{written} = 0")).ok()?.into_inner().into_iter().next()?.0.into_inner().into_owned();
    let stand_in = (0..).map(|n| format!("stand_in_{n}")).find(|name| !text.contains(name.as_str()))?;
    let renamed = format!("{}{stand_in}{}", &text[..second.start], &text[second.end..]);
    let (table, _) = DeTable::parse_recoverable(&renamed);
    // After another fault the parser may have skipped the first and kept one behind the second, where the text has moved.
    neighbour(table.get_ref(), &stand_in, &name).filter(|first| first.end <= second.start)
}

fn neighbour(table: &DeTable<'_>, stand_in: &str, name: &str) -> Option<Place> {
    if table.contains_key(stand_in) {
        return table.get_key_value(name).map(|(key, _)| key.span());
    }
    table.iter().find_map(|(_, value)| neighbour_in(value.get_ref(), stand_in, name))
}

fn neighbour_in(value: &DeValue<'_>, stand_in: &str, name: &str) -> Option<Place> {
    match value {
        DeValue::Table(table) => neighbour(table, stand_in, name),
        DeValue::Array(items) => items.iter().find_map(|item| neighbour_in(item.get_ref(), stand_in, name)),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document;

    #[test]
    fn the_first_use_stands_before_the_second_even_where_other_faults_confuse_the_parser() {
        let text = "[session]\nx = 1\n\n[session]\nx = \"{12h\"\n[app]]\nhost = \"app.example.com\"\n\n[session]\n";
        let complaints = document::parse(text).expect_err("complaints");
        assert!(complaints.iter().any(|complaint| complaint.code == Code::E0102), "{complaints:?}");
        for complaint in complaints {
            let place = complaint.place.clone().expect("a place");
            assert!(complaint.also.iter().all(|(first, _)| first.end <= place.start), "{complaint:?}");
        }
    }
}

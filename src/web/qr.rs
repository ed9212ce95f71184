//! QR codes as inline SVG.

use fast_qr::convert::Builder;
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::{ECL, QRBuilder};

/// A QR code of `text` with `label` for those who cannot see it; `None` if the text is too long for one.
///
/// Presentation attributes only (no `style`), so it shows under our content policy; black on white with its quiet zone
/// in dark mode too, because many scanners cannot read inverted codes. `label` must be plain text without markup.
pub fn svg(text: &str, label: &'static str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    let svg = SvgBuilder::default().margin(4).to_str(&code);
    let rest = svg.strip_prefix("<svg ")?;
    Some(format!("<svg class=\"qr\" role=\"img\" aria-label=\"{label}\" shape-rendering=\"crispEdges\" {rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_without_styles_or_foreign_content() {
        let svg = svg("otpauth://totp/Home:alice?secret=JBSWY3DPEHPK3PXP&issuer=Home", "QR code").expect("short enough");
        assert!(svg.starts_with("<svg class=\"qr\" role=\"img\" aria-label=\"QR code\""));
        assert!(!svg.contains("style=") && !svg.contains("<script") && !svg.contains("JBSWY3DPEHPK3PXP"));
    }

    #[test]
    fn text_that_is_too_long_gives_none() {
        assert!(svg(&"x".repeat(4_000), "QR code").is_none());
    }
}

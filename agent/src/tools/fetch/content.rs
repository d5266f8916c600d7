//! From bytes to what the model reads: which types are text, in which encoding they are, and what is taken out of them
//! before anyone sees it.

use anstream::adapter::strip_str;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};
use lorewell_model::ToolError;

use super::fault::SAID_CHARS_MAX;
use super::html;
use super::request::{BODY_BYTES_MAX, Page};
use crate::tools::invisible::{excerpt, is_invisible};

/// Bytes at the start of a page that may declare its encoding (WHATWG HTML §13.2.3.2).
const DECLARATION_BYTES: usize = 1024;

/// How a page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Plain,
}

/// Makes text of a page.
///
/// # Errors
/// It is no text.
pub(super) fn text(page: &Page) -> Result<String, ToolError> {
    let (kind, parameters) = split(&page.content_type);
    let form = form(&kind, &page.bytes).ok_or_else(|| no_text(page, &kind))?;
    let declared = charset(parameters).or_else(|| declared(&page.bytes));
    let decoded = decode(&page.bytes, declared);
    if decoded.contains('\0') {
        return Err(no_text(page, &kind));
    }
    let clean = clean(&decoded);
    let (text, is_cut) = match form {
        Form::Html => html::text(&clean, &page.url),
        Form::Plain => (clean, false),
    };
    // Entities of HTML can spell what was taken out.
    let text = if form == Form::Html { clean_again(text) } else { text };
    Ok(match page.is_cut || is_cut {
        true => format!("{text}\n[cut: no more than {BODY_BYTES_MAX} bytes of a page are read]"),
        false => text,
    })
}

/// Tells whether a page of this type is worth reading.
pub(super) fn may_be_text(content_type: &str) -> bool {
    form(&split(content_type).0, &[]).is_some()
}

/// Parts a type from its parameters.
fn split(content_type: &str) -> (String, &str) {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    (kind.trim().to_ascii_lowercase(), parameters)
}

/// Says how a type is shown; `None` if it is no text.
fn form(kind: &str, bytes: &[u8]) -> Option<Form> {
    let (family, name) = kind.split_once('/').unwrap_or((kind, ""));
    let is_text =
        matches!(name, "json" | "xml" | "javascript" | "ecmascript" | "yaml" | "x-yaml" | "toml" | "x-ndjson")
            || name.ends_with("+json")
            || name.ends_with("+xml")
            || name.ends_with("+yaml");
    match (family, name) {
        ("text", "html") | ("application", "xhtml+xml") => Some(Form::Html),
        // A picture, though written in XML.
        ("image", _) => None,
        ("text", _) => Some(Form::Plain),
        // Nobody said what it is.
        ("", _) => Some(if is_html(bytes) { Form::Html } else { Form::Plain }),
        _ => is_text.then_some(Form::Plain),
    }
}

fn is_html(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    let begins = |with: &[u8]| start.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    begins(b"<!doctype html") || begins(b"<html")
}

fn no_text(page: &Page, kind: &str) -> ToolError {
    let kind = match kind {
        "" => "of no type".to_owned(),
        kind => format!("`{}`", excerpt(kind, SAID_CHARS_MAX)),
    };
    let size = match (page.announced, page.bytes.len()) {
        (Some(bytes), _) => format!("{bytes} bytes"),
        (None, 0) => "of unknown length".to_owned(),
        (None, bytes) if page.is_cut => format!("more than {bytes} bytes"),
        (None, bytes) => format!("{bytes} bytes"),
    };
    ToolError::failed(format!("what is there is {kind}, {size}, and no text; only text can be fetched"))
}

/// Reads the encoding out of the parameters of a type: `charset=utf-8`.
fn charset(parameters: &str) -> Option<&'static Encoding> {
    let parameters = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut labels = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    Encoding::for_label(labels.next()?.1.trim().trim_matches(['"', '\'']).as_bytes())
}

/// Finds `charset=…` or the `encoding=…` of an XML declaration near the start of a page.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION_BYTES)]).to_ascii_lowercase();
    let at = head.find("charset=").map(|at| at + "charset=".len());
    let of_xml = || head.find("encoding=").filter(|_| head.starts_with("<?xml")).map(|at| at + "encoding=".len());
    let label = head[at.or_else(of_xml)?..].trim_start_matches(['"', '\'', ' ']);
    let end = label.find(|c: char| !c.is_ascii_alphanumeric() && !"-_:.".contains(c)).unwrap_or(label.len());
    Encoding::for_label(&label.as_bytes()[..end])
}

/// Decodes a page. A byte order mark counts most; then what is UTF-8 is read as that, since text in another encoding
/// hardly ever looks like it and servers that declare the wrong one are many; then the declaration; then a guess.
fn decode(bytes: &[u8], declared: Option<&'static Encoding>) -> String {
    if let Some((encoding, mark_bytes)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark_bytes..]).0.into_owned();
    }
    let encoding = match declared {
        _ if !bytes.is_ascii() && is_mostly_utf8(bytes) => UTF_8,
        Some(declared) if declared != UTF_8 || bytes.is_ascii() => declared,
        _ => guess(bytes),
    };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// Tells whether most of what is not ASCII is UTF-8; the rest is damage, or was cut off.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > bad
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Allow)
}

/// Takes out sequences for terminals and what nobody sees, and ends lines in one way.
fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = if text.contains('\x1b') { strip_str(&text).to_string() } else { text };
    clean_again(text)
}

fn clean_again(mut text: String) -> String {
    text.retain(|c| !is_invisible(c));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(content_type: &str, bytes: impl Into<Vec<u8>>) -> Page {
        let url = "https://example.com/a/b".parse().unwrap();
        Page { url, content_type: content_type.into(), announced: None, bytes: bytes.into(), is_cut: false }
    }

    #[track_caller]
    fn check(content_type: &str, bytes: impl Into<Vec<u8>>, expected: &str) {
        assert_eq!(text(&page(content_type, bytes)).unwrap(), expected, "{content_type}");
    }

    #[test]
    fn text_is_told_by_its_type() {
        for kind in
            ["text/plain", "text/markdown; charset=utf-8", "TEXT/CSV", "application/json", "application/ld+json"]
        {
            check(kind, "<b>{}</b>", "<b>{}</b>");
        }
        for kind in ["application/xml", "application/atom+xml", "application/x-ndjson", ""] {
            check(kind, "<a/>", "<a/>");
        }
        for kind in ["text/html", "application/xhtml+xml;charset=utf-8", "Text/HTML"] {
            check(kind, "<b>x</b>", "x");
        }
        check("", " <!DOCTYPE HTML><p>x", "x");
        check("", "<html><p>x", "x");
    }

    #[test]
    fn what_is_no_text_is_named() {
        let told = |page: Page| text(&page).unwrap_err().for_model("fetch_url");
        let expected = "what is there is `image/svg+xml`, 6 bytes, and no text; only text can be fetched";
        assert_eq!(told(page("image/svg+xml", "<svg/>")), expected);
        let announced = Page { announced: Some(70_000), ..page("application/pdf; x=y", "%PDF") };
        assert!(told(announced).contains("`application/pdf`, 70000 bytes"));
        let cut = Page { is_cut: true, ..page("application/zip", "PK") };
        assert!(told(cut).contains("`application/zip`, more than 2 bytes"));
        assert!(told(page("audio/ogg", "")).contains("`audio/ogg`, of unknown length"));
        assert!(told(page("text/plain", "a\0b")).contains("`text/plain`, 3 bytes"));
        assert!(told(page("", b"\x7fELF\0".to_vec())).contains("of no type"));
        assert!(told(page("video/\u{1b}[2J", "x")).contains("`video/[2j`"));
    }

    #[test]
    fn encodings_are_found() {
        let greeting = "déjà vu, naïve café";
        let latin = encoding_rs::WINDOWS_1252.encode(greeting).0.into_owned();
        check("text/plain; charset=iso-8859-1", latin.clone(), greeting);
        check("text/plain; Charset=\"windows-1252\"", latin.clone(), greeting);
        check("text/plain; charset=utf-8", latin.clone(), greeting); // a wrong one
        check("text/plain; charset=iso-8859-1", greeting, greeting); // wrong the other way
        check("text/plain; charset=nonsense", latin, greeting);
        let greek = encoding_rs::ISO_8859_7.encode("Καλημέρα κόσμε").0.into_owned();
        let declared = [b"<meta charset='iso-8859-7'><p>".as_slice(), &greek].concat();
        check("text/html", declared.clone(), "Καλημέρα κόσμε");
        check("text/html; charset=iso-8859-7", greek, "Καλημέρα κόσμε");
        let xml = "<?xml version='1.0' encoding='windows-1251'?><a>Привет</a>";
        check("text/xml", encoding_rs::WINDOWS_1251.encode(xml).0.into_owned(), xml);
        let japanese = encoding_rs::ISO_2022_JP.encode("日本語").0.into_owned();
        check("text/plain; charset=iso-2022-jp", japanese, "日本語");
        let wide: Vec<u8> = "\u{FEFF}wide é".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check("text/plain", wide, "wide é");
        check("text/plain", "\u{FEFF}marked", "marked");
        check("text/plain", b"caf\xC3\xA9 caf\xC3\xA9 \xC3".to_vec(), "café café \u{FFFD}"); // cut off
    }

    #[test]
    fn what_nobody_sees_is_taken_out() {
        check(
            "text/plain",
            "a\u{1b}[31mred\u{1b}[0m \u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{7}\u{8}b\r\nc\rd",
            "ared linkb\nc\nd",
        );
        check("text/plain", "ig\u{200B}no\u{202E}re\u{E0041}\u{FEFF}\u{2066}", "ignore");
        check("text/html", "<p>a&#8238;b&#x1b;[31m&#xE0041;c&ZeroWidthSpace;d", "ab[31mcd");
    }
}

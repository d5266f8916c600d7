//! From HTML tokens to a flat table of elements and a list of events. It forgives what browsers forgive: end tags
//! that are missing, stray or crossed.

use std::ops::Range;

use html5gum::{DefaultEmitter, EndTag, StartTag, Token, Tokenizer};

use crate::load::outline::{add_once, date};

/// Open elements that are searched for the one an end tag closes. A page written by people nests a tenth of this;
/// without a bound, a page of a million open tags would cost a million searches of a million steps.
const OPEN_SEARCHED_MAX: usize = 256;

/// What an element means for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// `h1` to `h6`.
    Heading(u8),
    /// `p`, which ends where the next block begins.
    Paragraph,
    /// `div` and other containers.
    Block,
    /// `ul`, `ol`, `dl`.
    List,
    /// `li`.
    Item,
    /// `dt`, `dd`.
    Term,
    /// `table`.
    Table,
    /// `tr`.
    Row,
    /// `td`, `th`.
    Cell,
    /// `pre`.
    Verbatim,
    /// `a` with a destination.
    Link,
    /// `main`.
    Main,
    /// `article`.
    Article,
    /// `nav`, `aside`, `form` and what is said to be the like.
    Landmark,
    /// `header` and `footer`: of the page or of an article.
    Banner,
    /// Scripts, controls and what is hidden.
    Dropped,
    /// Everything else.
    Inline,
}

/// An element.
#[derive(Debug)]
pub(super) struct Element {
    /// What it means.
    pub(super) role: Role,
    /// The element around it; the first element, the page, has itself.
    pub(super) parent: usize,
    /// Bytes of text right inside it, not counting white space and what is dropped.
    pub(super) own_bytes: usize,
    /// The same of it and everything inside it.
    pub(super) text_bytes: usize,
    /// Of these, the bytes in links.
    pub(super) link_bytes: usize,
    /// Links inside it.
    pub(super) n_links: usize,
    /// Whether any of its text is a letter or a digit.
    pub(super) has_words: bool,
    /// A table that only lays out the page: it holds headings or other tables.
    pub(super) is_layout: bool,
    name: Range<usize>,
}

/// What happens next on the page.
#[derive(Debug)]
pub(super) enum Event {
    /// An element begins. Offsets are of the page's text.
    Open(usize),
    /// Text inside an element.
    Text(usize, Range<usize>),
    /// An element ends.
    Close(usize),
    /// `br`: a new line.
    Break,
    /// `hr`: a new block.
    Rule,
}

/// A page that was read.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// All elements, parents first.
    pub(super) elements: Vec<Element>,
    /// What happens, in order. Every element is closed.
    pub(super) events: Vec<Event>,
    /// The text of `<title>`.
    pub(super) title: Option<String>,
    /// Keywords of `<meta>`.
    pub(super) tags: Vec<String>,
    /// The date that `<meta>` says.
    pub(super) date: Option<String>,
}

/// Reads a page.
pub(super) fn read(html: &str) -> Page {
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    emitter.naively_switch_states(true);
    let mut reader = Reader::new(html);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Ok(Token::StartTag(tag)) => reader.start(&tag),
            Ok(Token::EndTag(tag)) => reader.end(&tag),
            Ok(Token::String(string)) => reader.text(string.span.start..string.span.end, &string.value),
            Ok(Token::Comment(_) | Token::Doctype(_) | Token::Error(_)) => {}
            Err(never) => match never {},
        }
    }
    reader.finish()
}

struct Reader<'a> {
    html: &'a str,
    page: Page,
    open: Vec<usize>,
    n_dropped: usize,
    n_links: usize,
    in_title: bool,
}

impl<'a> Reader<'a> {
    fn new(html: &'a str) -> Self {
        let mut reader =
            Self { html, page: Page::default(), open: Vec::new(), n_dropped: 0, n_links: 0, in_title: false };
        reader.push(Role::Block, 0..0);
        reader
    }

    fn start(&mut self, tag: &StartTag<usize>) {
        let name: &[u8] = &tag.name;
        self.in_title = name == b"title" && self.page.title.is_none();
        match name {
            b"meta" => return self.meta(tag),
            b"br" => return self.page.events.push(Event::Break),
            b"hr" => {
                self.close_implied(Role::Block);
                return self.page.events.push(Event::Rule);
            }
            _ if is_void(name) => return,
            _ => {}
        }
        let named = role(name, tag);
        self.close_implied(named);
        let role = if is_hidden(tag) { Role::Dropped } else { landmark(tag).unwrap_or(named) };
        let start = tag.span.start + 1;
        if matches!(role, Role::Heading(_) | Role::Table) {
            let table = self.open.iter().rev().take(OPEN_SEARCHED_MAX).find(|id| self.role(**id) == Role::Table);
            if let Some(table) = table.copied() {
                self.page.elements[table].is_layout = true;
            }
        }
        self.push(role, start..start + name.len());
    }

    fn end(&mut self, tag: &EndTag<usize>) {
        self.in_title = false;
        let name: &[u8] = &tag.name;
        let is_phrasing = role(name, &StartTag::default()) == Role::Inline; // also `a`: without attributes, it is no link
        let ends_cell = matches!(name, b"td" | b"th" | b"tr" | b"table" | b"tbody" | b"thead" | b"tfoot");
        let mut found = None;
        for (at, id) in self.open.iter().enumerate().skip(1).rev().take(OPEN_SEARCHED_MAX) {
            let element = &self.page.elements[*id];
            let open = self.html.as_bytes().get(element.name.clone()).unwrap_or_default();
            if open.eq_ignore_ascii_case(name) {
                found = Some(at);
                break;
            }
            // `</b>` does not close the block it stands in, nor `</div>` the cell of a table.
            if (is_phrasing && !is_inline(element.role)) || (element.role == Role::Cell && !ends_cell) {
                break;
            }
        }
        if let Some(at) = found {
            self.close_from(at);
        }
    }

    fn text(&mut self, span: Range<usize>, decoded: &[u8]) {
        if self.in_title {
            let title = String::from_utf8_lossy(decoded).split_whitespace().collect::<Vec<_>>().join(" ");
            self.page.title = (!title.is_empty()).then_some(title);
            return;
        }
        let (Some(text), Some(innermost)) = (self.html.get(span.clone()), self.open.last().copied()) else { return };
        if self.n_dropped == 0 {
            let bytes = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
            let element = &mut self.page.elements[innermost];
            element.own_bytes += bytes;
            element.text_bytes += bytes;
            element.has_words |= String::from_utf8_lossy(decoded).contains(char::is_alphanumeric);
            element.link_bytes += if self.n_links > 0 { bytes } else { 0 };
            self.page.events.push(Event::Text(innermost, span));
        }
    }

    fn meta(&mut self, tag: &StartTag<usize>) {
        let Some(content) = attribute(tag, b"content") else { return };
        let name = attribute(tag, b"name").or_else(|| attribute(tag, b"property")).unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "keywords" => content.split(',').for_each(|tag| add_once(&mut self.page.tags, tag.trim())),
            "date" | "dc.date" | "dcterms.date" | "dcterms.created" | "article:published_time" => {
                self.page.date = self.page.date.take().or_else(|| date(&content));
            }
            _ => {}
        }
    }

    fn push(&mut self, role: Role, name: Range<usize>) {
        let id = self.page.elements.len();
        self.page.elements.push(Element {
            role,
            parent: self.open.last().copied().unwrap_or(id),
            own_bytes: 0,
            text_bytes: 0,
            link_bytes: 0,
            n_links: usize::from(role == Role::Link),
            has_words: false,
            is_layout: false,
            name,
        });
        self.n_dropped += usize::from(role == Role::Dropped);
        self.n_links += usize::from(role == Role::Link);
        self.open.push(id);
        self.page.events.push(Event::Open(id));
    }

    /// Closes what ends where an element of this role begins: `<p>` at a block, `<li>` at the next one, and so on.
    fn close_implied(&mut self, next: Role) {
        if is_inline(next) {
            return;
        }
        let mut found = None;
        for (at, id) in self.open.iter().enumerate().skip(1).rev().take(OPEN_SEARCHED_MAX) {
            let role = self.role(*id);
            let is_phrasing = matches!(role, Role::Paragraph | Role::Heading(_));
            let ends = matches!(
                (next, role),
                (Role::Item, Role::Item)
                    | (Role::Term, Role::Term)
                    | (Role::Cell, Role::Cell)
                    | (Role::Row, Role::Row | Role::Cell)
            );
            if ends || is_phrasing {
                found = Some(at);
            }
            if !is_inline(role) && !is_phrasing && (next, role) != (Role::Row, Role::Cell) {
                break;
            }
        }
        if let Some(at) = found {
            self.close_from(at);
        }
    }

    /// Closes the open element at a depth and all inside it.
    fn close_from(&mut self, depth: usize) {
        while self.open.len() > depth {
            let Some(id) = self.open.pop() else { return };
            let Element { role, parent, text_bytes, link_bytes, n_links, has_words, .. } = self.page.elements[id];
            self.n_dropped -= usize::from(role == Role::Dropped);
            self.n_links -= usize::from(role == Role::Link);
            if parent != id {
                let around = &mut self.page.elements[parent];
                around.text_bytes += text_bytes;
                around.link_bytes += link_bytes;
                around.n_links += n_links;
                around.has_words |= has_words;
            }
            self.page.events.push(Event::Close(id));
        }
    }

    fn finish(mut self) -> Page {
        self.close_from(0);
        self.page
    }

    fn role(&self, id: usize) -> Role {
        self.page.elements[id].role
    }
}

/// Tells whether an element stands in the flow of a line.
fn is_inline(role: Role) -> bool {
    matches!(role, Role::Inline | Role::Link | Role::Dropped)
}

fn role(name: &[u8], tag: &StartTag<usize>) -> Role {
    match name {
        b"h1" => Role::Heading(1),
        b"h2" => Role::Heading(2),
        b"h3" => Role::Heading(3),
        b"h4" => Role::Heading(4),
        b"h5" => Role::Heading(5),
        b"h6" => Role::Heading(6),
        b"p" => Role::Paragraph,
        b"div" | b"section" | b"body" | b"blockquote" | b"address" | b"figure" | b"figcaption" | b"center"
        | b"details" | b"summary" | b"fieldset" | b"hgroup" | b"caption" | b"html" | b"dialog" | b"search" => {
            Role::Block
        }
        b"ul" | b"ol" | b"dl" | b"menu" | b"dir" => Role::List,
        b"li" => Role::Item,
        b"dt" | b"dd" => Role::Term,
        b"table" => Role::Table,
        b"tr" => Role::Row,
        b"td" | b"th" => Role::Cell,
        b"pre" | b"listing" | b"xmp" | b"plaintext" => Role::Verbatim,
        b"a" if attribute(tag, b"href").is_some() => Role::Link,
        b"main" => Role::Main,
        b"article" => Role::Article,
        b"nav" | b"aside" | b"form" => Role::Landmark,
        b"header" | b"footer" => Role::Banner,
        b"script" | b"style" | b"template" | b"noscript" | b"noembed" | b"noframes" | b"noframe" | b"iframe"
        | b"object" | b"svg" | b"canvas" | b"audio" | b"video" | b"select" | b"datalist" | b"button" | b"textarea"
        | b"title" => Role::Dropped,
        _ => Role::Inline,
    }
}

/// Returns what the `role` attribute makes of an element (WAI-ARIA 1.2 landmarks).
fn landmark(tag: &StartTag<usize>) -> Option<Role> {
    match attribute(tag, b"role")?.to_ascii_lowercase().as_str() {
        "main" => Some(Role::Main),
        "article" => Some(Role::Article),
        "navigation" | "complementary" | "search" | "form" | "menu" | "menubar" => Some(Role::Landmark),
        "banner" | "contentinfo" => Some(Role::Banner),
        _ => None,
    }
}

fn is_hidden(tag: &StartTag<usize>) -> bool {
    let style = || attribute(tag, b"style").map(|style| style.to_ascii_lowercase().replace(' ', ""));
    tag.attributes.contains_key(b"hidden".as_slice())
        || attribute(tag, b"aria-hidden").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || style().is_some_and(|style| style.contains("display:none") || style.contains("visibility:hidden"))
}

fn attribute(tag: &StartTag<usize>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(&value.value).trim().to_owned())
}

/// Tells whether an element has no content and no end tag (WHATWG HTML §13.1.2).
fn is_void(name: &[u8]) -> bool {
    matches!(
        name,
        b"area" | b"base" | b"col" | b"embed" | b"img" | b"input" | b"link" | b"source" | b"track" | b"wbr" | b"param"
    )
}

//! HTML as text with the marks of Markdown: headings, lists, links, code. One pass over the tags and no recursion, so
//! that a page may nest as deep as it likes: libraries that build a tree first take a minute for 100,000 open tags, or
//! overflow the stack.

use html5gum::{DefaultEmitter, EndTag, StartTag, Token, Tokenizer};
use url::Url;

/// Bytes of text that a page may become: links are written out, so that it may be more than the page.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// Longer links are shown as text alone: they hold data, and are of no use to a reader.
const LINK_BYTES_MAX: usize = 1024;
/// Lists within lists that are set in; deeper ones are not set in further.
const INDENT_MAX: usize = 8;
/// What begins a block of code.
const FENCE: &str = "```\n";

/// Makes text of a page, and tells whether some of it was left out.
pub(super) fn text(html: &str, url: &Url) -> (String, bool) {
    let mut emitter = DefaultEmitter::<()>::default();
    emitter.naively_switch_states(true);
    let mut writer = Writer::new(url);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Ok(Token::StartTag(tag)) => writer.start(&tag),
            Ok(Token::EndTag(tag)) => writer.end(&tag),
            Ok(Token::String(text)) => writer.text(&String::from_utf8_lossy(&text.value)),
            Ok(Token::Comment(_) | Token::Doctype(_) | Token::Error(_)) => {}
            Err(never) => match never {},
        }
        if writer.out.len() > TEXT_BYTES_MAX {
            return (writer.finish(), true);
        }
    }
    (writer.finish(), false)
}

/// What parts the next word from the text before it; the strongest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Block,
}

/// An element that is left out, with what is in it.
#[derive(Debug)]
struct Skipped {
    name: Vec<u8>,
    /// How many of this name are open.
    depth: usize,
}

/// Something that its first word opens, so that nothing is written for what is empty.
#[derive(Debug)]
struct Opened {
    /// What is written when it ends.
    end: String,
    is_written: bool,
}

struct Writer {
    base: Url,
    out: String,
    gap: Gap,
    /// Stands before the next word: a bullet, the signs of a heading.
    mark: String,
    skipped: Option<Skipped>,
    link: Option<Opened>,
    code: Option<Opened>,
    /// Open lists: the number of the next item where they are numbered.
    lists: Vec<Option<u32>>,
    /// How many `pre` are open.
    verbatim: usize,
    in_title: bool,
}

impl Writer {
    fn new(base: &Url) -> Self {
        Self {
            base: base.clone(),
            out: String::new(),
            gap: Gap::None,
            mark: String::new(),
            skipped: None,
            link: None,
            code: None,
            lists: Vec::new(),
            verbatim: 0,
            in_title: false,
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name: &[u8] = &tag.name;
        if let Some(skipped) = &mut self.skipped {
            skipped.depth += usize::from(skipped.name == name && !is_empty(tag));
            return;
        }
        if is_left_out(tag) {
            self.skipped = (!is_empty(tag)).then(|| Skipped { name: name.to_vec(), depth: 1 });
            return;
        }
        self.part(self.gap_of(name));
        match name {
            b"title" => self.in_title = true,
            b"base" => self.rebase(tag),
            b"a" => self.open_link(tag),
            b"code" => self.open_code(),
            b"img" => self.picture(tag),
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => self.heading(usize::from(name[1] - b'0')),
            b"ul" | b"menu" => self.lists.push(None),
            b"ol" => self.lists.push(Some(1)),
            b"li" => self.item(),
            b"td" | b"th" => self.cell(),
            b"pre" => self.open_verbatim(),
            b"br" if self.verbatim > 0 => self.out.push('\n'),
            b"hr" => self.rule(),
            _ => {}
        }
    }

    fn end(&mut self, tag: &EndTag<()>) {
        let name: &[u8] = &tag.name;
        if let Some(skipped) = &mut self.skipped {
            skipped.depth -= usize::from(skipped.name == name);
            self.skipped.take_if(|skipped| skipped.depth == 0);
            return;
        }
        match name {
            b"title" => self.in_title = false,
            b"a" => self.close_link(),
            b"code" => self.close_code(),
            // A mark that no word has taken is of no use to the next block.
            b"li" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => self.mark.clear(),
            b"ul" | b"ol" | b"menu" => {
                self.mark.clear();
                self.lists.pop();
            }
            b"pre" => self.close_verbatim(),
            _ => {}
        }
        self.part(self.gap_of(name));
    }

    fn text(&mut self, text: &str) {
        if self.skipped.is_some() || text.is_empty() {
            return;
        }
        if self.verbatim > 0 {
            // The first end of a line in `pre` is not part of it (WHATWG HTML §13.2.6.4.7).
            let text = if self.out.ends_with(FENCE) { text.strip_prefix('\n').unwrap_or(text) } else { text };
            self.out.push_str(text);
            return;
        }
        if text.starts_with(char::is_whitespace) {
            self.part(Gap::Space);
        }
        for (index, word) in text.split_whitespace().enumerate() {
            self.part(if index == 0 { Gap::None } else { Gap::Space });
            self.word(word);
        }
        if text.ends_with(char::is_whitespace) {
            self.part(Gap::Space);
        }
    }

    /// Writes a word, after what parts it from the text before.
    fn word(&mut self, word: &str) {
        self.flush_gap();
        if self.in_title && self.out.is_empty() {
            self.out.push_str("title: ");
        }
        self.out.push_str(&std::mem::take(&mut self.mark));
        if let Some(link) = self.link.as_mut().filter(|link| !link.is_written) {
            link.is_written = true;
            self.out.push('[');
        }
        if let Some(code) = self.code.as_mut().filter(|code| !code.is_written) {
            code.is_written = true;
            self.out.push('`');
        }
        self.out.push_str(word);
    }

    fn flush_gap(&mut self) {
        let gap = std::mem::replace(&mut self.gap, Gap::None);
        if self.out.is_empty() {
            return;
        }
        self.out.push_str(match gap {
            Gap::None => "",
            Gap::Space => " ",
            Gap::Line => "\n",
            Gap::Block => "\n\n",
        });
    }

    fn part(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    /// What parts an element from what is around it.
    fn gap_of(&self, name: &[u8]) -> Gap {
        match name {
            b"li" | b"tr" | b"dt" | b"dd" | b"option" | b"br" => Gap::Line,
            b"ul" | b"ol" | b"menu" if !self.lists.is_empty() => Gap::Line,
            b"title" | b"hr" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => Gap::Block,
            _ if is_block(name) => Gap::Block,
            _ => Gap::None,
        }
    }
}

/// What single elements mean.
impl Writer {
    fn rebase(&mut self, tag: &StartTag<()>) {
        let base = attribute(tag, b"href").and_then(|href| self.base.join(&href).ok());
        if let Some(base) = base.filter(|base| base.as_str().len() <= LINK_BYTES_MAX) {
            self.base = base;
        }
    }

    /// A new link ends the one before: links do not nest.
    fn open_link(&mut self, tag: &StartTag<()>) {
        self.close_link();
        let href = attribute(tag, b"href").filter(|href| href.len() <= LINK_BYTES_MAX && !href.starts_with('#'));
        let url = href.and_then(|href| self.base.join(&href).ok());
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.as_str().len() <= LINK_BYTES_MAX);
        let url = url.filter(|_| self.verbatim == 0);
        self.link = url.map(|url| Opened { end: format!("]({url})"), is_written: false });
    }

    fn close_link(&mut self) {
        if let Some(link) = self.link.take_if(|link| link.is_written) {
            self.out.push_str(&link.end);
        }
        self.link = None;
    }

    fn open_code(&mut self) {
        if self.verbatim == 0 && self.code.is_none() {
            self.code = Some(Opened { end: "`".to_owned(), is_written: false });
        }
    }

    fn close_code(&mut self) {
        if let Some(code) = self.code.take().filter(|code| code.is_written) {
            self.out.push_str(&code.end);
        }
    }

    /// Only what stands for the picture: a link to one would be fetched by whatever shows the text.
    fn picture(&mut self, tag: &StartTag<()>) {
        let alt = attribute(tag, b"alt").unwrap_or_default();
        if !alt.trim().is_empty() && self.verbatim == 0 {
            self.text(&format!("[image: {}]", alt.trim()));
        }
    }

    fn rule(&mut self) {
        self.word("---");
        self.part(Gap::Block);
    }

    fn heading(&mut self, rank: usize) {
        if !self.mark.ends_with("# ") {
            self.mark.push_str(&format!("{} ", "#".repeat(rank)));
        }
    }

    fn item(&mut self) {
        let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(INDENT_MAX));
        self.mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{indent}{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            Some(None) | None => format!("{indent}- "),
        };
    }

    /// Cells of a row stand side by side.
    fn cell(&mut self) {
        if self.gap < Gap::Line && !self.out.is_empty() && self.verbatim == 0 {
            self.gap = Gap::None;
            self.out.push_str(" | ");
        }
    }

    /// Code keeps its lines, between fences.
    fn open_verbatim(&mut self) {
        if self.verbatim == 0 {
            self.close_code();
            self.close_link();
            self.word(FENCE);
        }
        self.verbatim += 1;
    }

    fn close_verbatim(&mut self) {
        if self.verbatim == 1 {
            let end = if self.out.ends_with('\n') { "```" } else { "\n```" };
            self.out.push_str(end);
        }
        self.verbatim = self.verbatim.saturating_sub(1);
    }

    fn finish(mut self) -> String {
        self.close_code();
        self.close_link();
        self.verbatim = self.verbatim.min(1);
        self.close_verbatim();
        self.out
    }
}

/// Tells whether nobody sees an element: scripts, forms of other media, what is hidden, where orders for models are
/// put, and ornaments that are not read out. An element whose end tag may be missing is never left out for being
/// hidden, or the rest of the page might go with it.
fn is_left_out(tag: &StartTag<()>) -> bool {
    let name: &[u8] = &tag.name;
    if matches!(name, b"script" | b"style" | b"template" | b"noscript" | b"svg" | b"math" | b"iframe" | b"object") {
        return true;
    }
    let may_be_open = matches!(
        name,
        b"html"
            | b"head"
            | b"body"
            | b"p"
            | b"li"
            | b"dt"
            | b"dd"
            | b"tr"
            | b"td"
            | b"th"
            | b"thead"
            | b"tbody"
            | b"tfoot"
            | b"option"
            | b"optgroup"
            | b"colgroup"
            | b"caption"
            | b"rp"
            | b"rt"
    );
    !may_be_open && is_hidden(tag)
}

fn is_hidden(tag: &StartTag<()>) -> bool {
    let style = attribute(tag, b"style").unwrap_or_default().to_ascii_lowercase();
    let style: String = style.split_whitespace().collect();
    attribute(tag, b"hidden").is_some()
        || attribute(tag, b"aria-hidden").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || style.contains("display:none")
        || style.contains("visibility:hidden")
}

/// Tells whether an element has no end (WHATWG HTML §13.1.2).
fn is_empty(tag: &StartTag<()>) -> bool {
    let name: &[u8] = &tag.name;
    let is_foreign = matches!(name, b"svg" | b"math");
    (is_foreign && tag.self_closing)
        || matches!(
            name,
            b"area"
                | b"base"
                | b"br"
                | b"col"
                | b"embed"
                | b"hr"
                | b"img"
                | b"input"
                | b"link"
                | b"meta"
                | b"source"
                | b"track"
                | b"wbr"
        )
}

/// Elements that begin and end a block (WHATWG HTML §15.3.3).
fn is_block(name: &[u8]) -> bool {
    matches!(
        name,
        b"address"
            | b"article"
            | b"aside"
            | b"blockquote"
            | b"body"
            | b"center"
            | b"details"
            | b"dialog"
            | b"div"
            | b"dl"
            | b"fieldset"
            | b"figcaption"
            | b"figure"
            | b"footer"
            | b"form"
            | b"header"
            | b"hgroup"
            | b"legend"
            | b"main"
            | b"menu"
            | b"nav"
            | b"ol"
            | b"p"
            | b"pre"
            | b"search"
            | b"section"
            | b"summary"
            | b"table"
            | b"ul"
    )
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(&value.value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &str) {
        assert_eq!(text(html, &"https://example.com/docs/a.html".parse().unwrap()).0, expected);
    }

    #[test]
    fn a_page_reads_like_markdown() {
        let page = "<!doctype html><html><head><title>A &amp; B</title><style>p{}</style></head><body><h1>The\n <b>Title</b></h1>
            <p>One<br>two, <a href='b.html'>the <i>link</i> </a>and <code>code</code>.<p>Next<script>if (a<b) {}</script>
            <ul><li>one<li>two<ol><li>inner<li><a href=/x>more</a></ol></ul><hr>
            <pre>\nfn a() {\n    b();\n}</pre><table><tr><th>Name<th>Age<tr><td>Ann<td>7</table></body></html>";
        check(
            page,
            r"title: A & B

# The Title

One
two, [the link](https://example.com/docs/b.html) and `code`.

Next

- one
- two
  1. inner
  2. [more](https://example.com/x)

---

```
fn a() {
    b();
}
```

Name | Age
Ann | 7",
        );
    }

    #[test]
    fn only_links_of_the_web_are_links() {
        let page = "<base href='https://other.example/'><a href=x>1</a> <a href='javascript:go()'>2</a> <a href='data:,x'>3</a>
            <a href='#top'>4</a> <a href='mailto:a@b'>5</a> <a>6</a> <a href='http://[' >7</a> <a href=y> </a><a href=z>8<a href=w>9";
        let expected =
            "[1](https://other.example/x) 2 3 4 5 6 7 [8](https://other.example/z)[9](https://other.example/w)";
        check(page, expected);
        check(&format!("<a href='{}'>long</a>", "x".repeat(LINK_BYTES_MAX)), "long");
    }

    #[test]
    fn pictures_are_told_and_not_linked() {
        check("a <img src='https://evil.example/?q=secret' alt=' a cat '> b<img src=x>", "a [image: a cat] b");
    }

    #[test]
    fn what_is_hidden_is_left_out() {
        let page =
            "<div style='Display : NONE'>no<div>no</div>no</div>a<span hidden>no</span> <b aria-hidden=true>no</b>b
            <p style='visibility:hidden'>shown, for its end may be missing<p>c<svg><title>no</title></svg><svg/>d
            <noscript>no</noscript><template><p>no</template><!-- no --><input hidden>e";
        check(page, "a b\n\nshown, for its end may be missing\n\ncd e");
    }

    #[test]
    fn broken_pages_are_read() {
        for page in
            ["</a></pre></ul></code></svg>x", "<a href=x><code><pre>", "<li></li><h2></h2>x", "", "<", "<a href='"]
        {
            text(page, &"http://example.com".parse().unwrap());
        }
        check("</a></pre></ul></code></div>x", "x");
        check("<ul><li></ul><h2></h2><p>x", "x");
        check("a<pre>x", "a\n\n```\nx\n```");
        check("<a href=b><code>x</a>y</code>", "[`x](https://example.com/docs/b)y`");
    }

    #[test]
    fn depth_and_number_cost_no_more_than_length() {
        let url = "https://example.com".parse().unwrap();
        for tag in ["div", "ul", "li", "table", "b", "pre", "a href=x", "code", "h1", "svg", "div hidden", "title"] {
            let page = format!("{}deep", format!("<{tag}>").repeat(100_000));
            let (read, _) = text(&page, &url);
            assert_eq!(read.contains("deep"), !matches!(tag, "svg" | "div hidden"), "{tag}");
        }
        let wide =
            format!("<base href='https://example.com/{}/'>{}", "x".repeat(900), "<a href=y>z</a>".repeat(100_000));
        let (read, is_cut) = text(&wide, &url);
        assert!(is_cut && read.len() < TEXT_BYTES_MAX + LINK_BYTES_MAX, "{}", read.len());
    }
}

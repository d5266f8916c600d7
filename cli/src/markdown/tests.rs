//! The renderer: what each form looks like, and that pieces of any size come out the same.

use super::*;

/// Renders a text and writes escapes as names, so that they can be read.
fn shown(text: &str) -> String {
    named(&rendered(&[text]))
}

fn rendered(pieces: &[&str]) -> String {
    let mut renderer = Renderer::new(true);
    let printed: String = pieces.iter().map(|piece| renderer.push(piece)).collect();
    printed + &renderer.finish()
}

fn named(text: &str) -> String {
    let names = [
        ("\u{1b}[1m", "<b>"),
        ("\u{1b}[2m", "<dim>"),
        ("\u{1b}[3m", "<i>"),
        ("\u{1b}[4m", "<u>"),
        ("\u{1b}[9m", "<s>"),
        ("\u{1b}[36m", "<code>"),
        ("\u{1b}[0m", "</>"),
    ];
    names.iter().fold(text.to_owned(), |text, (escape, name)| text.replace(escape, name))
}

const DOCUMENT: &str = "# The *whole* thing\r\n\n## Parts & `code`\nSome **bold _and italic_** words, `a*b*c`, \
    snake_case_name, 2 * 3 * 4, [a link](https://example.org \"t\") and <https://example.org>.\n\n\
    - one\n* two **x**\n  + nested\n    1. numbered\n10) ten\n> quoted\n>> twice `x`\n>no space\n---\n* * *\n- - x\n\
    ```rust\nfn main() { let a = **b; }\n\n  ``\n```\n~~~~\n~~~\n~~~~\n**never closed\n*a [b](c d) `e\n\\*escaped\\* \\a\n\
    ***all*** ~~gone~~ ~one~ **é日本** _a_b_ __c__\n#hashtag\n#\n####### seven\n1.x\n12345678901. far\n`` a`b `` ``` x ```\n\
    ![alt](img.png) [x][1] [1] [a]\ntail **bold";

#[test]
fn each_form_has_its_look() {
    for (text, expected) in [
        ("# Big\n## Small", "<b><u>Big</>\n<b>Small</>"),
        ("a **b** c", "a <b>b</> c"),
        ("a *b* _c_ ***d***", "a <i>b</> <i>c</> <b><i>d</>"),
        ("**a *b* c**", "<b>a </><b><i>b</><b> c</>"),
        ("`x * y`", "<code>x * y</>"),
        ("# a `b`", "<b><u>a </><code>b</><b><u></>"),
        ("see [docs](https://x.org).", "see <u>docs</><dim> (https://x.org)</>."),
        ("[https://x.org](https://x.org)", "<u>https://x.org</>"),
        ("- a\n  * b\n1. c", "<dim>• </>a\n  <dim>• </>b\n<dim>1. </>c"),
        ("> a\n>> b", "<dim>│ </>a\n<dim>│ </><dim>│ </>b"),
        ("```py\na = **b\n```\nc", "<dim>```py</>\n<code>a = **b</>\n<dim>```</>\nc"),
        ("~~old~~ ~x~", "<s>old</> ~x~"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
    assert_eq!(shown("---"), format!("<dim>{}</>", "─".repeat(RULE)));
}

#[test]
fn what_is_not_closed_is_printed_as_it_is() {
    for text in [
        "2 * 3 * 4",
        "snake_case_name and __init__x",
        "**kwargs and *args",
        "a ` b",
        "[1] and [a](b c) and [a]",
        "C:\\dir\\a",
        "#hashtag",
        "1.5 is a number",
        "-5 degrees",
        "a ~ b ~ c",
    ] {
        assert_eq!(shown(text), text);
    }
    assert_eq!(shown("\\*no\\*"), "*no*");
    let far = format!("**{}**", "word ".repeat(200));
    assert_eq!(shown(&far), far);
}

#[test]
fn any_cut_gives_the_same() {
    let whole = rendered(&[DOCUMENT]);
    for (at, _) in DOCUMENT.char_indices() {
        assert_eq!(rendered(&[&DOCUMENT[..at], &DOCUMENT[at..]]), whole, "cut at {at}");
    }
    let characters: Vec<String> = DOCUMENT.chars().map(String::from).collect();
    let pieces: Vec<&str> = characters.iter().map(String::as_str).collect();
    assert_eq!(named(&rendered(&pieces)), named(&whole));
    for size in [2, 3, 7, 31] {
        let pieces: Vec<String> = pieces.chunks(size).map(<[&str]>::concat).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        assert_eq!(rendered(&pieces), whole, "pieces of {size}");
    }
}

#[test]
fn any_cut_of_random_marks_gives_the_same() {
    let alphabet: Vec<char> = "*_`~[]()#>-+.1\\ \n\raé".chars().collect();
    let mut seed = 7_u64;
    for round in 0..300 {
        let text: String = (0..round + 20)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                alphabet[usize::try_from(seed >> 33).unwrap() % alphabet.len()]
            })
            .collect();
        let characters: Vec<String> = text.chars().map(String::from).collect();
        let pieces: Vec<&str> = characters.iter().map(String::as_str).collect();
        assert_eq!(named(&rendered(&pieces)), named(&rendered(&[&text])), "{text:?}");
    }
}

#[test]
fn words_are_printed_as_they_come() {
    let mut renderer = Renderer::new(true);
    assert_eq!(renderer.push("The answer "), "The answer ");
    assert_eq!(renderer.push("is *"), "is ");
    assert_eq!(renderer.push("forty"), "");
    assert_eq!(named(&renderer.push("-two* or")), "<i>forty-two</> or");
    assert_eq!(renderer.push(" so"), " so");
    assert_eq!(renderer.finish(), "");
}

#[test]
fn a_model_cannot_write_to_the_terminal() {
    for renderer in [Renderer::new(true), Renderer::new(false)] {
        let mut renderer = renderer;
        let printed = renderer.push("a\u{1b}[31mb\u{9b}2J\rc\u{202E}d\t`\u{7}`\r\n\r") + &renderer.finish();
        let printed = printed.replace("\u{1b}[36m", "`").replace("\u{1b}[0m", "`");
        assert_eq!(printed, "a\u{FFFD}[31mb\u{FFFD}2J\u{FFFD}c\u{FFFD}d\t`\u{FFFD}`\n\u{FFFD}");
    }
}

#[test]
fn without_styles_the_text_stays_as_it_is() {
    let mut renderer = Renderer::new(false);
    let printed: String = DOCUMENT.chars().map(|c| renderer.push(c.encode_utf8(&mut [0; 4]))).collect();
    assert_eq!(printed + &renderer.finish(), DOCUMENT.replace('\r', ""));
}

#[test]
fn hostile_text_costs_linear_time() {
    let text = "*a [b `c ".repeat(20_000) + &"`".repeat(50_000) + &"\n> ".repeat(1000) + &"-".repeat(50_000);
    let began = std::time::Instant::now();
    let mut renderer = Renderer::new(true);
    let mut bytes = 0;
    for piece in text.as_bytes().chunks(4) {
        bytes += renderer.push(std::str::from_utf8(piece).unwrap()).len();
    }
    bytes += renderer.finish().len();
    assert!(bytes >= text.len() / 2, "{bytes}");
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

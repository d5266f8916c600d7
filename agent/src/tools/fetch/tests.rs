//! The tool as an agent calls it, against real servers on this machine. Names are made up by the test, and where the
//! rules for public addresses matter, one address of this machine plays the internet and all others are private.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use lorewell_model::{Part, ToolCall, ToolCx};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::request::{BODY_BYTES_MAX, moved};
use super::*;

/// The address that plays the internet.
const INTERNET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Tells whether an address is the internet of the test.
fn is_internet(address: IpAddr) -> bool {
    address == INTERNET
}

/// Serves pages until the test ends.
async fn serve(pages: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, pages).await.unwrap() });
    address
}

/// A tool that may fetch from one server of the test.
fn opened(address: SocketAddr) -> Arc<dyn Tool> {
    Fetch::new().allow_private(address.to_string()).tool().unwrap()
}

/// What the model gets, or is told instead.
async fn call(tool: &Arc<dyn Tool>, arguments: Value) -> Result<String, String> {
    let cx = ToolCx::new(ToolCall::new("1", "fetch_url", &arguments), "key");
    let output = tool.call(cx, arguments).await.map_err(|error| error.for_model("fetch_url"))?;
    assert_eq!(output.origin, Some(Origin::Web));
    match output.parts.as_slice() {
        [Part::Text(text)] => Ok(text.text.clone()),
        parts => panic!("{parts:?}"),
    }
}

async fn get_page(tool: &Arc<dyn Tool>, url: impl Into<String>) -> Result<String, String> {
    call(tool, json!({"url": url.into()})).await
}

#[track_caller]
fn told(result: Result<String, String>, words: &str) {
    let told = result.unwrap_err();
    assert!(told.contains(words), "{told}");
}

fn redirect(to: impl Into<String>) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to.into())]).into_response()
}

/// Names with scripted answers, each given once and the last one for good.
#[derive(Debug, Default)]
struct Names {
    answers: Mutex<HashMap<&'static str, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Names {
    fn new(name: &'static str, answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        let answers = answers.iter().rev().map(parse).collect();
        Arc::new(Self { answers: Mutex::new(HashMap::from([(name, answers)])), ..Self::default() })
    }

    /// A tool that resolves names in this way, on the internet of the test.
    fn tool(self: &Arc<Self>, fetch: &Fetch) -> Arc<dyn Tool> {
        let guard = Guard { is_public: is_internet, ..fetch.guard().unwrap() };
        fetch.made(guard, self.clone()).unwrap()
    }
}

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut names = self.answers.lock().unwrap();
        let answers = names.get_mut(name.trim_end_matches('.')).ok_or(io::ErrorKind::NotFound)?;
        Ok(if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() })
    }
}

#[test]
fn it_describes_itself() {
    let fetch =
        Fetch::new().allow_host("docs.rs").allow_private("[::1]:80").timeout(Duration::from_secs(90)).tool().unwrap();
    assert_eq!(fetch.access(), Access::NETWORK);
    assert!(fetch.spec().description.ends_with("Only from: docs.rs, [::1]:80."), "{}", fetch.spec().description);
    assert!(fetch.limits().timeout > Duration::from_secs(90));
    let wrong = Fetch::new().allow_host("a b").deny_host("https://c").allow_private("10.0.0.0/8").tool().err().unwrap();
    assert_eq!(wrong.kind(), Kind::Config);
    for name in ["`a b`", "`https://c`", "`10.0.0.0/8`"] {
        assert!(wrong.to_string().contains(name), "{wrong}");
    }
}

#[tokio::test]
async fn pages_are_read() {
    let html = || async { axum::response::Html("<title>Tea</title><h1>Tea</h1><p>See <a href='/json'>more</a>.") };
    let pages = Router::new()
        .route("/html", get(html))
        .route("/json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], "{\"a\": 1}") }))
        .route("/moved", get(|| async { redirect("a/b") }))
        .route("/a/b", get(|| async { redirect("../html#top") }))
        .route("/empty", get(|| async { StatusCode::NO_CONTENT }))
        .route("/png", get(|| async { ([(header::CONTENT_TYPE, "image/png")], "\u{89}PNG") }));
    let address = serve(pages).await;
    let tool = opened(address);
    let html = format!("http://{address}/html\ntitle: Tea\n\n# Tea\n\nSee [more](http://{address}/json).");
    assert_eq!(get_page(&tool, format!("http://{address}/html#part")).await, Ok(html.clone()));
    assert_eq!(
        get_page(&tool, format!("http://{address}/json")).await,
        Ok(format!("http://{address}/json\n{{\"a\": 1}}"))
    );
    assert_eq!(
        get_page(&tool, format!("http://{address}/empty")).await,
        Ok(format!("http://{address}/empty\n[empty]"))
    );
    let moved = get_page(&tool, format!("http://{address}/moved")).await.unwrap();
    assert!(moved.ends_with(html.split_once('\n').unwrap().1), "{moved}");
    told(get_page(&tool, format!("http://{address}/png")).await, "`image/png`, 5 bytes, and no text");
    told(get_page(&tool, format!("http://{address}/none")).await, "404 Not Found; there is no such page");
}

#[tokio::test]
async fn long_pages_are_read_in_parts() {
    let text = "é".repeat(WINDOW_BYTES);
    let page = text.clone();
    let address = serve(Router::new().route("/", get(move || async move { page }))).await;
    let (tool, url) = (opened(address), format!("http://{address}/"));
    let mut read = String::new();
    loop {
        let said = call(&tool, json!({"url": url, "start": read.len()})).await.unwrap();
        let [_, place, part] = said.splitn(3, '\n').collect::<Vec<_>>()[..] else { panic!("{said}") };
        assert!(place.starts_with(&format!("[bytes {}-", read.len())), "{place}");
        read.push_str(part);
        if !place.contains("go on with `start`") {
            break;
        }
        assert!(place.contains(&format!("`start` {}]", read.len())), "{place}");
    }
    assert_eq!(read, text);
    let within = call(&tool, json!({"url": url, "start": 1})).await.unwrap();
    assert!(within.contains("[bytes 0-"), "a start within a character is moved back");
    told(call(&tool, json!({"url": url, "start": text.len()})).await, "has only 65536 bytes");
    told(call(&tool, json!({"url": url, "start": -1})).await, "the arguments do not fit");
}

#[tokio::test]
async fn what_is_not_public_is_refused() {
    let tool = Names::new("metadata.example", &[&["169.254.169.254"]]).tool(&Fetch::new());
    for url in [
        "http://127.0.0.2/",
        "http://2130706434/",
        "http://0x7f.2/",
        "http://0177.0.0.2/",
        "http://127.2/",
        "http://127.0.0.2./",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.2]/",
        "http://[::ffff:7f00:2]/",
        "http://localhost/",
        "http://LOCALHOST.:8080/",
        "http://a.localhost/",
        "http://10.0.0.1/",
        "http://%31%32%37.0.0.2/",
        "http://①②⑦.0.0.2/",
        "http://metadata.example/",
        "https://metadata.example./",
    ] {
        let result = get_page(&tool, url).await;
        assert!(result.as_ref().is_err_and(|told| told.contains("not on the public internet")), "{url}: {result:?}");
        assert!(!result.unwrap_err().contains("169.254"), "no address is told");
    }
    for address in ["http://10.0.0.1/", "http://[fd00::1]/", "http://100.64.0.1/", "http://[64:ff9b::a00:1]/"] {
        told(get_page(&Fetch::new().tool().unwrap(), address).await, "not on the public internet");
    }
}

#[tokio::test]
async fn only_plain_addresses_of_the_web_are_fetched() {
    let tool = Names::default_tool();
    for (url, words) in [
        ("file:///etc/passwd", "only `http:` and `https:`"),
        ("ftp://example.com/", "only `http:` and `https:`"),
        ("data:text/plain,x", "only `http:` and `https:`"),
        ("javascript:alert(1)", "only `http:` and `https:`"),
        ("http://user@example.com/", "holds a name or a password"),
        ("http://example.com\u{9}:pass@example.org/", "holds a name or a password"),
        ("http://:secret@example.com/", "holds a name or a password"),
        ("http://example.com:22/", "port 22 is not fetched from"),
        ("http://example.com:6379/", "port 6379 is not fetched from"),
        ("example.com", "`url` is no address"),
        ("http://", "`url` is no address"),
        ("http://1.2.3.4.5/", "`url` is no address"),
        ("", "`url` is no address"),
    ] {
        told(get_page(&tool, url).await, words);
    }
    told(get_page(&tool, format!("http://example.com/{}", "x".repeat(5000))).await, "longer than 4096 bytes");
    told(call(&tool, json!({})).await, "missing field `url`");
}

impl Names {
    /// A tool for which there are no names at all.
    fn default_tool() -> Arc<dyn Tool> {
        Arc::new(Self::default()).tool(&Fetch::new())
    }
}

#[tokio::test]
async fn hosts_are_allowed_and_denied() {
    let address = serve(Router::new().route("/", get(|| async { "here" }))).await;
    let names = Names::new("a.example.com", &[&["127.0.0.1"]]);
    let fetch = Fetch::new().allow_port(address.port());
    let url = format!("http://a.example.com:{}/", address.port());
    for (fetch, is_allowed) in [
        (fetch.clone(), true),
        (fetch.clone().allow_host("*.example.com"), true),
        (fetch.clone().allow_host("docs.rs").allow_host("a.example.com"), true),
        (fetch.clone().allow_host("example.com"), false),
        (fetch.clone().deny_host("*.example.com"), false),
        (fetch.clone().allow_host("a.example.com").deny_host("a.example.com"), false),
        (fetch.clone().allow_private("a.example.com").deny_host("a.example.com"), false),
    ] {
        let result = get_page(&names.tool(&fetch), &url).await;
        assert_eq!(result.is_ok(), is_allowed, "{fetch:?}: {result:?}");
    }
    told(get_page(&names.tool(&Fetch::new()), &url).await, "is not fetched from");
    told(get_page(&names.tool(&fetch.allow_host("b.example")), &url).await, "not among those");
}

#[tokio::test]
async fn an_opening_holds_for_one_port() {
    let open = serve(Router::new().route("/", get(|| async { "open" }))).await;
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = hits.clone();
    let secret = get(move || async move { counted.fetch_add(1, Ordering::Relaxed).to_string() });
    let closed = serve(Router::new().route("/", secret)).await;
    // Neither address is the internet: both are private.
    let names = Names::new("intranet.example", &[&["127.0.0.1"]]);
    let fetch = Fetch::new().allow_private(format!("intranet.example:{}", open.port())).allow_port(closed.port());
    let tool = fetch.made(fetch.guard().unwrap(), names).unwrap();
    let page = get_page(&tool, format!("http://intranet.example:{}/", open.port())).await.unwrap();
    assert!(page.ends_with("\nopen"), "{page}");
    told(get_page(&tool, format!("http://intranet.example:{}/", closed.port())).await, "not on the public internet");
    told(get_page(&opened(open), format!("http://{closed}/")).await, "is not fetched from");
    assert_eq!(hits.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn redirects_pass_the_guard_each_time() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = hits.clone();
    let secret = serve(
        Router::new().route("/", get(move || async move { counted.fetch_add(1, Ordering::Relaxed).to_string() })),
    );
    let secret = secret.await;
    let to_secret = move || async move { redirect(format!("http://{secret}/")) };
    let pages = Router::new()
        .route("/secret", get(to_secret))
        .route("/twice", get(|| async { redirect("/secret") }))
        .route("/metadata", get(|| async { redirect("http://169.254.169.254/") }))
        .route("/name", get(|| async { redirect("http://rebound.example/") }))
        .route("/file", get(|| async { redirect("file:///etc/passwd") }))
        .route("/user", get(|| async { redirect("http://a:b@example.com/") }))
        .route("/loop", get(|| async { redirect("/loop") }))
        .route("/wrong", get(|| async { redirect("http://[") }))
        .route("/nowhere", get(|| async { StatusCode::FOUND }));
    let address = serve(pages).await;
    let names = Names::new("rebound.example", &[&["192.168.0.1"]]);
    let fetch = Fetch::new().allow_private(address.to_string());
    let tool = fetch.made(fetch.guard().unwrap(), names).unwrap();
    for (path, words) in [
        ("secret", "not followed: port"),
        ("twice", "not followed: port"),
        ("metadata", "not followed: this host is not on the public internet"),
        ("name", "not followed: this host is not on the public internet"),
        ("file", "not followed: only `http:`"),
        ("user", "not followed: the address holds"),
        ("loop", "sends on more than 10 times"),
        ("wrong", "to what is no address"),
        ("nowhere", "302 Found"),
    ] {
        told(get_page(&tool, format!("http://{address}/{path}")).await, words);
    }
    assert_eq!(hits.load(Ordering::Relaxed), 0);
}

#[test]
fn a_safe_connection_is_not_left_for_an_unsafe_one() {
    let step = |from: &str, to: &str| {
        let response = axum::http::Response::builder().status(301).header(header::LOCATION, to).body("").unwrap();
        moved(&from.parse().unwrap(), &reqwest::Response::from(response))
    };
    assert!(matches!(step("https://a.example/", "http://a.example/"), Err(Fault::Downgrade)));
    for (from, to) in [("https://a.example/", "//b.example/x"), ("http://a.example/", "https://b.example/x")] {
        assert_eq!(step(from, to).unwrap().unwrap().as_str(), "https://b.example/x");
    }
}

#[tokio::test]
async fn what_was_checked_is_what_is_connected_to() {
    let address = serve(Router::new().route("/", get(|| async { "first" }))).await;
    let url = format!("http://rebound.example:{}/", address.port());
    let fetch = Fetch::new().allow_port(address.port());

    // Public when it is looked at, private a moment later.
    let names = Names::new("rebound.example", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let tool = names.tool(&fetch);
    assert!(get_page(&tool, &url).await.unwrap().ends_with("\nfirst"));
    assert_eq!(names.asked.load(Ordering::Relaxed), 1, "there is no second answer that could be another one");
    told(get_page(&tool, &url).await, "not on the public internet");

    // One private address among public ones.
    for mixed in [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::1"]] {
        let tool = Names::new("rebound.example", &[&mixed]).tool(&fetch);
        told(get_page(&tool, &url).await, "not on the public internet");
    }
}

#[tokio::test]
async fn pages_that_never_end_are_given_up() {
    let endless =
        || async { Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b'x'; 1 << 16])))) };
    let stuck = || async {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"begin"))]);
        Body::from_stream(futures_util::StreamExt::chain(first, stream::pending()))
    };
    let pages = Router::new()
        .route("/endless", get(endless))
        .route("/zip", get(move || async move { ([(header::CONTENT_TYPE, "application/zip")], endless().await) }))
        .route("/stuck", get(stuck))
        .route("/silent", get(std::future::pending::<String>));
    let address = serve(pages).await;
    let page =
        call(&opened(address), json!({"url": format!("http://{address}/endless"), "start": BODY_BYTES_MAX - 3})).await;
    let page = page.unwrap();
    assert!(page.ends_with("]\nxxx\n[cut: no more than 4194304 bytes of a page are read]"), "{page}");
    let told_at_once = get_page(&opened(address), format!("http://{address}/zip")).await;
    told(told_at_once, "`application/zip`, of unknown length");
    let hasty = Fetch::new().allow_private(address.to_string()).timeout(Duration::from_millis(300)).tool().unwrap();
    for path in ["stuck", "silent"] {
        told(get_page(&hasty, format!("http://{address}/{path}")).await, "took longer than 0.3 s");
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[tokio::test]
async fn packed_pages_are_unpacked_up_to_a_limit() {
    let page = |encoding: &'static str, bytes: Vec<u8>| {
        get(
            move || async move { ([(header::CONTENT_ENCODING, encoding), (header::CONTENT_TYPE, "text/plain")], bytes) },
        )
    };
    let cut = packed(b"a page that was cut off on its way")[..20].to_vec();
    let pages = Router::new()
        .route("/packed", page("gzip", packed(b"unpacked")))
        .route("/bomb", page("GZIP", packed(&vec![b'x'; 64 << 20])))
        .route("/cut", page("gzip", cut))
        .route("/no", page("gzip", b"not packed".to_vec()))
        .route("/brotli", page("br", b"?".to_vec()))
        .route("/plain", page("identity", b"plain".to_vec()));
    let address = serve(pages).await;
    let tool = opened(address);
    let page = async |path: &str| get_page(&tool, format!("http://{address}/{path}")).await;
    assert!(page("packed").await.unwrap().ends_with("\nunpacked"));
    assert!(page("plain").await.unwrap().ends_with("\nplain"));
    let bomb = page("bomb").await.unwrap();
    assert!(
        bomb.contains(&format!(
            "[bytes 0-32768 of {}",
            BODY_BYTES_MAX + "\n[cut: no more than 4194304 bytes of a page are read]".len()
        )),
        "{}",
        &bomb[..100]
    );
    told(page("cut").await, "broke off");
    told(page("no").await, "broke off");
    told(page("brotli").await, "packed as `br`");
}

#[tokio::test]
async fn nothing_is_told_to_the_host() {
    let echo = |headers: HeaderMap| async move {
        let names: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        names.join("\n")
    };
    let cookie = || async { (StatusCode::FOUND, [(header::SET_COOKIE, "id=1"), (header::LOCATION, "/")]) };
    let address = serve(Router::new().route("/", get(echo)).route("/cookie", get(cookie))).await;
    let said = get_page(&opened(address), format!("http://{address}/cookie")).await.unwrap();
    let mut names: Vec<&str> = said.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"]);
    assert!(said.contains(&format!("user-agent: lorewell/{} (+https://", env!("CARGO_PKG_VERSION"))), "{said}");
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_words() {
    let pages =
        Router::new().route(
            "/{status}",
            get(|axum::extract::Path(status): axum::extract::Path<u16>| async move {
                StatusCode::from_u16(status).unwrap()
            }),
        );
    let address = serve(pages).await;
    let tool = opened(address);
    for (status, words) in [
        (403, "403 Forbidden; the page is not open to everyone"),
        (410, "410 Gone; there is no such page"),
        (418, "the host answered with 418 I'm a teapot"),
        (429, "429 Too Many Requests; the host asks for fewer requests"),
        (503, "503 Service Unavailable; the fault is the host's"),
    ] {
        told(get_page(&tool, format!("http://{address}/{status}")).await, words);
    }
    told(get_page(&tool, format!("https://{address}/")).await, "the connection is not safe: received corrupt message");
    told(get_page(&Names::default_tool(), "https://nowhere.example/").await, "there is no such host");
    let nobody = "127.0.0.1:1".parse().unwrap(); // no one listens there
    let refused = get_page(&opened(nobody), format!("http://{nobody}/")).await.unwrap_err();
    assert_eq!(refused, "the host cannot be reached, or does not answer at this port");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_page() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhalf";
        tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
    });
    told(get_page(&opened(address), format!("http://{address}/")).await, "broke off");
}

/// Set for the process that `proxies_of_the_environment_are_not_used` starts.
const CHILD: &str = "LOREWELL_FETCH_CHILD";

#[test]
fn proxies_of_the_environment_are_not_used() {
    let name = "tools::fetch::tests::proxies_of_the_environment_are_not_used";
    if let Ok(page) = std::env::var(CHILD) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address: SocketAddr = page.parse().unwrap();
        let said = runtime.block_on(get_page(&opened(address), format!("http://{address}/"))).unwrap();
        assert!(said.ends_with("\ndirect"), "{said}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let page = runtime.block_on(serve(Router::new().fallback(|| async { "direct" })));
    let proxy = runtime.block_on(serve(Router::new().fallback(|| async { "by proxy" })));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([name, "--exact"]).env(CHILD, page.to_string()).env_remove("NO_PROXY").env_remove("no_proxy");
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(variable, format!("http://{proxy}"));
    }
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

//! Somebody in front of the door, with a browser's habits: a cookie jar, the headers of a navigation, forms filled in as shown.

use std::time::Duration;

use bytes::Bytes;
use doorward::wire::body::Body;
use doorward::wire::cookie::SESSION;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::kit::form::Form;
use crate::kit::gateway::{Person, Reach, within};
use crate::kit::line::{Line, Protocol};

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

/// Somebody in front of the door. A clone is another tab of the same browser as of then.
#[derive(Clone)]
pub struct Visitor {
    pub reach: Reach,
    pub host: String,
    pub protocol: Protocol,
    jar: Vec<(String, String)>,
    /// What a proxy says of where they are.
    address: Option<String>,
}

impl Visitor {
    /// A fresh browser at `host`.
    pub fn new(reach: Reach, host: &str) -> Self {
        Self { reach, host: host.to_owned(), protocol: Protocol::Http1, jar: Vec::new(), address: None }
    }

    /// The same at another address, as a trusted proxy says.
    pub fn at(mut self, address: &str) -> Self {
        self.address = Some(address.to_owned());
        self
    }

    /// The same, over the other protocol.
    pub fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Host and port as a browser writes them.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.reach.https.port())
    }

    /// A request as a program would make it.
    pub fn call(&self, method: &str, path: &str) -> Request<Body> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let uri = format!("https://{}{path}", self.authority());
        Request::builder().method(method).uri(uri).header(ACCEPT, "*/*").body(Body::Empty).expect("a request")
    }

    /// A request as a tab would make it.
    pub fn navigation(&self, method: &str, path: &str) -> Request<Body> {
        let mut request = self.call(method, path);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8".parse().expect("a value"));
        for (name, value) in [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-site", "same-origin")] {
            headers.insert(name, value.parse().expect("a value"));
        }
        request
    }

    /// Opens a page in a tab.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(self.navigation("GET", path)).await
    }

    /// Fetches as a program.
    pub async fn fetch(&mut self, method: &str, path: &str) -> Answer {
        self.send(self.call(method, path)).await
    }

    /// Sends a form to where it says, from the page at `path`.
    pub async fn submit(&mut self, path: &str, form: &Form) -> Answer {
        let mut request = self.navigation("POST", form.action.as_deref().unwrap_or(path));
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().expect("a value"));
        headers.insert(ORIGIN, format!("https://{}", self.authority()).parse().expect("a value"));
        *request.body_mut() = Body::from(form.encoded());
        self.send(request).await
    }

    /// Sends a request over a connection of its own and reads the whole answer.
    pub async fn send(&mut self, request: Request<Body>) -> Answer {
        let mut line = self.line().await;
        self.send_on(&mut line, request).await
    }

    /// The same over a connection that is already there.
    pub async fn send_on(&mut self, line: &mut Line, request: Request<Body>) -> Answer {
        let response = self.start_on(line, request).await;
        within("the rest of an answer", read(response)).await.expect("a whole answer")
    }

    /// Sends a request and waits for the head of the answer only.
    pub async fn start_on(&mut self, line: &mut Line, request: Request<Body>) -> Response<Incoming> {
        let response = within("an answer", line.send(self.dressed(request))).await.expect("an answer");
        self.keep_cookies(response.headers());
        response
    }

    /// A connection to this visitor's host.
    pub async fn line(&self) -> Line {
        Line::open(&self.reach, &self.host, self.protocol).await
    }

    /// A request with the cookies of this visitor and its target as the protocol writes it.
    pub fn dressed(&self, mut request: Request<Body>) -> Request<Body> {
        if !self.jar.is_empty() && !request.headers().contains_key(COOKIE) {
            let cookies = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
            request.headers_mut().insert(COOKIE, cookies.parse().expect("a value"));
        }
        if let Some(address) = &self.address {
            request.headers_mut().insert("x-forwarded-for", address.parse().expect("a value"));
        }
        if self.protocol == Protocol::Http1 {
            let host = request.uri().authority().expect("made with one").as_str().parse().expect("a value");
            request.headers_mut().entry(HOST).or_insert(host);
            let target = request.uri().path_and_query().expect("made with one").clone();
            *request.uri_mut() = Uri::from(target);
        }
        request
    }

    /// Walks through the sign-in pages; ends on the page that leads on.
    pub async fn sign_in(&mut self, person: &Person) -> Answer {
        let code = self.pass_password(person, "/.doorward/login").await;
        self.pass_code(person, &code).await
    }

    /// The same in a browser that is signed in: begins where a form was left open in another tab.
    pub async fn sign_in_again(&mut self, person: &Person) -> Answer {
        let session = self.session_cookie().expect("signed in").to_owned();
        self.forget(SESSION);
        let code = self.pass_password(person, "/.doorward/login").await;
        self.set_cookie(SESSION, &session);
        self.pass_code(person, &code).await
    }

    /// Comes to this host by way of `portal`, where the same browser is signed in, and holds a session here afterwards.
    pub async fn follow(&mut self, portal: &mut Self) {
        let answer = self.get("/").await;
        assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.text());
        let answer = portal.get(&portal.own_path(answer.location())).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.text());
        let answer = self.get(&self.own_path(answer.location())).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::FOUND, "/"), "{}", answer.text());
        assert!(self.session_cookie().is_some(), "signed in here too");
    }

    /// The path of a URL of this visitor's host.
    pub fn own_path(&self, url: &str) -> String {
        let path = url.strip_prefix(&format!("https://{}", self.authority()));
        path.unwrap_or_else(|| panic!("{url} is not on {}", self.host)).to_owned()
    }

    /// Name and password; the address of the second step.
    pub async fn pass_password(&mut self, person: &Person, login: &str) -> String {
        let form = Form::of(&self.get(login).await.text());
        let answer = self.submit(login, &form.with("name", &person.name).with("password", &person.password)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        answer.location().to_owned()
    }

    /// The code; the answer that brings the session.
    pub async fn pass_code(&mut self, person: &Person, step: &str) -> Answer {
        let form = Form::of(&self.get(step).await.text());
        let answer = self.submit(step, &form.with("code", &person.code(self.reach.clock.now()))).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        assert!(self.session_cookie().is_some(), "signed in");
        answer
    }

    /// The session's token, if there is one in the jar.
    pub fn session_cookie(&self) -> Option<&str> {
        self.cookie(SESSION)
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.jar.retain(|(key, _)| key != name);
        self.jar.push((name.to_owned(), value.to_owned()));
    }

    pub fn forget(&mut self, name: &str) {
        self.jar.retain(|(key, _)| key != name);
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            let parsed = cookie::Cookie::parse(line.to_str().expect("ASCII").to_owned()).expect("a cookie");
            if parsed.max_age().is_some_and(|age| age.is_zero()) {
                self.forget(parsed.name());
            } else {
                self.set_cookie(parsed.name(), parsed.value());
            }
        }
    }
}

/// Reads the body of an answer to its end.
pub async fn read(response: Response<Incoming>) -> hyper::Result<Answer> {
    let (head, body) = response.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned();
    Ok(Answer { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers })
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| panic!("{fault}: {}", self.text()))
    }
}

pub fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

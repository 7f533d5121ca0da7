//! One keep-alive connection to the service: one request after another. It knows HTTP and not the service's operations.

use std::rc::Rc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

/// The service's address and credentials.
#[derive(Clone)]
pub(crate) struct Target {
    authority: Rc<str>,
    api_key: Rc<str>,
    /// The webhook secret.
    pub(crate) webhook_secret: Rc<str>,
}

impl Target {
    /// Accepts only a `base_url` of the form `http://HOST:PORT`.
    pub(crate) fn new(base_url: &str, api_key: &str, webhook_secret: &str) -> Result<Self, String> {
        let authority = base_url.trim_end_matches('/').strip_prefix("http://");
        let authority = authority.filter(|rest| rest.contains(':') && !rest.contains('/'));
        Ok(Self {
            authority: authority.ok_or("BASE_URL must be http://HOST:PORT")?.into(),
            api_key: api_key.into(),
            webhook_secret: webhook_secret.into(),
        })
    }
}

/// A connection, which reconnects after a failure.
pub(crate) struct Connection {
    pub(crate) target: Target,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Result<Self, String> {
        let sender = connect(target).await?;
        Ok(Self {
            target: target.clone(),
            sender,
        })
    }

    /// Sends a request; returns the response's body, if it has this status.
    ///
    /// An empty `body` sends none. `signature` is the header that replaces the API key.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        signature: Option<String>,
        status: StatusCode,
    ) -> Result<Bytes, String> {
        if self.sender.is_closed() {
            self.sender = connect(&self.target).await?;
        }
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &*self.target.authority);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(signature) = signature {
            request = request.header("x-webhook-signature", signature);
        } else if !self.target.api_key.is_empty() {
            request = request.header("x-api-key", &*self.target.api_key);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let answer = self
            .sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        let got = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        if got == status {
            Ok(body)
        } else {
            Err(format!("{got}: {}", String::from_utf8_lossy(&body)))
        }
    }
}

async fn connect(target: &Target) -> Result<SendRequest<Full<Bytes>>, String> {
    let cannot = |error: &dyn std::error::Error| format!("cannot connect to {}: {error}", target.authority);
    let stream = TcpStream::connect(&*target.authority)
        .await
        .map_err(|error| cannot(&error))?;
    stream.set_nodelay(true).map_err(|error| cannot(&error))?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| cannot(&error))?;
    // An error of the connection is returned to the request in flight.
    spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

//! The documentation: Swagger UI and the contract that it shows.
//!
//! It serves the files that `build.rs` prepared, with their headers. It does not interpret the contract. All files are
//! embedded in the binary, so nothing here reads a disk.

use std::borrow::Cow;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use rust_embed::{Embed, EmbeddedFile};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::Problem;
use super::problem::pages;

#[cfg(test)]
mod yaml_to_json;

/// The contract, byte for byte as it is in the repository.
pub const CONTRACT_YAML: &str = include_str!("../../openapi.yaml");

/// The files that `build.rs` prepared, by path.
#[derive(Embed)]
#[folder = "$OUT_DIR/docs"]
struct Files;

/// The folder of the assets. Their names contain a hash of their content.
const ASSETS: &str = "assets/";

/// The Content-Security-Policy of every file, in place of the stricter one of all other responses.
///
/// It lets the page load files from this server and call it, and no other server. Swagger UI's images are `data:` URLs
/// in its style sheet.
const POLICY: [(HeaderName, &str); 1] = [(
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)];

/// The contract as JSON; empty if `build.rs` did not write it.
pub(super) fn contract_json() -> Cow<'static, [u8]> {
    Files::get("openapi.json").map_or_else(Cow::default, |file| file.data)
}

/// The routes of the documentation: `/`, `/docs`, the page's assets, `/openapi.yaml` and `/openapi.json`.
pub(super) fn router() -> Router {
    let file = |path: &'static str| get(async move |headers: HeaderMap| serve(path, &headers));
    let asset = async |name: Result<Path<String>, PathRejection>, headers: HeaderMap| match name {
        Ok(Path(name)) => serve(&format!("{ASSETS}{name}"), &headers),
        // A name that is not valid UTF-8 does not exist either.
        Err(_) => Problem::not_found().into_response(),
    };
    Router::new()
        // Temporary: the root may change, and browsers cache a permanent redirect indefinitely.
        // All redirects are relative, so that they are right behind a path prefix as well.
        .route("/", get(async || Redirect::temporary("docs")))
        .route("/docs", file("index.html"))
        // Permanent: these are other spellings of the same pages, whose relative links would lead elsewhere there.
        .route("/docs/", get(async || Redirect::permanent("../docs")))
        .route("/problems/", get(async || Redirect::permanent("../problems")))
        .route("/problems/{name}/", get(problem_page))
        .route("/docs/{asset}", get(asset))
        .route("/openapi.yaml", file("openapi.yaml"))
        .route("/openapi.json", file("openapi.json"))
        // The quickest level, for it runs on the runtime's threads: the largest file takes some 10 ms.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
}

/// The one spelling of the page of an error type.
async fn problem_page(name: Result<Path<String>, PathRejection>) -> Response {
    match name {
        Ok(Path(name)) if pages::one(&name).is_some() => Redirect::permanent(&format!("../{name}")).into_response(),
        Ok(_) | Err(_) => Problem::not_found().into_response(),
    }
}

/// Whether this is the path of a page or of a file that belongs to one: a slash at its end makes it another path.
pub(super) fn has_one_spelling(path: &str) -> bool {
    ["/docs", "/openapi.", "/problems"]
        .iter()
        .any(|begin| path.starts_with(begin))
}

/// Whether this route belongs to the documentation.
pub(super) fn is_route(route: &str) -> bool {
    matches!(route, "/" | "/openapi.yaml" | "/openapi.json") || route.starts_with("/docs")
}

/// Responds with the file at `path`, or with 304 where the client has it already.
fn serve(path: &str, request: &HeaderMap) -> Response {
    let Some(file) = Files::get(path) else {
        return Problem::not_found().into_response();
    };
    let etag = entity_tag(&file);
    // A 304 carries the headers that a cache updates (RFC 9110, section 15.4.5).
    let caching = [(header::CACHE_CONTROL, cache_control(path)), (header::ETAG, &etag)];
    if let (Some(known), Ok(etag)) = (request.typed_get::<IfNoneMatch>(), etag.parse::<ETag>())
        && !known.precondition_passes(&etag)
    {
        return (StatusCode::NOT_MODIFIED, POLICY, caching).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, media_type(path))];
    let body = match file.data {
        Cow::Borrowed(embedded) => Bytes::from_static(embedded),
        Cow::Owned(read) => Bytes::from(read),
    };
    (POLICY, caching, content_type, body).into_response()
}

/// The file's hash, as a weak tag: compressed and plain responses share it (RFC 9110, section 8.8.3.3).
fn entity_tag(file: &EmbeddedFile) -> String {
    format!("W/\"{}\"", hex::encode(file.metadata.sha256_hash()))
}

/// Assets are cached for a year, since their names change with their content. All else is revalidated each time, which
/// costs a 304.
fn cache_control(path: &str) -> &'static str {
    if path.starts_with(ASSETS) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8", // RFC 9239
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("yaml") => "application/yaml", // RFC 9512
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::{body::Body, http::Request};
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    struct Received {
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    }

    impl Received {
        fn header(&self, name: HeaderName) -> &str {
            self.headers.get(name).map_or("", |value| value.to_str().unwrap())
        }
    }

    async fn request(method: &str, path: &str, headers: &[(HeaderName, &str)]) -> Received {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let response = router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Received {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn get(path: &str, headers: &[(HeaderName, &str)]) -> Received {
        request("GET", path, headers).await
    }

    /// The paths of the assets that the page links to, in its order.
    async fn assets() -> Vec<String> {
        let page = String::from_utf8(get("/docs", &[]).await.body.to_vec()).unwrap();
        let links = page.split('"').filter(|text| text.starts_with("docs/"));
        links.map(|link| format!("/{link}")).collect()
    }

    async fn every_file() -> Vec<String> {
        let mut paths = assets().await;
        paths.extend(["/docs", "/openapi.yaml", "/openapi.json"].map(str::to_owned));
        paths
    }

    #[tokio::test]
    async fn the_root_and_a_trailing_slash_redirect_to_the_page_relatively() {
        for (path, status, location) in [
            ("/", StatusCode::TEMPORARY_REDIRECT, "docs"),
            ("/docs/", StatusCode::PERMANENT_REDIRECT, "../docs"),
            ("/problems/", StatusCode::PERMANENT_REDIRECT, "../problems"),
            ("/problems/not-found/", StatusCode::PERMANENT_REDIRECT, "../not-found"),
        ] {
            let answer = get(path, &[]).await;
            assert_eq!(
                (answer.status, answer.header(header::LOCATION)),
                (status, location),
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn the_page_has_the_contracts_title_and_all_its_assets() {
        let page = get("/docs", &[]).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(page.header(header::CACHE_CONTROL), "no-cache");

        let contract: Value = serde_json::from_slice(&get("/openapi.json", &[]).await.body).unwrap();
        let title = contract["info"]["title"].as_str().unwrap().replace('&', "&amp;");
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(page.contains(&format!("<title>{title}</title>")), "{page}");

        let mut media_types = Vec::new();
        for path in assets().await {
            let asset = get(&path, &[]).await;
            assert_eq!(asset.status, StatusCode::OK, "{path}");
            assert_eq!(
                asset.header(header::CACHE_CONTROL),
                "public, max-age=31536000, immutable",
                "{path}"
            );
            media_types.push(asset.header(header::CONTENT_TYPE).to_owned());
        }
        media_types.sort_unstable();
        media_types.dedup();
        assert_eq!(
            media_types,
            [
                "image/svg+xml",
                "text/css; charset=utf-8",
                "text/javascript; charset=utf-8",
                "text/plain; charset=utf-8"
            ]
        );
    }

    #[tokio::test]
    async fn the_contract_is_served_byte_for_byte_and_as_json_of_the_same_value() {
        let yaml = get("/openapi.yaml", &[]).await;
        assert_eq!(yaml.header(header::CONTENT_TYPE), "application/yaml");
        assert_eq!(yaml.header(header::CACHE_CONTROL), "no-cache");
        assert_eq!(yaml.body, CONTRACT_YAML);
        let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml")).unwrap();
        assert_eq!(yaml.body, file);

        let json = get("/openapi.json", &[]).await;
        assert_eq!(json.header(header::CONTENT_TYPE), "application/json");
        assert_eq!(json.header(header::CACHE_CONTROL), "no-cache");
        // A YAML parser other than the build's.
        let from_yaml: Value = serde_saphyr::from_str(CONTRACT_YAML).unwrap();
        let from_json: Value = serde_json::from_slice(&json.body).unwrap();
        assert_eq!(from_json, from_yaml);
    }

    #[tokio::test]
    async fn a_compressed_response_is_the_same_file() {
        for path in every_file().await {
            let identity = get(&path, &[]).await;
            assert_eq!(identity.headers.get(header::CONTENT_ENCODING), None, "{path}");
            let coded = get(&path, &[(header::ACCEPT_ENCODING, "gzip")]).await;
            assert_eq!(coded.header(header::CONTENT_ENCODING), "gzip", "{path}");
            assert_eq!(coded.header(header::VARY), "accept-encoding", "{path}");
            for name in [header::CONTENT_TYPE, header::ETAG, header::CACHE_CONTROL] {
                assert_eq!(coded.headers.get(&name), identity.headers.get(&name), "{path} {name}");
            }
            let mut content = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&*coded.body);
            decoder.read_to_end(&mut content).unwrap();
            assert_eq!(content, identity.body, "{path}");
        }
    }

    #[tokio::test]
    async fn a_file_the_client_has_already_is_answered_with_304() {
        for path in every_file().await {
            let first = get(&path, &[]).await;
            let etag = first.header(header::ETAG);
            assert!(etag.starts_with("W/\"") && etag.len() == 68, "{etag}");

            for known in [etag.to_owned(), format!("\"x\", {etag}"), "*".to_owned()] {
                let again = get(&path, &[(header::IF_NONE_MATCH, &known)]).await;
                assert_eq!(
                    (again.status, again.body.len()),
                    (StatusCode::NOT_MODIFIED, 0),
                    "{path}"
                );
                for name in [header::ETAG, header::CACHE_CONTROL, header::CONTENT_SECURITY_POLICY] {
                    assert_eq!(again.headers.get(&name), first.headers.get(&name), "{path} {name}");
                }
            }
            let other = get(&path, &[(header::IF_NONE_MATCH, "\"x\"")]).await;
            assert_eq!((other.status, &other.body), (StatusCode::OK, &first.body), "{path}");
        }
    }

    #[tokio::test]
    async fn head_answers_like_get_without_the_body() {
        for path in every_file().await {
            let (get, head) = (get(&path, &[]).await, request("HEAD", &path, &[]).await);
            assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
            assert_eq!(head.headers, get.headers, "{path}");
            assert_eq!(
                head.header(header::CONTENT_LENGTH),
                get.body.len().to_string(),
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn every_file_comes_with_a_strict_policy() {
        for path in every_file().await {
            let answer = get(&path, &[]).await;
            let policy = answer.header(header::CONTENT_SECURITY_POLICY);
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
                "{path}: {policy}"
            );
            assert!(
                !policy.contains("unsafe") && !policy.contains("http"),
                "{path}: {policy}"
            );
        }
    }

    #[tokio::test]
    async fn other_paths_below_docs_are_not_found() {
        let unhashed = "/docs/swagger-ui.css";
        let outside = [
            "/docs/index.html",
            "/docs/openapi.json",
            "/docs/..%2Findex.html",
            "/docs/..%5Cindex.html",
        ];
        let undecodable = "/docs/%FF";
        let asset = assets().await.remove(0);
        let climbing = asset.replacen("/docs/", "/docs/..%2Fassets%2F", 1);
        for path in outside.into_iter().chain([unhashed, undecodable, "/docs/x", &climbing]) {
            let answer = get(path, &[]).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(
                answer.header(header::CONTENT_TYPE),
                "application/problem+json",
                "{path}"
            );
        }
    }
}

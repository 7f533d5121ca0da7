//! A server that returns what it receives, for both contracts. One macro makes both, so no contract needs its own code.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use tower::ServiceExt;

/// The largest body, in bytes, where the contract allows no larger one.
pub(crate) const BYTES_MAX: usize = 2_000_000;

macro_rules! echo {
    ($contract:ident) => {
        pub(crate) mod $contract {
            use axum::body::{Body as RequestBody, Bytes, to_bytes};
            use axum::http::request::Parts;
            use axum::response::{IntoResponse, Response};
            use $contract::apis::side_notes::*;
            use $contract::apis::things::*;
            use $contract::apis::{Api, SecurityScheme};
            use $contract::models::*;
            use $contract::read::{Failures, Place, Pointer, Read, Rejection};
            use $contract::respond::Body;

            #[derive(Clone)]
            pub(crate) struct Echo;

            /// A line for each failure: `#` and the pointer, or `?` and the parameter, then the detail.
            pub(crate) struct Refused(Rejection);

            impl From<Rejection> for Refused {
                fn from(rejection: Rejection) -> Self {
                    Self(rejection)
                }
            }

            impl IntoResponse for Refused {
                fn into_response(self) -> Response {
                    let (status, text) = match self.0 {
                        Rejection::UnsupportedMediaType => (415, String::new()),
                        Rejection::UnsupportedContentEncoding => (415, "encoded".to_owned()),
                        Rejection::MalformedJson(text) => (400, text),
                        Rejection::Unwritable(error) => (500, error.to_string()),
                        Rejection::Invalid(failures) => {
                            let line = |failure: &$contract::read::Failure| match &failure.place {
                                Place::Pointer(at) => format!("#{at} {}", failure.detail),
                                Place::Parameter(name) => format!("?{name} {}", failure.detail),
                            };
                            (422, failures.iter().map(line).collect::<Vec<_>>().join("\n"))
                        }
                    };
                    (axum::http::StatusCode::from_u16(status).unwrap(), text).into_response()
                }
            }

            impl Api for Echo {
                type Error = Refused;
                type Caller = String;

                fn authorize(&self, scheme: SecurityScheme, head: &Parts) -> Result<String, Refused> {
                    let SecurityScheme::Key = scheme;
                    let key = head.headers.get("x-key");
                    let key = key.map(|key| key.to_str().unwrap().to_owned());
                    key.ok_or_else(|| rejected("no key"))
                }

                async fn receive(&self, body: RequestBody, bytes_max: Option<usize>) -> Result<Bytes, Refused> {
                    to_bytes(body, bytes_max.unwrap_or_default().max(super::BYTES_MAX))
                        .await
                        .map_err(|error| rejected(&error.to_string()))
                }

                fn verify(&self, scheme: SecurityScheme, _: &Parts, body: &Bytes) -> Result<(), Refused> {
                    let SecurityScheme::Key = scheme;
                    match body.starts_with(b"forged") {
                        true => Err(rejected("invalid signature")),
                        false => Ok(()),
                    }
                }
            }

            fn rejected(text: &str) -> Refused {
                Refused(Rejection::MalformedJson(text.to_owned()))
            }

            impl Things for Echo {
                async fn create_thing(&self, body: Thing) -> Result<CreateThingResponse, Refused> {
                    Ok(CreateThingResponse::Status200 { body })
                }

                async fn check_strings(&self, body: Strings) -> Result<CheckStringsResponse, Refused> {
                    Ok(CheckStringsResponse::Status200 { body })
                }

                async fn check_numbers(&self, body: Numbers) -> Result<CheckNumbersResponse, Refused> {
                    Ok(CheckNumbersResponse::Status200 { body })
                }

                async fn check_open(&self, body: Open) -> Result<CheckOpenResponse, Refused> {
                    Ok(CheckOpenResponse::Status200 { body })
                }

                async fn guard(&self, caller: String, body: Anything, bytes: Bytes) -> Result<GuardResponse, Refused> {
                    let mut failures = Failures::default();
                    let at = Pointer::Member(&Pointer::Root, "data");
                    if let Some(data) = &body.data {
                        // This text asks the server for a stored response; the contract gives it no meaning.
                        if data.get().get() == "\"stored\"" {
                            let body = Body::Written(bytes);
                            return Ok(GuardResponse::Status200 {
                                body,
                                x_caller: caller,
                            });
                        }
                        let data = EventData::read(data.get(), at, &mut failures);
                        failures.accept(data)?;
                    }
                    let body = Body::Value(body);
                    Ok(GuardResponse::Status200 {
                        body,
                        x_caller: caller,
                    })
                }

                async fn guard_nothing(&self, _: String) -> Result<GuardNothingResponse, Refused> {
                    Ok(GuardNothingResponse::Status204)
                }

                async fn get_thing(&self, params: GetThingParams) -> Result<GetThingResponse, Refused> {
                    if params.if_none_match.as_deref() == Some("\"same\"") {
                        return Ok(GetThingResponse::Status304 {
                            e_tag: "\"same\"".to_owned(),
                        });
                    }
                    let all = params.id == 1;
                    Ok(GetThingResponse::Status200 {
                        body: Note {
                            text: params.id.to_string(),
                        },
                        x_text: if params.id == 3 {
                            "two\nlines".to_owned()
                        } else {
                            "text".to_owned()
                        },
                        x_count: i64::MAX,
                        x_maybe_text: all.then(|| "perhaps".to_owned()),
                        x_maybe_count: all.then_some(-7),
                    })
                }

                async fn put_thing(&self, params: PutThingParams, body: Note) -> Result<PutThingResponse, Refused> {
                    let location = format!("/things/{}?dry_run={}", params.id, params.dry_run);
                    Ok(PutThingResponse::Status201 { body, location })
                }

                async fn delete_thing(&self, _: DeleteThingParams) -> Result<DeleteThingResponse, Refused> {
                    Ok(DeleteThingResponse::Status204)
                }

                async fn patch_thing(&self, _: PatchThingParams, body: Nested) -> Result<PatchThingResponse, Refused> {
                    Ok(PatchThingResponse::Status200 { body })
                }
            }

            impl SideNotes for Echo {
                async fn list_notes(&self, params: ListNotesParams) -> Result<ListNotesResponse, Refused> {
                    Ok(ListNotesResponse::Status200 {
                        body: Note {
                            text: format!("{params:?}"),
                        },
                    })
                }

                async fn get_name(&self, params: GetNameParams) -> Result<GetNameResponse, Refused> {
                    Ok(GetNameResponse::Status200 {
                        body: format!("<p>{}, {}", params.name, params.color.as_str()),
                    })
                }

                async fn ping(&self) -> Result<PingResponse, Refused> {
                    Ok(PingResponse::Status204)
                }
            }

            pub(crate) fn router() -> axum::Router {
                $contract::server::new(Echo)
            }
        }
    };
}

echo!(fixture);
echo!(changed);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn ask(router: Router, request: Request<Body>) -> Answer {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async {
            let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
            let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
            Answer {
                status: parts.status.as_u16(),
                headers: parts.headers,
                text,
            }
        })
}

/// A request with a JSON body.
pub(crate) fn json(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

pub(crate) fn send(method: &str, path: &str, body: impl Into<Body>) -> Answer {
    ask(fixture::router(), json(method, path, body))
}

/// Sends the body and expects it back unchanged.
#[track_caller]
pub(crate) fn accepted(method: &str, path: &str, body: &str) {
    let answer = send(method, path, body.to_owned());
    assert_eq!((answer.status, answer.text.as_str()), (200, body), "{path} {body}");
}

/// Sends the body and expects exactly these failures.
#[track_caller]
pub(crate) fn refused(method: &str, path: &str, body: impl Into<String>, failures: &[&str]) {
    let body = body.into();
    let answer = send(method, path, body.clone());
    assert_eq!(
        (answer.status, answer.text),
        (422, failures.join("\n")),
        "{path} {body}"
    );
}

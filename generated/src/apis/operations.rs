//! Operations: Health, readiness, and the meaning of the errors.

#![allow(unused_imports, reason = "one list of imports serves every tag")]

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::request;
use axum::response::Response;
use regex::Regex;
use validator::{Validate, ValidationError};

use super::Api;
use crate::models;
use crate::read::{self, Failures, Parameters, Rejection};
use crate::respond;
use crate::types::{Decimal, Timestamp};

/// Health, readiness, and the meaning of the errors.
pub trait Operations: Api {
    /// Is the process alive?.
    ///
    /// Answers 200 as long as the process serves requests; does not use the database.
    fn get_health(&self) -> impl Future<Output = Result<GetHealthResponse, Self::Error>> + Send;

    /// One error type, for people.
    ///
    /// A few lines on one error type; a problem's `type` member is the path of its page.
    fn get_problem(
        &self,
        params: GetProblemParams,
    ) -> impl Future<Output = Result<GetProblemResponse, Self::Error>> + Send;

    /// Is the service ready for work?.
    ///
    /// Answers 200 if the database answers a query and the writer takes work, else 503.
    fn get_readiness(&self) -> impl Future<Output = Result<GetReadinessResponse, Self::Error>> + Send;

    /// All error types, for people.
    ///
    /// A page that lists every error type with its status and what to do about it.
    fn list_problems(&self) -> impl Future<Output = Result<ListProblemsResponse, Self::Error>> + Send;
}

/// The responses of `get_health` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum GetHealthResponse {
    /// The process is alive.
    Status200 {
        /// The body.
        body: models::Health,
    },
}

impl GetHealthResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body } => {
                let response = respond::json(200, &body)?;
                Ok(response)
            }
        }
    }
}

/// The responses of `get_problem` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum GetProblemResponse {
    /// The page.
    Status200 {
        /// The body.
        body: String,
    },
}

impl GetProblemResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body } => {
                let response = respond::html(200, body)?;
                Ok(response)
            }
        }
    }
}

/// The parameters of `get_problem`.
#[derive(Clone, Debug)]
pub struct GetProblemParams {
    /// The last part of a problem's `type`.
    pub name: String,
}

#[derive(Validate)]
struct GetProblemDraft {
    name: Option<String>,
}

impl GetProblemParams {
    pub(crate) fn read(parts: &request::Parts, failures: &mut Failures) -> Option<Self> {
        let mut parameters = Parameters::of("/problems/{name}", parts, failures);
        let draft = GetProblemDraft {
            name: parameters.path("name"),
        };
        parameters.refuse_unknown_query(&[]);
        parameters.check(&draft, &[("name", "name")]);
        Some(Self { name: draft.name? })
    }
}

/// The responses of `get_readiness` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum GetReadinessResponse {
    /// The service is ready.
    Status200 {
        /// The body.
        body: models::Health,
    },
}

impl GetReadinessResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body } => {
                let response = respond::json(200, &body)?;
                Ok(response)
            }
        }
    }
}

/// The responses of `list_problems` other than errors.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a value is converted to a response at once")]
pub enum ListProblemsResponse {
    /// The page.
    Status200 {
        /// The body.
        body: String,
    },
}

impl ListProblemsResponse {
    /// Converts this to a response.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unwritable`] where a value cannot be a header or JSON.
    pub fn into_response(self) -> Result<Response, Rejection> {
        match self {
            Self::Status200 { body } => {
                let response = respond::html(200, body)?;
                Ok(response)
            }
        }
    }
}

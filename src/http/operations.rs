//! The operations tagged Operations: health, readiness, and the pages that explain errors.

use orders_inventory_api::apis::operations::{
    GetHealthResponse, GetProblemParams, GetProblemResponse, GetReadinessResponse, ListProblemsResponse, Operations,
};
use orders_inventory_api::models;

use super::{Problem, Service, problem};
use crate::store::Store;

const HEALTHY: models::Health = models::Health {
    status: models::HealthStatus::Ok,
};

impl<S: Store> Operations for Service<S> {
    async fn get_health(&self) -> Result<GetHealthResponse, Problem> {
        Ok(GetHealthResponse::Status200 { body: HEALTHY })
    }

    async fn get_readiness(&self) -> Result<GetReadinessResponse, Problem> {
        self.store.ready().await?;
        Ok(GetReadinessResponse::Status200 { body: HEALTHY })
    }

    async fn list_problems(&self) -> Result<ListProblemsResponse, Problem> {
        Ok(ListProblemsResponse::Status200 {
            body: problem::pages::all(),
        })
    }

    async fn get_problem(&self, params: GetProblemParams) -> Result<GetProblemResponse, Problem> {
        let body = problem::pages::one(&params.name).ok_or_else(Problem::not_found)?;
        Ok(GetProblemResponse::Status200 { body })
    }
}

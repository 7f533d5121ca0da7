//! Spans: each request has one, and the use cases that it runs have theirs within it, also on the writer's thread.

use std::sync::{Arc, Mutex};

use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::support::TestApp;

/// The name of the span around a span, and its own.
type Pair = (Option<&'static str>, &'static str);

/// Keeps the names of all spans.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<Pair>>>);

impl<S: tracing::Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Names {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let parent = span.parent().map(|parent| parent.name());
        self.0.lock().unwrap().push((parent, span.name()));
    }
}

#[tokio::test]
async fn use_cases_have_spans_within_their_requests() {
    let names = Names::default();
    // For all threads, the writer's too. Other tests of this process only add to what is seen.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(names.clone()));
    let app = TestApp::new();
    let product = app.product(5).await;
    app.order(product, 1).await;
    let seen = names.0.lock().unwrap();
    for use_case in ["products::create", "orders::place"] {
        assert!(seen.contains(&(Some("request"), use_case)), "{use_case}: {seen:?}");
    }
}

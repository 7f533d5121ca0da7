//! What PostgreSQL gives to a simple program: orders of five round trips each, or reads of one, in a bare loop on each of
//! some connections, with prepared statements. The database has the service's schema.
//!
//! Prints one JSON object: how many requests were done in how many seconds, their durations, and how many there were in all,
//! the warm-up included.

use std::num::NonZero;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use orders_inventory_benches::postgres::{
    INSERT_MOVEMENT, INSERT_ORDER, MAKE_SEQUENCES, PAGE, PRODUCT, SAVE_COUNTERS, TAKE_STOCK, connect,
};
use orders_inventory_benches::{Failure, Numbers, ORDER_TTL_MS, now_ms};
use serde_json::json;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Row, Statement};

#[derive(Parser, Clone)]
struct Options {
    /// The database
    url: String,
    /// What is done
    scenario: Scenario,
    /// On how many connections at once
    #[arg(long)]
    connections: u32,
    /// For how long
    #[arg(long)]
    seconds: f64,
    /// For how long before that, not measured
    #[arg(long)]
    warm_up: f64,
    /// The products to draw from are 1 to this
    #[arg(long)]
    products: i64,
    /// How many products a page has
    #[arg(long)]
    page: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Orders of random products
    Order,
    /// Orders of the first product
    Hot,
    /// One product
    Product,
    /// A page of products
    Page,
    /// Nothing but the round trip
    Ping,
}

impl Scenario {
    fn is_order(self) -> bool {
        matches!(self, Self::Order | Self::Hot)
    }
}

/// One connection and its prepared statements: those of an order, or one that reads.
struct Loop {
    client: Client,
    options: Options,
    numbers: Numbers,
    statements: Vec<Statement>,
}

impl Loop {
    async fn new(options: Options, seed: u64) -> Result<Self, Failure> {
        let client = connect(&options.url).await?;
        let sqls = match options.scenario {
            Scenario::Order | Scenario::Hot => vec![TAKE_STOCK, INSERT_ORDER, INSERT_MOVEMENT],
            Scenario::Product => vec![PRODUCT],
            Scenario::Page => vec![PAGE],
            Scenario::Ping => vec!["SELECT 1"],
        };
        let mut statements = Vec::new();
        for sql in sqls {
            statements.push(client.prepare(sql).await?);
        }
        let numbers = Numbers::new(seed);
        Ok(Self {
            client,
            options,
            numbers,
            statements,
        })
    }

    async fn once(&mut self) -> Result<(), Failure> {
        let product = self.numbers.up_to(self.options.products);
        match self.options.scenario {
            Scenario::Order => self.place(product).await,
            Scenario::Hot => self.place(1).await,
            Scenario::Product => self.read(product, None).await,
            // The service reads one row more, which tells whether there is another page.
            Scenario::Page => {
                let after = product.min(self.options.products - self.options.page) - 1;
                self.read(after, Some(self.options.page + 1)).await
            }
            Scenario::Ping => {
                let [select] = &self.statements[..] else {
                    return Err("no statement".into());
                };
                self.client.query_one(select, &[]).await?;
                Ok(())
            }
        }
    }

    async fn place(&self, product: i64) -> Result<(), Failure> {
        let [take, insert_order, insert_movement] = &self.statements[..] else {
            return Err("no statements".into());
        };
        let (client, now) = (&self.client, now_ms());
        client.batch_execute("BEGIN").await?;
        let taken = client.query_one(take, &[&product, &1_i64, &now]).await?;
        let (stock, price): (i64, i64) = (taken.try_get(0)?, taken.try_get(1)?);
        let expires = now + ORDER_TTL_MS;
        let placed = client
            .query_one(insert_order, &[&product, &1_i64, &price, &expires, &now])
            .await?;
        let order: i64 = placed.try_get(0)?;
        client
            .execute(insert_movement, &[&product, &-1_i64, &stock, &order, &now])
            .await?;
        client.batch_execute("COMMIT").await?;
        Ok(())
    }

    /// Reads every column of every row.
    async fn read(&self, id: i64, limit: Option<i64>) -> Result<(), Failure> {
        let [select] = &self.statements[..] else {
            return Err("no statement".into());
        };
        let rows = match &limit {
            None => self.client.query(select, &[&id]).await?,
            Some(limit) => self.client.query(select, &[&id, limit]).await?,
        };
        let wanted = limit.map_or(1, |_| self.options.page);
        if i64::try_from(rows.len())? < wanted {
            return Err(format!("{} rows, and not {wanted}", rows.len()).into());
        }
        for row in &rows {
            std::hint::black_box(columns(row)?);
        }
        Ok(())
    }
}

type Columns<'r> = (i64, i64, &'r str, &'r str, i64, i64, i64, i64);

fn columns(row: &Row) -> Result<Columns<'_>, tokio_postgres::Error> {
    Ok((
        row.try_get(0)?,
        row.try_get(1)?,
        row.try_get(2)?,
        row.try_get(3)?,
        row.try_get(4)?,
        row.try_get(5)?,
        row.try_get(6)?,
        row.try_get(7)?,
    ))
}

/// What a connection did.
#[derive(Default)]
struct Done {
    /// In all.
    count: usize,
    /// The durations of those that were measured.
    measured_us: Vec<f64>,
}

/// Runs one loop until the end. What ends after it is not measured.
async fn run(mut one: Loop, started: Instant) -> Result<Done, Failure> {
    let measured_from = started + Duration::from_secs_f64(one.options.warm_up);
    let until = measured_from + Duration::from_secs_f64(one.options.seconds);
    let mut done = Done::default();
    let mut begun = Instant::now();
    while begun < until {
        one.once().await?;
        let ended = Instant::now();
        done.count += 1;
        if ended >= measured_from && ended < until {
            done.measured_us.push((ended - begun).as_nanos() as f64 / 1e3);
        }
        begun = ended;
    }
    Ok(done)
}

/// Runs the loops of these numbers on one thread, which begins when all threads are ready.
fn run_all(options: &Options, numbers: impl Iterator<Item = u64>, ready: &Barrier) -> Result<Vec<Done>, String> {
    let told = |error: Failure| error.to_string();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let opened = async {
            let mut loops = Vec::new();
            for number in numbers {
                loops.push(Loop::new(options.clone(), 20_260_301 + (number << 8)).await?);
            }
            Ok(loops)
        };
        let opened = opened.await;
        // Also where it failed, for the others wait.
        ready.wait();
        let started = Instant::now();
        let mut running = JoinSet::new();
        for one in opened.map_err(told)? {
            running.spawn(async move { run(one, started).await.map_err(|error| error.to_string()) });
        }
        running.join_all().await.into_iter().collect()
    })
}

/// Runs statements on a connection of their own.
fn prepare(url: &str, sql: &str) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Ok(connect(url).await?.batch_execute(sql).await?) })
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let is_order = options.scenario.is_order();
    if is_order {
        prepare(&options.url, MAKE_SEQUENCES)?;
    }
    // A runtime for each core, with connections of its own: faster than one for all cores, since nothing is shared.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(usize::try_from(options.connections)?);
    let ready = Arc::new(Barrier::new(threads));
    let running: Vec<_> = (0..threads)
        .map(|thread| {
            let (options, ready) = (options.clone(), Arc::clone(&ready));
            thread::spawn(move || {
                let numbers = (0..u64::from(options.connections)).skip(thread).step_by(threads);
                run_all(&options, numbers, &ready)
            })
        })
        .collect();
    let (mut count, mut measured_us) = (0, Vec::new());
    for one in running {
        for done in one.join().map_err(|_| "a thread panicked")?? {
            count += done.count;
            measured_us.extend(done.measured_us);
        }
    }
    if is_order {
        prepare(&options.url, SAVE_COUNTERS)?;
    }
    if measured_us.is_empty() {
        return Err("nothing was done".into());
    }
    measured_us.sort_by(f64::total_cmp);
    let at = |share: f64| measured_us[((measured_us.len() - 1) as f64 * share) as usize];
    let printed = json!({
        "requests": measured_us.len(),
        "seconds": options.seconds,
        "in_all": count,
        "p50_us": at(0.5),
        "p99_us": at(0.99),
        "p999_us": at(0.999),
    });
    println!("{printed}");
    Ok(())
}

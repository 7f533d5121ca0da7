//! The fuzz test: whatever bytes arrive, the answer is one that the contract has.
//!
//! It sends made-up requests to the binary, each on a TCP connection of its own: request heads, conditional headers,
//! bodies, webhooks, queries (`subjects`). Every answer is judged (`oracle`): HTTP, no 5xx, a status, headers and a body
//! that `openapi.yaml` documents for this operation. A round is one fresh service and some hundred cases of each subject;
//! at its end the books are audited and the log is searched for errors.
//!
//! `make check-fuzz` is some rounds with a fixed seed, `make fuzz` goes on for `MINUTES` with a new one. A finding is
//! made smaller by proptest, printed, and saved in `tests/fuzz/regressions`, where every later run begins.
//!
//! | variable | |
//! |---|---|
//! | `ROUNDS`, `MINUTES` | how many rounds (1), or for how long |
//! | `CASES` | how many cases of each subject a round has (250) |
//! | `SEED` | repeats a run's cases; printed, and the time of day by default |
//! | `SUBJECTS` | which ones, with commas; all by default |

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this crate is test code, also outside of #[test] functions"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant, SystemTime};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::subjects::SUBJECTS;
use crate::world::World;

#[allow(dead_code, reason = "shared with tests/it, which uses all of it")]
#[path = "../it/support/answer.rs"]
mod answer;
mod answers;
mod conditions;
#[allow(dead_code, reason = "shared with tests/it, which uses all of it")]
#[path = "../it/support/contract.rs"]
mod contract;
mod json;
mod oracle;
mod pieces;
#[allow(dead_code, reason = "shared with tests/it, which uses all of it")]
#[path = "../it/support/process.rs"]
mod process;
mod regressions;
mod requests;
mod signing;
mod subjects;
mod wire;
mod world;

use answer::Answer;

/// After so many different findings a run ends.
const FINDINGS_MAX: usize = 20;
/// How many smaller cases proptest tries for a finding.
const SMALLER_MAX: u32 = 2_000;

#[test]
fn what_once_failed_stays_mended() {
    let cases = regressions::all().unwrap();
    let world = World::start().unwrap();
    let mut failed = Vec::new();
    for (name, case) in cases {
        failed.extend(world.try_case(&case).err().map(|why| format!("{name}: {why}")));
    }
    failed.extend(world.finish().err());
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
#[ignore = "takes its time: make check-fuzz, make fuzz"]
fn whatever_is_sent_the_answer_is_one_of_the_contract() {
    what_once_failed_stays_mended();
    let seed = number("SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        u64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
    });
    let until = number("MINUTES").map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let rounds = until.map_or_else(|| number("ROUNDS").unwrap_or(1), |_| u64::MAX);
    let cases = number("CASES").map_or(250, |cases| u32::try_from(cases).expect("CASES is small"));
    let wanted = env::var("SUBJECTS").unwrap_or_default();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.split(',').any(|one| one == name);
    println!("SEED={seed}");

    let (mut findings, mut done, mut begun) = (Vec::new(), 0, Instant::now());
    let mut tally: BTreeMap<&str, BTreeMap<u16, u64>> = BTreeMap::new();
    let started = begun;
    for round in 0..rounds {
        if until.is_some_and(|until| Instant::now() >= until) || findings.len() >= FINDINGS_MAX {
            break;
        }
        let mut world = World::start().unwrap();
        for (number, (name, subject)) in (0_u64..).zip(SUBJECTS).filter(|(_, (name, _))| is_wanted(name)) {
            let mut runner = runner(cases, [seed, round, number, 0]);
            let answered = RefCell::new(Vec::new());
            let found = runner.run(&subject(), |case| {
                let statuses = world.try_case(&case).map_err(TestCaseError::fail)?;
                answered.borrow_mut().push(statuses);
                Ok(())
            });
            let answered = answered.into_inner();
            done += answered.len();
            for status in answered.concat() {
                *tally.entry(name).or_default().entry(status).or_default() += 1;
            }
            match found {
                Ok(()) => {}
                Err(TestError::Fail(why, case)) => {
                    note(&mut findings, name, why.message(), &case);
                    // The next subject finds the service as it is at the begin of a round.
                    drop(world);
                    world = World::start().unwrap();
                }
                Err(TestError::Abort(why)) => panic!("{name}: proptest gave up: {why}"),
            }
        }
        if let Err(why) = world.finish() {
            note(&mut findings, "end of a round", &why, &[]);
        }
        if begun.elapsed() > Duration::from_secs(60) {
            begun = Instant::now();
            println!("{done} cases in {} rounds, {} findings", round + 1, findings.len());
        }
    }
    println!("{done} cases in {:.0?}, {} findings", started.elapsed(), findings.len());
    for (name, answers) in &tally {
        println!("{name}: {answers:?}");
        // A subject that is only ever refused tests little.
        assert!(
            answers.keys().any(|status| (200..300).contains(status)),
            "{name} never succeeded"
        );
    }
    assert!(!tally.is_empty(), "SUBJECTS names none");
    assert!(findings.is_empty(), "repeat with SEED={seed}:\n{}", findings.join("\n"));
}

/// Prints and saves a finding, unless there is one with the same reason.
fn note(findings: &mut Vec<String>, subject: &str, why: &str, case: &[u8]) {
    let reason = why.lines().next().unwrap_or_default();
    let kind: String = reason
        .chars()
        .filter(|letter| !letter.is_ascii_digit())
        .take(80)
        .collect();
    let kind = format!("{subject}: {kind}");
    if findings.contains(&kind) {
        return;
    }
    println!("FAILED  {subject}: {why}");
    if !case.is_empty() {
        match regressions::save(subject, reason, case) {
            Ok(path) => println!("saved: {}", path.display()),
            Err(error) => println!("not saved: {error}"),
        }
    }
    findings.push(kind);
}

fn runner(cases: u32, seed: [u64; 4]) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: SMALLER_MAX,
        ..Config::default()
    };
    let seed: Vec<u8> = seed.iter().flat_map(|part| part.to_le_bytes()).collect();
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}: {value} is no number")))
}

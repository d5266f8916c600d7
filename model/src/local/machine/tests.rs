//! The engine on any machine: what comes out does not depend on it, and what a machine does not do ends answers with an error.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::*;
use crate::local::engine::{Engine, Job, Said};
use crate::local::folder::Folder;
use crate::local::sample::{Defaults, Sampler, Sampling};
use crate::local::vocabulary::Vocabulary;
use crate::{Error, Kind, Request};

/// Tokens of a conversation.
const WINDOW: usize = 160;

fn processor() -> Box<dyn Machine> {
    open(|shape, folder| Ok(Box::new(Processor::<f32>::new(Decoder::new(shape, folder)?))))
}

fn open(with: impl Fn(Shape, &Folder) -> Result<Box<dyn Machine>>) -> Box<dyn Machine> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/hf/llama-bf16");
    let folder = Folder::open(path.as_ref()).unwrap();
    with(Shape::of_config(folder.config(), WINDOW).unwrap(), &folder).unwrap()
}

fn start(machine: Box<dyn Machine>) -> Engine {
    Engine::start(machine, Arc::new(Vocabulary::default()), WINDOW).unwrap()
}

/// Hands in a prompt that is to be answered with the best tokens.
fn submit(engine: &Engine, prompt: &[u32]) -> mpsc::Receiver<Result<Said>> {
    let sampling = Sampling::new(&Request::from("").temperature(0.0), &Defaults::default()).unwrap();
    let (said, receiver) = mpsc::channel(64);
    let job = Job { prompt: prompt.to_vec(), sampler: Sampler::new(sampling), matcher: None, tokens_max: 20, said };
    engine.submit(job).unwrap();
    receiver
}

/// Returns the tokens of an answer, and how many of the prompt were read before.
fn answer(mut said: mpsc::Receiver<Result<Said>>) -> Result<(Vec<u32>, usize)> {
    let (mut tokens, mut read_before) = (Vec::new(), 0);
    while let Some(next) = said.blocking_recv() {
        match next? {
            Said::Begun { reused } => read_before = reused,
            Said::Token(token) => tokens.push(token),
            Said::Over { .. } => break,
        }
    }
    Ok((tokens, read_before))
}

#[test]
#[cfg(feature = "gpu")]
fn a_device_answers_many_at_once_as_the_processor_answers_each() {
    use crate::local::device::Guest;

    let token = |index: usize| u32::try_from(3 + index * 37 % 280).unwrap();
    let common: Vec<u32> = (0..70).map(token).collect();
    let prompts: Vec<Vec<u32>> = (0..6).map(|own| common.iter().copied().chain([token(own + 100)]).collect()).collect();
    let expected: Vec<_> =
        prompts.iter().map(|prompt| answer(submit(&start(processor()), prompt)).unwrap().0).collect();
    let engine = start(open(|shape, folder| Ok(Box::new(Guest::new(shape, folder, gpu::Device::Cpu)?))));
    let all: Vec<_> = prompts.iter().map(|prompt| submit(&engine, prompt)).collect();
    for (said, expected) in all.into_iter().zip(&expected) {
        assert_eq!(answer(said).unwrap().0, *expected);
    }
    // Two whole blocks of the prompt are there still.
    assert_eq!(answer(submit(&engine, &prompts[0])).unwrap(), (expected[0].clone(), 64));
    assert!(engine.counters().reused_tokens >= 64, "{:?}", engine.counters());
}

/// Runs until it has no memory, or breaks.
struct Failing {
    machine: Box<dyn Machine>,
    blocks_max: usize,
    passes: usize,
}

impl Machine for Failing {
    fn shape(&self) -> &Shape {
        self.machine.shape()
    }

    fn prepare(&mut self, needed: usize, most: usize) -> Result<usize> {
        self.machine.prepare(needed, most)
    }

    fn blocks(&self) -> usize {
        self.machine.blocks()
    }

    fn grow(&mut self) -> Result<BlockId> {
        if self.blocks() >= self.blocks_max {
            return Err(Error::new(Kind::Limit, "no memory"));
        }
        self.machine.grow()
    }

    fn forward(&mut self, batch: &Batch<'_>) -> Result<Vec<f32>> {
        self.passes = self.passes.checked_sub(1).ok_or_else(|| Error::new(Kind::Io, "it broke"))?;
        self.machine.forward(batch)
    }
}

#[test]
fn a_machine_without_memory_ends_the_answer_that_needs_it() {
    let engine = start(Box::new(Failing { machine: processor(), blocks_max: 2, passes: 1000 }));
    let error = answer(submit(&engine, &[5; 70])).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Limit, "no memory"));
    // What others had read is given up before an answer is.
    for token in 10..14 {
        assert_eq!(answer(submit(&engine, &[token; 40])).unwrap().0.len(), 20);
    }
}

#[test]
fn a_machine_that_breaks_ends_answers_and_not_the_engine() {
    let engine = start(Box::new(Failing { machine: processor(), blocks_max: 100, passes: 3 }));
    for _ in 0..2 {
        let error = answer(submit(&engine, &[5; 7])).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Io, "it broke"));
    }
}

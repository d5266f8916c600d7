//! Which block of the cache holds what: blocks that are full are found by the tokens in them and before them, stay after
//! their sequence has ended, and are used anew when there are no others, the one first that was not used for longest.

use std::collections::HashMap;

use crate::Result;
use crate::local::cache::BlockId;
use crate::local::machine::Machine;

/// The name of the block before, and the tokens of this one.
type Key = (Option<u64>, Box<[u32]>);

/// The blocks of a cache.
#[derive(Debug)]
pub(super) struct Blocks {
    most: usize,
    /// Blocks that sequences hold or may still take.
    promised: usize,
    slots: Vec<Slot>,
    free: Vec<BlockId>,
    /// By what comes before, and the tokens.
    known: HashMap<Key, BlockId>,
    clock: u64,
    names: u64,
}

/// What is known of a block.
#[derive(Debug, Default)]
struct Slot {
    users: usize,
    /// A name that is never used again, and the key under which the block is known.
    known: Option<(u64, Key)>,
    used: u64,
}

impl Blocks {
    /// Looks after at most so many blocks.
    pub(super) fn new(most: usize) -> Self {
        Self { most, promised: 0, slots: Vec::new(), free: Vec::new(), known: HashMap::new(), clock: 0, names: 0 }
    }

    /// Promises so many blocks, if there are as many.
    pub(super) fn reserve(&mut self, count: usize) -> bool {
        let fits = self.promised + count <= self.most;
        self.promised += if fits { count } else { 0 };
        fits
    }

    /// Takes blocks back from a sequence, and what it had been promised.
    pub(super) fn release(&mut self, blocks: &[BlockId], reserved: usize) {
        self.promised -= blocks.len() + reserved;
        // What comes later is of use only with what comes before it, so it is older.
        for block in blocks.iter().rev() {
            self.clock += 1;
            let slot = &mut self.slots[*block];
            slot.users -= 1;
            slot.used = self.clock;
            if slot.users == 0 && slot.known.is_none() {
                self.free.push(*block);
            }
        }
    }

    /// Returns a block to write to. One was promised, so there is one, unless the machine has less memory than it said.
    pub(super) fn take(&mut self, machine: &mut dyn Machine) -> Result<BlockId> {
        let block = match self.free.pop() {
            Some(block) => block,
            None if machine.blocks() < self.most => match machine.grow() {
                Ok(block) => {
                    self.slots.push(Slot::default());
                    block
                }
                Err(error) => self.forget().ok_or(error)?,
            },
            None => self.forget().expect("fewer blocks are promised than there are"),
        };
        self.slots[block].users = 1;
        Ok(block)
    }

    /// Gives up the block that was not used for longest, if one is not in use.
    fn forget(&mut self) -> Option<BlockId> {
        let unused = self.slots.iter().enumerate().filter(|(_, slot)| slot.users == 0);
        let (block, _) = unused.min_by_key(|(_, slot)| slot.used)?;
        if let Some((_, key)) = self.slots[block].known.take() {
            self.known.remove(&key);
        }
        Some(block)
    }

    fn name(&self, block: Option<BlockId>) -> Option<Option<u64>> {
        match block {
            None => Some(None),
            Some(block) => self.slots[block].known.as_ref().map(|(name, _)| Some(*name)),
        }
    }

    /// Finds the block that holds these tokens behind those of another block, and takes it.
    pub(super) fn find(&mut self, before: Option<BlockId>, tokens: &[u32]) -> Option<BlockId> {
        let key = (self.name(before)?, Box::from(tokens));
        let block = *self.known.get(&key)?;
        self.slots[block].users += 1;
        Some(block)
    }

    /// Notes what a full block holds. If another one is known to hold the same, it stays unknown.
    pub(super) fn remember(&mut self, before: Option<BlockId>, tokens: &[u32], block: BlockId) {
        let Some(name) = self.name(before) else { return };
        let key = (name, Box::from(tokens));
        if self.slots[block].known.is_none() && !self.known.contains_key(&key) {
            self.names += 1;
            self.known.insert(key.clone(), block);
            self.slots[block].known = Some((self.names, key));
        }
    }
}

//! Attention on a device: sequences that bring equally many rows look at their tokens together, the shorter ones filled up and
//! masked. What is looked at is planned once for a pass, and is the same for all layers with the same window.

use gpu::{D, Device, Tensor};

use super::cache::Cache;
use crate::local::decoder::{Batch, Run};
use crate::local::kernels::Heads;

/// Values of scores, keys or values that are there at once: 256 MiB in floats of 32 bits.
const VALUES_MAX: usize = 1 << 26;

/// How the rows of a batch look at what came before them.
#[derive(Debug)]
pub(super) struct Plan {
    looks: Vec<Look>,
    /// Where each row of the batch stands among those of the looks; none if they stand as they are.
    order: Option<Tensor>,
}

/// Pieces that look together.
#[derive(Debug)]
struct Look {
    pieces: usize,
    /// Rows of each.
    rows: usize,
    /// Tokens that each looks at.
    tokens: usize,
    /// Which rows of the batch they are; none if all, in order.
    picked: Option<Tensor>,
    /// Where the tokens lie in the cache.
    slots: Tensor,
    /// Added to scores; none if every row sees every token.
    mask: Option<Tensor>,
}

/// Neighbouring rows of one sequence.
#[derive(Debug, Clone, Copy)]
struct Piece {
    first: usize,
    rows: usize,
    sequence: usize,
    position: usize,
    /// The oldest token that one of them sees.
    oldest: usize,
}

impl Piece {
    fn tokens(self) -> usize {
        self.position + self.rows - self.oldest
    }
}

impl Plan {
    /// Plans a pass for layers with that window.
    pub(super) fn new(
        batch: &Batch<'_>,
        runs: &[Run],
        window: Option<usize>,
        heads: Heads,
        device: &Device,
    ) -> gpu::Result<Self> {
        let mut pieces: Vec<Piece> = runs.iter().flat_map(|run| cut(*run, window, heads)).collect();
        pieces.sort_by_key(|piece| piece.rows);
        let mut standing = Vec::with_capacity(batch.rows.len());
        let mut looks = Vec::new();
        let mut rest = &pieces[..];
        while let Some(count) = together(rest, heads) {
            let (some, others) = rest.split_at(count);
            rest = others;
            standing.extend(some.iter().flat_map(|piece| piece.first..piece.first + piece.rows));
            looks.push(Look::new(batch, some, window, device)?);
        }
        let order = if standing.is_sorted() { None } else { Some(index(inverse(&standing), device)?) };
        Ok(Self { looks, order })
    }

    /// Lets queries, already scaled, look at a layer of the cache.
    pub(super) fn attend(&self, queries: &Tensor, cache: &Cache, layer: usize, heads: Heads) -> gpu::Result<Tensor> {
        let seen = self.looks.iter().map(|look| look.attend(queries, cache, layer, heads));
        let seen = seen.collect::<gpu::Result<Vec<_>>>()?;
        let all = Tensor::cat(&seen, 0)?;
        self.order.as_ref().map_or(Ok(all.clone()), |order| all.index_select(order, 0))
    }
}

impl Look {
    fn new(batch: &Batch<'_>, pieces: &[Piece], window: Option<usize>, device: &Device) -> gpu::Result<Self> {
        let rows = pieces[0].rows;
        let tokens = pieces.iter().map(|piece| piece.tokens()).max().unwrap_or(0);
        let mut slots = Vec::with_capacity(pieces.len() * tokens);
        let mut mask = Vec::with_capacity(pieces.len() * rows * tokens);
        for piece in pieces {
            let blocks = batch.sequences[piece.sequence];
            for token in piece.oldest..piece.oldest + tokens {
                // What it has not is filled up with a token that it has.
                let token = token.min(piece.position + rows - 1);
                slots.push(Cache::slot(blocks[token / crate::local::kernels::BLOCK_TOKENS], token));
            }
            for position in piece.position..piece.position + rows {
                let sees = |token| token <= position && window.is_none_or(|window| position - token < window);
                let tokens = piece.oldest..piece.oldest + tokens;
                mask.extend(tokens.map(|token| if sees(token) { 0.0 } else { f32::NEG_INFINITY }));
            }
        }
        let is_needed = mask.iter().any(|value| *value != 0.0);
        let mask = is_needed.then(|| Tensor::from_vec(mask, (pieces.len(), 1, rows, tokens), device)).transpose()?;
        let picked: Vec<usize> = pieces.iter().flat_map(|piece| piece.first..piece.first + rows).collect();
        let is_all = picked.len() == batch.rows.len() && picked.is_sorted();
        let picked = if is_all { None } else { Some(index(picked, device)?) };
        let slots = Tensor::new(slots, device)?;
        Ok(Self { pieces: pieces.len(), rows, tokens, picked, slots, mask })
    }

    fn attend(&self, queries: &Tensor, cache: &Cache, layer: usize, heads: Heads) -> gpu::Result<Tensor> {
        let (pieces, rows, tokens, width) = (self.pieces, self.rows, self.tokens, heads.width);
        let group = heads.queries / heads.keys;
        let picked = self.picked.as_ref().map_or(Ok(queries.clone()), |picked| queries.index_select(picked, 0))?;
        let picked = picked.reshape((pieces, rows, heads.keys, group, width))?.permute((0, 2, 3, 1, 4))?;
        let picked = picked.contiguous()?.reshape((pieces * heads.keys, group * rows, width))?;
        let by_head = |side: Tensor| -> gpu::Result<Tensor> {
            let side = side.reshape((pieces, tokens, heads.keys, width))?.transpose(1, 2)?;
            side.contiguous()?.reshape((pieces * heads.keys, tokens, width))
        };
        let keys = by_head(cache.keys(layer, &self.slots)?)?;
        let scores = picked.matmul(&keys.transpose(1, 2)?)?.reshape((pieces, heads.queries, rows, tokens))?;
        let scores = self.mask.as_ref().map_or(Ok(scores.clone()), |mask| scores.broadcast_add(mask))?;
        let shares = softmax(&scores)?.reshape((pieces * heads.keys, group * rows, tokens))?;
        let seen = shares.matmul(&by_head(cache.values(layer, &self.slots)?)?)?;
        let seen = seen.reshape((pieces, heads.keys, group, rows, width))?.permute((0, 3, 1, 2, 4))?;
        seen.contiguous()?.reshape((pieces * rows, heads.queries * width))
    }
}

fn softmax(scores: &Tensor) -> gpu::Result<Tensor> {
    let raised = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
    raised.broadcast_div(&raised.sum_keepdim(D::Minus1)?)
}

/// Cuts a run into pieces whose scores are not too many.
fn cut(run: Run, window: Option<usize>, heads: Heads) -> impl Iterator<Item = Piece> {
    let tokens = run.position + run.rows;
    let step = (VALUES_MAX / heads.queries / tokens).max(1);
    (0..run.rows).step_by(step).map(move |start| {
        let position = run.position + start;
        Piece {
            first: run.first + start,
            rows: step.min(run.rows - start),
            sequence: run.sequence,
            position,
            oldest: window.map_or(0, |window| (position + 1).saturating_sub(window)),
        }
    })
}

/// Returns how many pieces, from the first on, look together; none if there are none.
fn together(pieces: &[Piece], heads: Heads) -> Option<usize> {
    let first = pieces.first()?;
    let mut tokens = 0;
    let fits = |(index, piece): &(usize, &Piece)| {
        tokens = piece.tokens().max(tokens);
        let values = (heads.queries * piece.rows).max(heads.keys * heads.width) * tokens * (index + 1);
        piece.rows == first.rows && (*index == 0 || values <= VALUES_MAX)
    };
    Some(pieces.iter().enumerate().take_while(fits).count())
}

/// Makes of the numbers of rows in an order where each row stands in it.
fn inverse(standing: &[usize]) -> Vec<usize> {
    let mut order = vec![0; standing.len()];
    standing.iter().enumerate().for_each(|(at, row)| order[*row] = at);
    order
}

/// Puts numbers of rows on a device.
pub(super) fn index(rows: Vec<usize>, device: &Device) -> gpu::Result<Tensor> {
    let number = |row| u32::try_from(row).expect("a batch has few rows");
    Tensor::new(rows.into_iter().map(number).collect::<Vec<u32>>(), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_and_look_together() {
        let heads = Heads { queries: 64, keys: 8, width: 128 };
        let run = Run { first: 3, rows: 512, sequence: 1, position: 8000 };
        let pieces: Vec<_> = cut(run, Some(100), heads).collect();
        assert_eq!(pieces.iter().map(|piece| piece.rows).sum::<usize>(), 512);
        assert!(pieces.len() > 1 && pieces[0].oldest == 7901 && pieces[1].first == 3 + pieces[0].rows);
        let one = |tokens: usize| Piece { first: 0, rows: 1, sequence: 0, position: tokens - 1, oldest: 0 };
        assert_eq!(together(&[one(10), one(20), pieces[0]], heads), Some(2));
        assert_eq!(together(&[one(40_000), one(40_000)], heads), Some(1));
        assert_eq!(together(&[], heads), None);
        assert_eq!(inverse(&[2, 0, 1]), [1, 2, 0]);
    }
}

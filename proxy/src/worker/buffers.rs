//! Memory of a worker: scratch for what is in hand during one turn, and blocks for bytes that must wait.
//!
//! A connection owns a block only while bytes of it are in transit; at rest it owns none.

use std::cell::RefCell;
use std::rc::Rc;

use speedmimi_http1::{RequestHead, ResponseHead};

/// Bytes read at a time; also the most one connection moves between two turns of the others.
pub(crate) const SCRATCH: usize = 64 * 1024;
/// Capacity of a fresh block: a head in nearly every case. A request holds one until its answer begins, which may take
/// minutes, so it is no larger; what a longer body costs is one more read.
const BLOCK: usize = 4 * 1024;
/// Blocks above this capacity are freed instead of kept.
const KEEP_CAPACITY: usize = SCRATCH;
/// Blocks kept for reuse.
const KEEP: usize = 256;

/// Bytes that wait.
pub(crate) type Block = Vec<u8>;

/// The free list of a worker. Last in, first out, so that the block in hand is warm.
#[derive(Debug, Default)]
pub(crate) struct Blocks(RefCell<Vec<Block>>);

impl Blocks {
    /// An empty block.
    #[inline]
    pub(crate) fn take(&self) -> Block {
        self.0.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(BLOCK))
    }

    /// Gives a block back.
    #[inline]
    pub(crate) fn put(&self, mut block: Block) {
        let mut free = self.0.borrow_mut();
        if block.capacity() >= BLOCK && block.capacity() <= KEEP_CAPACITY && free.len() < KEEP {
            block.clear();
            free.push(block);
        }
    }

    /// Frees half of what lies unused; called from time to time so that a burst does not hold memory for ever.
    pub(crate) fn trim(&self) {
        let mut free = self.0.borrow_mut();
        let keep = free.len() / 2;
        free.truncate(keep.max(8));
    }
}

/// What one turn of one connection works with. Borrowed, never held across an await.
pub(crate) struct Scratch {
    /// Bytes just read.
    pub(crate) input: Box<[u8]>,
    /// Bytes about to be written.
    pub(crate) output: Vec<u8>,
    /// The request head parsed last, and the serial of the request it belongs to.
    pub(crate) request: RequestHead,
    /// Serial of the request that [`Self::request`] describes.
    pub(crate) owner: u64,
    /// The response head parsed last.
    pub(crate) response: ResponseHead,
    /// A normalised path.
    pub(crate) path: Vec<u8>,
    /// A lower-case host.
    pub(crate) host: Vec<u8>,
}

impl Scratch {
    pub(crate) fn new() -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            input: vec![0; SCRATCH].into_boxed_slice(),
            output: Vec::with_capacity(SCRATCH),
            request: RequestHead::default(),
            owner: 0,
            response: ResponseHead::default(),
            path: Vec::with_capacity(1024),
            host: Vec::with_capacity(256),
        }))
    }
}

//! Digests: which algorithms, one streaming hasher for any set of them, one pass over a source, many sources at once.
//!
//! Memory is a fixed handful of buffers per thread, whatever the size and number of files. Nothing here touches a global
//! thread pool: the caller passes a [`Pool`], or works on its own thread.

mod algorithm;
mod cut;
mod hasher;
mod lanes;
mod many;
pub mod outboard;
mod pass;
mod pool;
mod shards;
mod worker;

pub use algorithm::{Algorithm, Digest, Digests};
pub use hasher::Hasher;
pub use many::{Prepared, many};
pub use outboard::{Leaf, LeafHasher, Outboard, OutboardError};
pub use pass::{PassError, Passed, Plan, Watch, confirmed, pass};
pub use pool::Pool;
pub use shards::{Sharded, Sharding};

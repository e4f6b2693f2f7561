use super::*;
use crate::digest::Digest;

fn model(elements: usize) -> Vec<u8> {
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{elements}],"data_offsets":[0,{elements}]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend((0..elements).map(|n| n as u8));
    bytes
}

fn filled(path: &Path, verifier: &Verifier, threads: usize) -> (Vec<u8>, Result<Filled, LoadError>) {
    let reading = verifier.read_into_memory(path, &Options::default()).unwrap();
    let mut memory = vec![1; reading.len() as usize];
    let filled = reading.fill(&mut memory, threads, &());
    (memory, filled)
}

#[test]
fn memory_holds_what_was_verified_or_zeros() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let verifier = Verifier::builder().build().unwrap();
    for (elements, threads) in [(0, 1), (5, 4), (40 << 20, 1), (40 << 20, 3)] {
        let bytes = model(elements);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(
            verifier.read_into_memory(&path, &Options::default()).unwrap().data_start(),
            (bytes.len() - elements) as u64
        );
        let (memory, filled) = filled(&path, &verifier, threads);
        let filled = filled.unwrap();
        assert!(memory == bytes, "{elements} {threads}");
        assert!(filled.report.ok());
        let range = filled.tensors[0].range.clone();
        assert_eq!(range, (bytes.len() - elements) as u64..bytes.len() as u64);
    }
    let strict = Verifier::builder().sha256(Digest::new(&[0; 32]).unwrap()).build().unwrap();
    let (memory, refused) = filled(&path, &strict, 2);
    assert!(matches!(refused, Err(LoadError::Rejected(_))));
    assert!(memory.iter().all(|byte| *byte == 0));
}

/// Stops after so many questions.
struct Until(AtomicUsize);

impl Watch for Until {
    fn cancelled(&self) -> bool {
        self.0.fetch_sub(1, Relaxed) == 1
    }
}

#[test]
fn a_load_that_is_stopped_leaves_nothing_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    std::fs::write(&path, vec![7; 40 << 20]).unwrap();
    let verifier = Verifier::builder().build().unwrap();
    for threads in [1, 3] {
        let reading = verifier.read_into_memory(&path, &Options::default()).unwrap();
        let mut memory = vec![0; reading.len() as usize];
        let stopped = reading.fill(&mut memory, threads, &Until(AtomicUsize::new(5)));
        assert!(matches!(stopped, Err(LoadError::NotProven(_))));
        assert!(memory.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn what_is_no_safetensors_file_or_changes_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let verifier = Verifier::builder().build().unwrap();
    std::fs::write(&path, "{}").unwrap();
    assert!(filled(&path, &verifier, 1).1.is_err());
    std::fs::write(&path, model(100)).unwrap();
    let reading = verifier.read_into_memory(&path, &Options::default()).unwrap();
    let mut memory = vec![0; reading.len() as usize];
    std::fs::write(&path, model(50)).unwrap();
    assert!(matches!(reading.fill(&mut memory, 1, &()), Err(LoadError::Error(Error::Changed { .. }))));
    let reading = verifier.read_into_memory(&path, &Options::default()).unwrap();
    assert!(reading.fill(&mut [0; 3], 1, &()).is_err());
    assert!(verifier.read_into_memory(&path, &Options::default().memory(10)).is_err());
}

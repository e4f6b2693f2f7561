//! Which files must be looked at when only some changed: those about which a source says something else than before.

use super::{Expectations, Unlisted, World};
use crate::rule::Effect;
use std::path::Path;

impl Expectations {
    /// Says in which file a source lies.
    pub fn lies_in(&mut self, source: usize, file: &Path) {
        self.files.insert(source, file.to_owned());
    }

    /// True if a file must be looked at though it is as it was. That is so where a list, lock or manifest that covers it
    /// `changed`, where one of a closed world does not name it, where it lost a signature that a lock remembers, and where
    /// something about it was noticed while expectations were gathered.
    pub fn concern(&self, path: &Path, changed: &mut dyn FnMut(&Path) -> bool) -> bool {
        let claims = self.claims.get(path).map(Vec::as_slice).unwrap_or_default();
        let above = path.ancestors().skip(1).filter_map(|directory| self.trees.get(directory)).flatten();
        let trees: Vec<usize> = above.copied().collect();
        let sources = claims.iter().map(|(number, _)| number).chain(&trees);
        let mut sources = sources.filter_map(|number| self.files.get(number));
        let unlisted = trees.iter().any(|number| {
            let world = self.sources.get(*number).map(|source| source.world);
            matches!(world, Some(World::Closed | World::Elsewhere))
                && claims.iter().all(|(by, claim)| by != number || claim.unlisted == Unlisted::Inert)
        });
        let lost = claims.iter().filter_map(|(_, claim)| claim.signed_by.as_ref()).any(|(signer, _)| {
            let mut signers = claims.iter().filter_map(|(number, _)| self.sources.get(*number)?.signer.as_ref());
            !signers.any(|other| other == signer)
        });
        let noticed = [&self.notes, &self.origins].into_iter().filter_map(|notes| notes.get(path)).flatten();
        let noticed = noticed.into_iter().any(|finding| finding.rule.effect != Effect::Note);
        let mut twins = self.twins.get(path).into_iter().flatten();
        self.missing.contains(path)
            || unlisted
            || lost
            || noticed
            || twins.any(|(twin, _)| changed(twin))
            || sources.any(|file| changed(file))
    }
}

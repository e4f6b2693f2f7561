//! Rules about proofs: what was expected of an artifact, or required by the user, and did not hold.

use super::rules;

rules! {
    REFUSED = "MV-REQ-001" High Bad, "torch.load(weights_only=True) refuses the file, and it was required",
        why: "You asked for files that load with weights_only=True. This one does not, on a torch version you named.",
        todo: "Save the checkpoint again with tensors and plain values only, or drop the requirement.", fixture: "";
    NOT_PROVEN = "MV-REQ-002" Medium Unproven, "a required proof is absent",
        why: "You asked for a proof that could not be given for this file.",
        todo: "Provide the proof (for a signature: --manifest with --key, --ca or --identity), or drop the requirement.", fixture: "";
}

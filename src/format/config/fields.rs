//! Which fields of configuration make a loader do something, as data: the key, the files it counts in, what its value is,
//! which loader acts on it since when, what that does, and where it is known from.

/// One field.
#[derive(Debug)]
pub struct Field {
    /// The key, wherever it stands; `*` is every key that does not begin with `_`.
    pub key: &'static str,
    /// The name of the file it counts in, in lower case; [`YAML`] for any that ends as YAML does, empty for any at all.
    pub file: &'static str,
    /// What the value is.
    pub meaning: Meaning,
    /// The loader and its versions.
    pub loader: &'static str,
    /// What the loader does with it: "KEY makes LOADER …".
    pub does: &'static str,
}

/// What a value means to loaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Classes in Python files, of this repository or (`other/repo--file.Class`) of another.
    RemoteCode,
    /// Consent to run them.
    Consent,
    /// A kernel: the name of a repository where a plain word is usual.
    Kernel,
    /// A Jinja template.
    Template,
    /// A name that becomes the name of a file.
    FileName,
    /// A path of a file that is opened.
    Path,
    /// The same, below the directory and nowhere else.
    Inside,
    /// A callable, for Hydra.
    Target,
    /// A pair of a library and a class.
    Component,
    /// The class of a pipeline; in a list, the file that it stands in and its name.
    Pipeline,
    /// A dotted class.
    Class,
    /// A module to import.
    Module,
    /// Another model that is needed.
    Needs,
}

impl Meaning {
    /// True if the values in an object under such a key mean the same, whatever their own keys are.
    pub fn reaches_down(self) -> bool {
        matches!(self, Meaning::RemoteCode | Meaning::Kernel | Meaning::Template | Meaning::Path | Meaning::Inside)
    }
    /// True if such a key counts in the outermost object only.
    pub fn at_top(self) -> bool {
        matches!(self, Meaning::Component | Meaning::Pipeline)
    }
}

/// Stands for the name of any YAML file.
const YAML: &str = "*.yaml";

macro_rules! fields {
    ($($key:literal $file:literal $meaning:ident $loader:literal $does:literal;)*) => {
        /// Every field, in the order in which they are tried.
        pub static FIELDS: &[Field] =
            &[$(Field { key: $key, file: $file, meaning: Meaning::$meaning, loader: $loader, does: $does }),*];
    };
}

fields! {
    "auto_map" "" RemoteCode "transformers 4.10 and later, diffusers 0.31 and later"
        "imports these Python files when it is given trust_remote_code=True";
    "custom_pipelines" "" RemoteCode "transformers 4.22 and later"
        "imports the file under impl when it is given trust_remote_code=True";
    "trust_remote_code" "" Consent "transformers, vLLM and others that read their options from files"
        "runs the code of the repository";
    "_attn_implementation_internal" "" Kernel "transformers 4.56 to 5.2 with kernels (CVE-2026-4372)"
        "fetches that repository and runs its code, whatever trust_remote_code says";
    "_attn_implementation" "" Kernel "transformers 4.56 to 5.2 with kernels (CVE-2026-4372)"
        "fetches that repository and runs its code, whatever trust_remote_code says";
    "attn_implementation" "" Kernel "transformers 4.56 and later with kernels"
        "fetches that repository and runs its code, whatever trust_remote_code says";
    "experts_implementation" "" Kernel "transformers 5 with kernels"
        "fetches that repository and runs its code, whatever trust_remote_code says";
    "_experts_implementation" "" Kernel "transformers 5 with kernels"
        "fetches that repository and runs its code, whatever trust_remote_code says";
    "_experts_implementation_internal" "" Kernel "transformers 5 with kernels"
        "fetches that repository and runs its code, whatever trust_remote_code says";
    "prompt" "" Template "transformers, and servers that render prompts" "renders it";
    "name" "tokenizer_config.json" FileName "transformers 4.52 and later"
        "writes the template to additional_chat_templates/NAME.jinja when it saves the tokenizer";
    "name" "chat_template.json" FileName "transformers 4.52 and later"
        "writes the template to additional_chat_templates/NAME.jinja when it saves the processor";
    "name" "processor_config.json" FileName "transformers 4.52 and later"
        "writes the template to additional_chat_templates/NAME.jinja when it saves the processor";
    "vocab_file" "" Path "transformers" "opens it in place of the file of the directory";
    "merges_file" "" Path "transformers" "opens it in place of the file of the directory";
    "spm_file" "" Path "transformers" "opens it in place of the file of the directory";
    "sp_model_file" "" Path "transformers" "opens it in place of the file of the directory";
    "source_spm" "" Path "transformers" "opens it in place of the file of the directory";
    "target_spm" "" Path "transformers" "opens it in place of the file of the directory";
    "tokenizer_file" "" Path "transformers" "opens it in place of the file of the directory";
    "special_tokens_map_file" "" Path "transformers before 5" "opens it in place of the file of the directory";
    "model_file" "" Path "fairseq, Flair and others" "opens it";
    "weight_map" "" Inside "transformers, diffusers, accelerate" "opens these files as shards";
    "path" "modules.json" Inside "sentence-transformers" "loads a part of the model from it";
    "type" "modules.json" Class "sentence-transformers" "imports it and calls its load";
    "*" "model_index.json" Component "diffusers" "imports the library and loads the class";
    "*" "modular_model_index.json" Component "diffusers with modular pipelines" "imports the library and loads the class";
    "_class_name" "model_index.json" Pipeline "diffusers"
        "imports the Python file of this name in the directory, before 0.38 without being given trust_remote_code=True";
    "parent_library" "adapter_config.json" Module "PEFT 0.4 and later" "imports it";
    "loader_module" "mlmodel" Module "MLflow" "imports it and calls its _load_pyfunc";
    "base_model_name_or_path" "" Needs "PEFT" "loads the base model from there";
    "_target_" "" Target "Hydra, NeMo (CVE-2025-23304)" "imports it and calls it";
    "target" "*.yaml" Target "latent-diffusion and what is built on it" "imports it and calls it";
    "class_path" "*.yaml" Target "LightningCLI" "imports it and calls it";
}

/// Libraries from which `model_index.json` names classes, and modules of diffusers that hold pipelines.
pub static LIBRARIES: &[&str] = &[
    "diffusers",
    "transformers",
    "onnxruntime.training",
    // diffusers 0.42 looks a plain name up among its pipelines first
    "ace_step",
    "allegro",
    "animatediff",
    "anyflow",
    "audioldm2",
    "aura_flow",
    "blip_diffusion",
    "bria",
    "bria_fibo",
    "bria_fibo2",
    "chroma",
    "chronoedit",
    "cogvideo",
    "cogview3",
    "cogview4",
    "consisid",
    "consistency_models",
    "controlnet",
    "controlnet_hunyuandit",
    "controlnet_sd3",
    "cosmos",
    "ddim",
    "ddpm",
    "deepfloyd_if",
    "deprecated",
    "diffusion_gemma",
    "dit",
    "dreamlite",
    "easyanimate",
    "ernie_image",
    "flux",
    "flux2",
    "glm_image",
    "helios",
    "hidream_image",
    "hunyuan_image",
    "hunyuan_video",
    "hunyuan_video1_5",
    "hunyuandit",
    "ideogram4",
    "joyimage",
    "kandinsky",
    "kandinsky2_2",
    "kandinsky3",
    "kandinsky5",
    "kandinsky6",
    "kolors",
    "krea2",
    "latent_consistency_models",
    "latent_diffusion",
    "latte",
    "ledits_pp",
    "llada2",
    "longcat_audio_dit",
    "longcat_image",
    "ltx",
    "ltx2",
    "lucy",
    "lumina",
    "lumina2",
    "marigold",
    "mochi",
    "motif_video",
    "nucleusmoe_image",
    "omnigen",
    "ovis_image",
    "pag",
    "paint_by_example",
    "pixart_alpha",
    "prx",
    "qwenimage",
    "qwenimage21",
    "rfd4_proteina",
    "sana",
    "sana_video",
    "sana_wm",
    "shap_e",
    "skyreels_v2",
    "stable_audio",
    "stable_audio_3",
    "stable_cascade",
    "stable_diffusion",
    "stable_diffusion_3",
    "stable_diffusion_safe",
    "stable_diffusion_xl",
    "stable_video_diffusion",
    "t2i_adapter",
    "unclip",
    "unidiffuser",
    "visualcloze",
    "wan",
    "wuerstchen",
    "z_image",
];

/// What a key means in a file of this name, given in lower case, with the row that says so.
pub fn of(key: &str, file: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| {
        let named = field.key == key || (field.key == "*" && !key.starts_with('_'));
        let yaml = field.file == YAML && (file.ends_with(".yaml") || file.ends_with(".yml"));
        named && (yaml || field.file.is_empty() || field.file == file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_complete_and_none_hides_another() {
        for (n, field) in FIELDS.iter().enumerate() {
            assert!(!field.key.is_empty() && !field.loader.is_empty() && !field.does.ends_with('.'), "{field:?}");
            let key = if field.key == "*" { "vae" } else { field.key };
            let found = of(key, if field.file == YAML { "a.yaml" } else { field.file }).unwrap();
            assert!(std::ptr::eq(found, &FIELDS[n]), "{field:?} is hidden by {found:?}");
        }
    }
}

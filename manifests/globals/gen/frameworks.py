"""What the generator looks at: per table its packages, what to leave out, and what was decided by hand.

walk        packages to import whole; modules: only these modules instead
skip        modules left out, with everything below them
classes     modules whose classes are judged, default all walked
native      modules in native code whose classes were reviewed: their constructors take numbers, arrays and plain values
call_native of those, modules whose classes may also be called
shaped      bases that were read, and the rule of shape under which what derives from them is vetted
methods     bases, and the methods that may be named as data
functions   modules whose functions may be named as data (never called while unpickling)
aliases     (new prefix, old prefix): names that older versions used
complete    False where more is ordinarily pickled than the table can list
"""

TESTS = ("tests", "test", "testing", "conftest", "_testing", "__main__", "setup", "cli", "commands")

FRAMEWORKS = {
    "stdlib": dict(
        modules="argparse array ast bisect calendar collections configparser csv dataclasses datetime "
        "decimal difflib email.charset email.header email.headerregistry email.message email.mime.application email.mime.audio "
        "email.mime.base email.mime.image email.mime.multipart email.mime.text email.policy email._policybase fractions "
        "graphlib heapq html.parser http http.cookies inspect ipaddress json.decoder json.encoder locale logging math numbers "
        "optparse pathlib plistlib pprint pstats queue random re reprlib sched shlex signal socket statistics string struct "
        "textwrap time token tokenize tracemalloc types typing urllib.parse uuid xml.dom.minidom xml.etree.ElementTree zoneinfo",
        skip="",
        dist=[],
        native="_elementtree _struct _random xml.etree _ast ast collections array datetime decimal time",
        call_native="ast",
        aliases=[("ast", "_ast")],
        only_packages=True,
    ),
    "numpy": dict(
        walk="numpy",
        skip="numpy.f2py numpy.distutils numpy.testing numpy.ctypeslib numpy.typing numpy._typing numpy.doc numpy.conftest numpy._pyinstaller",
        dist=["numpy"],
        native="numpy",
        functions="numpy numpy.linalg numpy.fft numpy.ma numpy.ma.core numpy.ma.extras numpy.random numpy.polynomial numpy.strings "
        "numpy.char numpy.rec numpy._core numpy.lib numpy.emath",
        aliases=[("numpy._core", "numpy.core")],
    ),
    "scipy": dict(
        walk="scipy",
        skip="scipy.io scipy.special._precompute scipy._lib.array_api_extra scipy.optimize.cython_optimize scipy._lib.pyprima scipy.weave scipy.conftest scipy._lib.cobyqa scipy.optimize._shgo scipy._lib._ccallback "
        "scipy._lib.deprecation scipy.datasets",
        dist=["scipy"],
        native="pybind11_builtins scipy.spatial scipy.interpolate scipy.sparse scipy.stats scipy.signal scipy.special scipy.ndimage scipy.linalg "
        "scipy.cluster scipy.optimize._highspy scipy._lib._unuran",
        functions="scipy.special scipy.stats scipy.spatial scipy.signal scipy.optimize scipy.linalg scipy.sparse scipy.ndimage "
        "scipy.integrate scipy.interpolate scipy.fft scipy.cluster scipy._lib scipy.odr scipy._external.array_api_compat.numpy",
        shaped={"rv_generic": ("distribution", "a distribution: its state holds source that scipy runs, and numbers")},
        methods={"rv_discrete": "_entropy", "interp1d": "_call_linear _call_linear_np _call_nan_spline _call_nearest "
                 "_call_previousnext _call_spline"},
        aliases=[("scipy.sparse._", "scipy.sparse."), ("scipy.interpolate._", "scipy.interpolate."),
                 ("scipy.spatial._kdtree", "scipy.spatial.kdtree"), ("scipy.spatial._ckdtree", "scipy.spatial.ckdtree"),
                 ("scipy.stats._kde", "scipy.stats.kde"), ("scipy.signal._ltisys", "scipy.signal.ltisys"),
                 ("scipy.optimize._optimize", "scipy.optimize.optimize"), ("scipy.spatial.transform._rotation", "scipy.spatial.transform.rotation"),
                 ("scipy.spatial._qhull", "scipy.spatial.qhull")],
    ),
    "pandas": dict(
        walk="pandas",
        skip="pandas.io pandas._testing pandas.testing pandas.util pandas.plotting pandas.core.computation pandas._libs.parsers "
        "pandas._libs.json pandas._libs.testing pandas._libs.pandas_parser pandas._libs.pandas_datetime pandas.conftest pandas._version pandas.core._numba",
        dist=["pandas"],
        native="pandas._libs pandas",
        call_native="pandas._libs.tslibs pandas._libs.interval pandas.tseries pandas",
        functions="pandas",
    ),
    "sklearn": dict(
        walk="sklearn",
        skip="sklearn.externals sklearn._build_utils sklearn.utils._testing sklearn.utils._show_versions sklearn.conftest "
        "sklearn.utils._repr_html sklearn.utils._estimator_html_repr sklearn.utils._plotting sklearn.experimental",
        dist=["scikit-learn"],
        native="sklearn",
        call_native="sklearn._loss sklearn.linear_model._sgd_fast sklearn.tree sklearn.metrics._dist_metrics sklearn.neighbors "
        "sklearn.ensemble._hist_gradient_boosting sklearn.utils",
        functions="sklearn.metrics sklearn.feature_selection sklearn.preprocessing sklearn.cluster sklearn.decomposition "
        "sklearn.linear_model sklearn.neighbors sklearn.model_selection sklearn.utils.extmath sklearn.utils.validation sklearn.feature_extraction "
        "sklearn.covariance sklearn.manifold sklearn.gaussian_process sklearn.neural_network sklearn.utils.multiclass sklearn.utils._param_validation sklearn.svm "
        "sklearn.base sklearn.inspection sklearn.ensemble sklearn.utils._metadata_requests sklearn.utils._array_api",
        aliases="sklearn",
    ),
    "torch": dict(
        walk="torch torchgen functorch",
        only="torch.nn torch.optim torch.distributions torch.utils.data torch.utils.hooks torch.ao.nn torch.ao.quantization "
        "torch.quantization torch.amp torch.cuda.amp torch.distributed.checkpoint torch.distributed.tensor torch.distributed.device_mesh "
        "torch.distributed._shard torch.distributed.fsdp torch.distributed._tensor torch.distributed.optim torch.sparse torch.storage torch._tensor torch.masked "
        "torch.nested torch.autograd torch.signal torch.special torch.linalg torch.random torch.types torch.functional "
        "torch._prims_common torch.distributed.algorithms torch.distributed.tensor torch.return_types torch._C._nn torch.torch_version torch.distributed._composable",
        skip="torch.distributed.checkpoint._experimental torch.utils.data.datapipes.utils torch.utils.data._utils.worker "
        "torch.distributed._shard.api torch.nn.cpp torch.autograd.profiler torch.autograd.profiler_legacy torch.nn.parallel.distributed "
        "torch.distributed.nn torch.autograd.profiler_util torch.distributed.tensor.examples torch.distributed.checkpoint.examples "
        "torch.utils.data.datapipes.iter.callable torch.distributed.checkpoint._hf_utils",
        dist=["torch"],
        native="torch._C._nn torch._C._autograd torch.return_types torch._C._distributed pybind11_builtins torch.distributed.tensor",
        call_native="torch.return_types",
        methods={"LazyModuleMixin": "_infer_parameters _lazy_load_hook",
                 "CyclicLR": "_triangular_scale_fn _triangular2_scale_fn _exp_range_scale_fn",
                 "_VariableFunctionsClass": "*"},
        functions="torch.nn torch.functional torch.special torch.linalg torch.optim torch.utils.data torch.distributions torch.ao.quantization",
        aliases=[("torch.ao.nn", "torch.nn"), ("torch.ao.quantization", "torch.quantization")],
    ),
    "transformers": dict(
        walk="transformers",
        skip="transformers.commands transformers.cli transformers.utils.hub transformers.dynamic_module_utils transformers.agents "
        "transformers.tools transformers.testing_utils transformers.kernels transformers.onnx transformers.sagemaker transformers.benchmark "
        "transformers.pipelines transformers.convert_pytorch_checkpoint_to_tf2 transformers.hf_argparser transformers.distributed",
        dist=["transformers"],
        native="tokenizers",
        functions="transformers.activations transformers.data transformers.optimization transformers.masking_utils transformers.modeling_rope_utils transformers.pytorch_utils transformers.image_utils transformers.audio_utils",
        aliases="transformers",
    ),
    "tokenizers": dict(walk="tokenizers", skip="tokenizers.tools", dist=["tokenizers"], native="tokenizers", call_native="tokenizers", functions=""),
    "accelerate": dict(walk="accelerate", skip="accelerate.commands accelerate.test_utils", dist=["accelerate"], native="", functions=""),
    "peft": dict(walk="peft", skip="peft.import_utils", dist=["peft"], native="", functions="peft.tuners"),
    "diffusers": dict(walk="diffusers", skip="diffusers.commands diffusers.utils.dynamic_modules_utils diffusers.modular_pipelines", dist=["diffusers"], native="", functions=""),
    "timm": dict(walk="timm", skip="", dist=["timm"], native="", functions="timm.layers timm.models timm.data.auto_augment timm.data.mixup timm.data.random_erasing timm.data.transforms"),
    "torchvision": dict(walk="torchvision", skip="torchvision.datasets torchvision.io torchvision.prototype", dist=["torchvision"], native="", functions="torchvision.transforms torchvision.ops torchvision.models"),
    "sentence_transformers": dict(walk="sentence_transformers", skip="", dist=["sentence-transformers"], native="", functions="sentence_transformers.util sentence_transformers.losses"),
    "lightning": dict(walk="lightning pytorch_lightning lightning_fabric lightning_utilities", skip="lightning.pytorch.cli lightning.fabric.cli lightning.app pytorch_lightning.cli",
                      dist=["lightning", "pytorch-lightning", "lightning-utilities"], native="",
                      methods={"StochasticWeightAveraging": "avg_fn"}, functions=""),
    "torchmetrics": dict(walk="torchmetrics", skip="", dist=["torchmetrics"], native="", functions="torchmetrics.functional torchmetrics.utilities torchmetrics.metric"),
    "boosting": dict(walk="xgboost lightgbm catboost", skip="xgboost.testing xgboost.spark xgboost.dask xgboost.collective xgboost.tracker xgboost.federated lightgbm.dask", dist=["xgboost", "xgboost-cpu", "lightgbm", "catboost"], native="", functions=""),
    "networkx": dict(walk="networkx", skip="networkx.readwrite networkx.drawing networkx.utils.backends networkx.utils.configs", dist=["networkx"], native="", functions="networkx.classes"),
    "sympy": dict(walk="sympy mpmath", skip="sympy.parsing sympy.utilities sympy.interactive sympy.plotting sympy.printing sympy.testing sympy.core.sympify sympy.external sympy.codegen sympy.galgebra",
                  dist=["sympy", "mpmath"], native="", functions=""),
    "imaging": dict(walk="PIL", skip="PIL.report", only="PIL.Image PIL.ImageColor PIL.ImagePalette PIL.TiffImagePlugin PIL.PngImagePlugin PIL.JpegImagePlugin PIL.ImageFilter PIL.ImageFont PIL.ExifTags PIL.ImageMode PIL.ImageEnhance PIL.ImageOps", dist=["pillow"], native="", functions=""),
    "statistics": dict(walk="statsmodels patsy imblearn category_encoders umap pynndescent", skip="statsmodels.datasets statsmodels.graphics statsmodels.sandbox statsmodels.compat imblearn.utils.testing imblearn.keras imblearn.tensorflow patsy.eval umap.plot statsmodels.tools.print_version",
                       dist=["statsmodels", "patsy", "imbalanced-learn", "category_encoders", "umap-learn", "pynndescent"], native="statsmodels", functions="statsmodels.genmod"),
    "small": dict(walk="dateutil pytz packaging omegaconf easydict addict munch ml_collections tqdm attr attrs yaml markupsafe tzdata antlr4 filelock certifi colorlog typing_extensions annotated_types",
                  skip="dateutil.parser dateutil.zoneinfo.rebuild yaml.cyaml tqdm.contrib tqdm.notebook tqdm.gui tqdm.keras tqdm.cli filelock certifi packaging._elffile", dist=["python-dateutil", "pytz", "packaging", "omegaconf", "easydict", "addict", "ml_collections", "tqdm", "attrs"], native="", functions=""),
    "pydantic": dict(walk="pydantic pydantic_core", skip="pydantic.mypy pydantic.v1 pydantic.deprecated pydantic._internal pydantic.plugin pydantic.experimental", dist=["pydantic"], native="", functions=""),
    "huggingface": dict(walk="huggingface_hub datasets evaluate safetensors", skip="huggingface_hub.cli huggingface_hub.commands huggingface_hub.inference datasets.commands datasets.packaged_modules datasets.io datasets.utils datasets.download evaluate.commands huggingface_hub._sandbox huggingface_hub._jobs_api",
                        dist=["huggingface_hub", "datasets", "evaluate", "safetensors"], native="", functions=""),
    "nlp": dict(walk="nltk gensim", skip="nltk.app nltk.draw nltk.downloader nltk.parse nltk.twitter nltk.sem nltk.inference nltk.internals nltk.data nltk.corpus nltk.tag.hunpos nltk.tag.senna nltk.tag.stanford nltk.tokenize.stanford nltk.tokenize.repp nltk.classify.weka nltk.classify.megam nltk.classify.tadm nltk.chat nltk.test gensim.downloader gensim.scripts gensim.test", dist=["nltk", "gensim"], native="", functions="gensim"),
    "geometric": dict(walk="torch_geometric", skip="torch_geometric.datasets torch_geometric.graphgym torch_geometric.distributed torch_geometric.testing torch_geometric.llm torch_geometric.deprecation", dist=["torch_geometric"], native="", functions=""),
    "ultralytics": dict(complete=False, walk="ultralytics", only="ultralytics.nn ultralytics.utils.loss ultralytics.utils.tal ultralytics.utils ultralytics.cfg", skip="ultralytics.nn.backends ultralytics.nn.autobackend ultralytics.utils.benchmarks ultralytics.utils.callbacks ultralytics.utils.export ultralytics.utils.downloads ultralytics.utils.checks ultralytics.utils.tuner", dist=["ultralytics"], native="", functions=""),
    "tuning": dict(complete=False, walk="optuna hyperopt skopt bayes_opt deap", skip="optuna.cli optuna._cli optuna.storages._rdb optuna.visualization optuna.integration optuna._imports hyperopt.mongoexp hyperopt.ipy hyperopt.spark hyperopt.plotting hyperopt.graphviz hyperopt.main optuna.storages._grpc deap.creator deap.gp",
                   dist=["optuna", "hyperopt", "scikit-optimize", "bayesian-optimization", "deap"], native="", functions="optuna.samplers optuna._gp optuna.pruners deap.tools"),
    "series": dict(complete=False, walk="sktime skbase skforecast tslearn pyts pmdarima", skip="sktime.datasets sktime.utils._testing sktime.registry sktime.benchmarking sktime.libs sktime.networks sktime.utils.plotting sktime.utils.dependencies sktime.utils.mlflow_sktime skbase.testing skbase.validate tslearn.datasets pyts.datasets pmdarima.datasets skforecast.datasets",
                   dist=["sktime", "scikit-base", "skforecast", "tslearn", "pyts", "pmdarima"], native="", functions=""),
    "detection": dict(complete=False, walk="pyod hdbscan", skip="pyod.utils.data pyod.utils.torch_utility", dist=["pyod", "hdbscan"], native="hdbscan", call_native="hdbscan", functions=""),
    "explaining": dict(complete=False, walk="shap slicer", skip="shap.datasets shap.plots shap.benchmark", dist=["shap", "slicer"], native="", functions="shap.links shap.utils"),
    "survival": dict(complete=False, walk="lifelines formulaic interface_meta", skip="lifelines.datasets lifelines.plotting", dist=["lifelines", "formulaic"], native="", functions="",
                     methods={"NelsonAalenFitter": "_additive_f_smooth _additive_f_discrete _variance_f_smooth _variance_f_discrete",
                              "ParametricRegressionFitter": "_add_penalty _create_neg_likelihood_with_penalty_function _log_likelihood_right_censoring "
                              "_log_likelihood_left_censoring _log_likelihood_interval_censoring"}),
    "tabular": dict(complete=False, walk="mlxtend feature_engine ngboost hmmlearn kmodes surprise implicit econml pgmpy river sklearn_crfsuite interpret mapie tsfresh", skip="mlxtend.data mlxtend.plotting feature_engine.datasets surprise.dump surprise.dataset implicit.datasets implicit.gpu econml.dowhy river.datasets river.sketch pgmpy.readwrite interpret.visual interpret.provider interpret.api tsfresh.scripts",
                    dist=["mlxtend", "feature-engine", "ngboost", "hmmlearn", "kmodes", "scikit-surprise", "implicit", "econml", "pgmpy", "river", "sklearn-crfsuite", "interpret-core", "mapie", "tsfresh"], native="", functions="kmodes econml.utilities"),
    "text": dict(complete=False, walk="spacy thinc confection catalogue srsly textblob", skip="spacy.cli spacy.displacy spacy.training spacy.ml thinc.shims thinc.backends.cupy_ops srsly.ruamel_yaml srsly.cloudpickle srsly.tests textblob.download_corpora", dist=["spacy", "thinc", "confection", "srsly", "textblob"],
                 native="spacy.attrs spacy.symbols spacy.parts_of_speech", functions=""),
    "frames": dict(complete=False, walk="xarray dask polars shapely geopandas narwhals", skip="xarray.backends xarray.plot xarray.tutorial dask.bytes dask.dataframe.io dask.array.tiledb_io dask.diagnostics dask.config polars.io geopandas.io geopandas.datasets dask.sizeof narwhals._spark_like dask.dataframe.dask_expr.io", dist=["xarray", "dask", "polars", "shapely", "geopandas"], native="shapely", functions="shapely polars.datatypes"),
    "astropy": dict(complete=False, walk="astropy", skip="astropy.io astropy.utils.data astropy.utils.iers astropy.vo astropy.samp astropy.config astropy.utils.parsing astropy.extern astropy.visualization astropy.units.format", dist=["astropy"], native="", functions=""),
    "environments": dict(complete=False, walk="gymnasium stable_baselines3", skip="gymnasium.envs.mujoco gymnasium.utils.play gymnasium.vector.async_vector_env stable_baselines3.common.save_util", dist=["gymnasium", "stable_baselines3"], native="", methods={"BasePolicy": "_dummy_schedule"}, functions=""),
    "training": dict(complete=False, walk="fastai fastcore skorch pytorch_forecasting pytorch_tabnet ignite pytorch_metric_learning ema_pytorch torch_ema fastprogress", skip="fastai.callback.wandb fastai.callback.azureml fastai.callback.neptune fastai.callback.comet fastai.data.external fastai.data.download_checksum fastai.torch_core fastcore.net fastcore.script fastcore.shutil fastcore.docscrape fastcore.xml fastcore.py2pyi fastcore.all fastcore.nb_imports fastcore.ghapi ignite.handlers.clearml_logger ignite.handlers.mlflow_logger skorch.hf skorch.llm",
                     dist=["fastai", "fastcore", "skorch", "pytorch-forecasting", "pytorch-tabnet", "pytorch-ignite", "pytorch-metric-learning"], native="", functions="ema_pytorch skorch.utils"),
    "vision": dict(complete=False, walk="segmentation_models_pytorch kornia open_clip efficientnet_pytorch facenet_pytorch vit_pytorch x_transformers einops monai", skip="kornia.x kornia.contrib open_clip.push_to_hf_hub open_clip.pretrained monai.apps monai.bundle monai.fl monai.auto3dseg monai.handlers monai.engines",
                   dist=["segmentation_models_pytorch", "kornia", "open_clip_torch", "efficientnet_pytorch", "vit-pytorch", "x-transformers", "einops", "monai"], native="", functions="x_transformers kornia"),
    "audio": dict(complete=False, walk="torchaudio speechbrain", skip="torchaudio.datasets torchaudio.utils torchaudio.io torchaudio.backend torchaudio.prototype speechbrain.utils.hpopt speechbrain.integrations speechbrain.k2_integration speechbrain.wordemb speechbrain.alignment", dist=["torchaudio", "speechbrain"], native="", functions="torchaudio.functional"),
    "processes": dict(complete=False, walk="gpytorch linear_operator botorch torchao tensordict torchdiffeq", skip="torchao.prototype torchao.testing torchao._models tensordict.nn.functional_modules botorch.test_functions", dist=["gpytorch", "linear_operator", "botorch", "torchao", "tensordict"], native="", functions="gpytorch.utils linear_operator.utils"),
}

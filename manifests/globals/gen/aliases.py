"""Module paths that older versions used for the same classes."""

SKLEARN = {  # scikit-learn before 0.22: public modules where private ones are now
    "sklearn.cluster._affinity_propagation": "sklearn.cluster.affinity_propagation_",
    "sklearn.cluster._agglomerative": "sklearn.cluster.hierarchical sklearn.cluster._hierarchical",
    "sklearn.cluster._bicluster": "sklearn.cluster.bicluster",
    "sklearn.cluster._birch": "sklearn.cluster.birch",
    "sklearn.cluster._dbscan": "sklearn.cluster.dbscan_",
    "sklearn.cluster._kmeans": "sklearn.cluster.k_means_",
    "sklearn.cluster._mean_shift": "sklearn.cluster.mean_shift_",
    "sklearn.cluster._optics": "sklearn.cluster.optics_",
    "sklearn.cluster._spectral": "sklearn.cluster.spectral",
    "sklearn.covariance._elliptic_envelope": "sklearn.covariance.elliptic_envelope",
    "sklearn.covariance._empirical_covariance": "sklearn.covariance.empirical_covariance_",
    "sklearn.covariance._graph_lasso": "sklearn.covariance.graph_lasso_",
    "sklearn.covariance._robust_covariance": "sklearn.covariance.robust_covariance",
    "sklearn.covariance._shrunk_covariance": "sklearn.covariance.shrunk_covariance_",
    "sklearn.cross_decomposition._pls": "sklearn.cross_decomposition.pls_ sklearn.cross_decomposition.cca_",
    "sklearn.decomposition._fastica": "sklearn.decomposition.fastica_",
    "sklearn.decomposition._lda": "sklearn.decomposition.online_lda sklearn.decomposition._online_lda",
    "sklearn.ensemble._gb": "sklearn.ensemble.gradient_boosting",
    "sklearn.feature_selection._mutual_info": "sklearn.feature_selection.mutual_info_",
    "sklearn.feature_selection._variance_threshold": "sklearn.feature_selection.variance_threshold",
    "sklearn.feature_extraction._hash": "sklearn.feature_extraction.hashing sklearn.feature_extraction._hashing",
    "sklearn.linear_model._omp": "sklearn.linear_model.omp",
    "sklearn.manifold._spectral_embedding": "sklearn.manifold.spectral_embedding_",
    "sklearn.metrics._scorer": "sklearn.metrics.scorer",
    "sklearn.metrics._classification": "sklearn.metrics.classification",
    "sklearn.metrics._ranking": "sklearn.metrics.ranking",
    "sklearn.metrics._regression": "sklearn.metrics.regression",
    "sklearn.metrics._dist_metrics": "sklearn.neighbors.dist_metrics sklearn.neighbors._dist_metrics",
    "sklearn.neighbors._ball_tree": "sklearn.neighbors.ball_tree",
    "sklearn.neighbors._kd_tree": "sklearn.neighbors.kd_tree",
    "sklearn.neural_network._stochastic_optimizers": "sklearn.neural_network._stochastic_optimizers",
    "sklearn.preprocessing._data": "sklearn.preprocessing.data",
    "sklearn.preprocessing._label": "sklearn.preprocessing.label",
    "sklearn.preprocessing._polynomial": "sklearn.preprocessing.data sklearn.preprocessing._data",
    "sklearn.semi_supervised._label_propagation": "sklearn.semi_supervised.label_propagation",
    "sklearn.svm._classes": "sklearn.svm.classes",
    "sklearn.tree._classes": "sklearn.tree.tree",
    "sklearn.utils._bunch": "sklearn.utils sklearn.datasets.base sklearn.datasets._base",
    "sklearn._loss.loss": "sklearn.ensemble._hist_gradient_boosting.loss",
}
SKLEARN_PLAIN = (  # in these packages `_name` was `name`
    "cluster covariance decomposition ensemble feature_extraction feature_selection gaussian_process linear_model manifold "
    "mixture neighbors neural_network preprocessing semi_supervised svm tree metrics").split()

TRANSFORMERS3 = (  # models that transformers had before each got a package of its own in 4.0
    "albert auto bart bert bert_generation blenderbot camembert ctrl deberta distilbert dpr electra encoder_decoder flaubert fsmt "
    "funnel gpt2 layoutlm longformer lxmert marian mbart mobilebert mt5 openai pegasus prophetnet rag reformer retribert roberta "
    "squeezebert t5 transfo_xl xlm xlm_prophetnet xlm_roberta xlnet").split()


def old_names(rule, module):
    """Older paths of `module`."""
    if rule == "sklearn":
        out = SKLEARN.get(module, "").split()
        parts = module.split(".")
        if len(parts) == 3 and parts[1] in SKLEARN_PLAIN and parts[2].startswith("_") and module not in SKLEARN:
            out.append(".".join([*parts[:2], parts[2][1:]]))
        return [name for name in out if name != module]
    if rule == "transformers":  # before 4.0 there was no package per model
        parts = module.split(".")
        if len(parts) == 4 and parts[1] == "models" and parts[2] in TRANSFORMERS3:
            return [f"transformers.{parts[3]}"]
        return []
    return [old + module[len(new):] for new, old in rule if module == new or module.startswith(new if new[-1] == "_" else new + ".")]

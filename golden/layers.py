"""Find the parameters of a model that are multiplied in MACs, and return them as matrices.

All code that quantizes a model uses the rule below. The rule depends on the kind of layer, not on
the name that a model gives the layer. These parameters are quantized:

- the weights of linear layers (``Linear``, the ``Conv1D`` of transformers, the projections of
  attention), convolutions (grouped, depthwise and transposed ones too), recurrent layers and cells;
- in mixtures of experts, parameters of three dimensions that hold one matrix for each expert.

These parameters are not quantized:

- the output head, if the model has a method ``get_output_embeddings`` that returns it;
- routers in mixtures of experts, which have one output for each expert;
- embeddings, and weights that are shared with an embedding;
- parameters of one dimension, such as biases, and parameters of unknown modules.

A block is a run of weights that share a scale. It runs along the inputs, over which a MAC sums. For
a convolution these are the input channels at one kernel position.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from torch import Tensor, nn

__all__ = [
    "Kept",
    "Layout",
    "Survey",
    "WeightMatrix",
    "from_matrix",
    "input_axis",
    "survey",
    "to_matrix",
    "weight_matrices",
]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_ATTENTION_WEIGHTS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_INPUT_SIZES = ("in_features", "input_size")


class Kept(Enum):
    """Why a parameter is not quantized."""

    HEAD = "output head"
    ROUTER = "router"
    EMBEDDING = "embedding"
    UNKNOWN = "not the weight of a known layer"


class Layout(Enum):
    """The order of a weight's dimensions in its parameter."""

    ROWS = "outputs, inputs"
    COLUMNS = "inputs, outputs"
    CONVOLUTION = "outputs, inputs of a group, kernel"
    TRANSPOSED_CONVOLUTION = "inputs, outputs of a group, kernel"


@dataclass(frozen=True)
class WeightMatrix:
    """One weight of a layer as a matrix.

    Parameters
    ----------
    layer : nn.Module
        The module that holds the weight.
    parameter : str
        The weight's name in the layer: ``weight``, or a name such as ``weight_hh_l0``.
    expert : int, optional
        Index of the expert, if the parameter holds the weights of several experts.
    layout : Layout
        The order of the weight's dimensions in the parameter.
    """

    layer: nn.Module
    parameter: str = "weight"
    expert: int | None = None
    layout: Layout = Layout.ROWS

    @property
    def tensor(self) -> Tensor:
        """The weight as the layer stores it; for an expert, its part of the parameter."""
        weight: Tensor = getattr(self.layer, self.parameter).data
        return weight if self.expert is None else weight[self.expert]

    @property
    def identity(self) -> tuple[int, int | None]:
        """A key that is equal for layers that share a weight."""
        return id(getattr(self.layer, self.parameter)), self.expert

    @property
    def input_stride(self) -> int:
        """Distance from one input to the next, in elements of the parameter."""
        axis = {Layout.ROWS: -1, Layout.COLUMNS: 0, Layout.CONVOLUTION: 1}.get(self.layout, 0)
        return self.tensor.stride(axis)

    @property
    def is_recurrent(self) -> bool:
        """Whether the layer feeds its outputs back to its own inputs."""
        return isinstance(self.layer, _RECURRENT)

    @property
    def groups(self) -> int:
        """Groups of a convolution; 1 for other layers."""
        return int(getattr(self.layer, "groups", 1))

    def read(self) -> Tensor:
        """The weight as (outputs, inputs), in its own type; a view where the layout allows.

        The matrix of a convolution has a row for each output channel and kernel position.
        """
        return to_matrix(self.tensor, self.layout, self.groups)

    def write(self, matrix: Tensor) -> None:
        """Replace the weight by ``matrix``, of the shape that :meth:`read` gives."""
        before = self.tensor
        stored = from_matrix(matrix.to(before.dtype), before.shape, self.layout, self.groups)
        if self.expert is None:
            getattr(self.layer, self.parameter).data = stored
        else:
            before.copy_(stored)


def to_matrix(weight: Tensor, layout: Layout, groups: int = 1) -> Tensor:
    """A stored weight as a matrix (outputs, inputs); a view where the layout allows."""
    if layout is Layout.COLUMNS:
        return weight.T
    if layout is Layout.CONVOLUTION:
        return weight.movedim(1, -1).flatten(0, -2)
    if layout is Layout.TRANSPOSED_CONVOLUTION:
        grouped = weight.reshape(groups, -1, *weight.shape[1:])
        return grouped.movedim(1, -1).flatten(0, -2)
    return weight


def from_matrix(matrix: Tensor, shape: Sequence[int], layout: Layout, groups: int = 1) -> Tensor:
    """Undo :func:`to_matrix`. The result is contiguous and has the shape ``shape``."""
    if layout is Layout.COLUMNS:
        return matrix.T.contiguous()
    first, second, *kernel = shape
    if layout is Layout.CONVOLUTION:
        return matrix.reshape(first, *kernel, second).movedim(-1, 1).contiguous()
    if layout is Layout.TRANSPOSED_CONVOLUTION:
        wide = matrix.reshape(groups, second, *kernel, first // groups)
        return wide.movedim(-1, 1).flatten(0, 1).contiguous()
    return matrix.contiguous()


@dataclass(frozen=True)
class Survey:
    """The parameters of a model that are quantized, and those that are not.

    Parameters
    ----------
    matrices : dict of str to WeightMatrix
        Every weight that can be quantized, by layer name, in the model's order. For layers of a
        kind that has several weights, and for experts, the parameter's name follows. For an expert,
        its index comes last.
    kept : dict of str to Kept
        Every other floating-point parameter of two dimensions or more, by its name in the model,
        except those of modules that :func:`survey` ignores.
    """

    matrices: dict[str, WeightMatrix] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)


def survey(model: nn.Module, left_out: Iterable[nn.Module] = ()) -> Survey:
    """Separate the weights of ``model`` that are quantized from those that are not.

    ``left_out`` are modules to ignore, such as a pooler whose output is not used.
    """
    ignored = {id(layer) for each in left_out for layer in each.modules()}
    rule = _Rule(model)
    found = Survey()
    for name, layer in model.named_modules():
        if id(layer) in ignored:
            continue
        for parameter, weight in layer.named_parameters(recurse=False):
            if weight.ndim < 2 or not weight.is_floating_point():
                continue
            full_name = f"{name}.{parameter}" if name else parameter
            matrices = rule.matrices(name, layer, parameter, weight)
            if isinstance(matrices, Kept):
                found.kept[full_name] = matrices
            else:
                found.matrices.update(matrices)
    return found


def weight_matrices(model: nn.Module) -> dict[str, WeightMatrix]:
    """Every weight that can be quantized, by layer name, in the model's order."""
    return survey(model).matrices


def input_axis(layer: nn.Module) -> int:
    """The dimension of the layer's input along which its blocks run, counted from the end."""
    for kinds in (_CONVOLUTIONS, _TRANSPOSED):
        for dimensions, kind in enumerate(kinds, start=1):
            if isinstance(layer, kind):
                return -1 - dimensions
    return -1


class _Rule:
    """Decides which parameters of one model are quantized."""

    def __init__(self, model: nn.Module) -> None:
        find_head = getattr(model, "get_output_embeddings", None)
        head = find_head() if callable(find_head) else None
        self.head = {id(each) for each in head.modules()} if isinstance(head, nn.Module) else set()
        tables = [each for each in model.modules() if isinstance(each, _EMBEDDINGS)]
        self.tables = {id(each.weight) for each in tables}
        self.config = _flat_config(model)
        self.places = _expert_places(model, self.config)

    def matrices(
        self, name: str, layer: nn.Module, parameter: str, weight: nn.Parameter
    ) -> Kept | dict[str, WeightMatrix]:
        """The matrices of one parameter by name, or why it is not quantized."""
        if id(layer) in self.head:
            return Kept.HEAD
        if isinstance(layer, _EMBEDDINGS) or id(weight) in self.tables:
            return Kept.EMBEDDING
        if self._is_router(name, weight):
            return Kept.ROUTER
        layout = _layout(layer, parameter)
        if layout is not None:
            shown = name if parameter == "weight" and layout[1] else f"{name}.{parameter}"
            return {shown.strip(".") or parameter: WeightMatrix(layer, parameter, None, layout[0])}
        if weight.ndim == 3 and weight.shape[0] in _expert_counts(layer, self.config):
            side = _expert_layout(layer, weight, self.config.get("hidden_size"))
            if side is not None:
                prefix = f"{name}.{parameter}" if name else parameter
                return {
                    f"{prefix}.{expert}": WeightMatrix(layer, parameter, expert, side)
                    for expert in range(weight.shape[0])
                }
        return Kept.UNKNOWN

    def _is_router(self, name: str, weight: Tensor) -> bool:
        """Whether a weight lies beside experts, not in them, and has an output for each expert."""
        return weight.ndim == 2 and any(
            weight.shape[0] == count
            and name.startswith(f"{parent}." if parent else "")
            and not name.startswith(f"{container}.")
            and name != container
            for parent, container, count in self.places
        )


def _layout(layer: nn.Module, parameter: str) -> tuple[Layout, bool] | None:
    """A weight's layout, and whether it is its layer's only weight; None for other parameters."""
    if isinstance(layer, _RECURRENT):
        return (Layout.ROWS, False) if parameter.startswith("weight") else None
    if isinstance(layer, nn.MultiheadAttention):
        return (Layout.ROWS, False) if parameter in _ATTENTION_WEIGHTS else None
    if parameter != "weight":
        return None
    if isinstance(layer, nn.Linear):
        return Layout.ROWS, True
    if _is_conv1d_of_transformers(layer):
        return Layout.COLUMNS, True
    if isinstance(layer, _CONVOLUTIONS):
        return Layout.CONVOLUTION, True
    if isinstance(layer, _TRANSPOSED):
        return Layout.TRANSPOSED_CONVOLUTION, True
    return None


def _is_conv1d_of_transformers(layer: nn.Module) -> bool:
    # The check goes by name, to avoid an import of transformers. The weight is (inputs, outputs).
    return type(layer).__name__ == "Conv1D" and hasattr(layer, "nf") and hasattr(layer, "weight")


def _flat_config(model: nn.Module) -> dict[str, object]:
    """The configuration of a transformers model; empty for other models.

    If the model has a text part, the text part's values replace those of the whole model.
    """
    config = getattr(model, "config", None)
    if config is None or not hasattr(config, "to_dict"):
        return {}
    plain = config.to_dict()
    nested = plain.get("text_config")
    return {**plain, **nested} if isinstance(nested, Mapping) else dict(plain)


def _counts(values: Mapping[str, object]) -> set[int]:
    """The values that are numbers of experts, judged by their keys."""
    return {
        value
        for key, value in values.items()
        if "expert" in key and "per_tok" not in key and type(value) is int and value > 1
    }


def _expert_counts(layer: nn.Module, config: Mapping[str, object]) -> set[int]:
    """Possible numbers of experts, from attributes of the layer and the configuration."""
    return _counts(vars(layer)) | _counts(config)


def _expert_places(model: nn.Module, config: Mapping[str, object]) -> list[tuple[str, str, int]]:
    """For each module that holds experts: the parent's name, its own name, the number of experts.

    Such a module is a list of experts, or has a parameter that holds the weights of all experts.
    """
    places = []
    for name, layer in model.named_modules():
        counts = _expert_counts(layer, config)
        sizes = {w.shape[0] for w in layer.parameters(recurse=False) if w.ndim == 3}
        if isinstance(layer, nn.ModuleList):
            sizes.add(len(layer))
        places += [(name.rpartition(".")[0], name, size) for size in sizes & counts]
    return places


def _expert_layout(layer: nn.Module, weight: Tensor, hidden: object) -> Layout | None:
    """COLUMNS if an expert's matrix is (inputs, outputs), ROWS if not; None if unknown.

    Modules of transformers may say whether their matrices are (inputs, outputs). Otherwise the
    sizes decide. The layer may say how many inputs it has. If it does not, its first parameter of
    experts has as many inputs as the model has hidden units, and the others have the same layout.
    """
    marked = getattr(layer, "is_transposed", None)
    if isinstance(marked, bool):
        return Layout.COLUMNS if marked else Layout.ROWS
    size = next((getattr(layer, key) for key in _INPUT_SIZES if hasattr(layer, key)), None)
    first = next(iter(_expert_parameters(layer, weight.shape[0])), weight)
    if size is not None:
        first = weight
    rows, columns = first.shape[2] == (size or hidden), first.shape[1] == (size or hidden)
    if rows == columns:
        return None
    return Layout.ROWS if rows else Layout.COLUMNS


def _expert_parameters(layer: nn.Module, count: int) -> Iterator[Tensor]:
    return (w for w in layer.parameters(recurse=False) if w.ndim == 3 and w.shape[0] == count)

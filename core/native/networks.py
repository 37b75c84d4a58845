"""What the kernel has to know of a network: the packed arrays as kernel.h's ModelSpec, checked against the architecture."""

from __future__ import annotations

import numpy as np

from core.architecture import Architecture
from core.native.library import MAX_LAYERS, Dense, Matrix, ModelSpec
from core.native.packing import COLUMNS, LANES, OUTPUTS, Arrays, rounded


class NetworkOf:
    """A ModelSpec and the arrays that it points to, for as long as the kernel takes to copy them."""

    def __init__(self, a: Architecture, arrays: Arrays) -> None:
        self.arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        if "tables" in self.arrays:
            self.arrays["tables"] = self.arrays["tables"].astype(np.float32)
        self.arrays["feature_starts"] = np.array(a.feature_starts, np.int32)
        self._check(a)
        scales = [float(scale) for scale in self.arrays["scales"]]
        self.spec = spec = ModelSpec(
            precision=int(self.arrays["precision"][0]),
            vocabulary=a.vocabulary,
            hidden=rounded(a.hidden, LANES),
            layers=a.layers,
            residual=a.residual,
            embedding=self.arrays["tables"].shape[1] if "tables" in self.arrays else 0,
            features=len(a.features),
            feature_starts=self._pointer("feature_starts"),
            tables=self._pointer("tables"),
            token_gates=self._pointer("token_gates"),
            token_head=self._pointer("token_head"),
            input_inverse=1 / scales[0],
            head_hidden=self._dense("head_hidden", 1 / scales[-2]) if a.head else Dense(),
            head=self._dense("head", 1 / scales[-1] if a.head else 1 / scales[-2]),
            references=a.references,
            first_pitch=a.pitch_tokens[0],
            pitches=a.pitch_tokens[1],
            relative=self._pointer("relative"),
        )
        for depth in range(a.layers):
            spec.layer[depth] = self._dense(f"lstm.{depth}", 1 / scales[depth])

    def _check(self, a: Architecture) -> None:
        """The kernel believes the architecture: raises ValueError or KeyError where the arrays are not of its shapes."""
        gates, width = 4 * rounded(a.hidden, LANES), rounded(a.hidden, COLUMNS)
        top, logits = rounded(a.head or a.vocabulary, OUTPUTS), rounded(a.vocabulary, OUTPUTS)
        folded = "token_gates" in self.arrays
        embedding = 0 if folded else rounded(a.embedding, COLUMNS)
        if a.layers > MAX_LAYERS:
            raise ValueError(f"the kernel has room for {MAX_LAYERS} layers, not {a.layers}")
        shapes: dict[str, tuple[int, ...]] = {"scales": (a.layers + 2,)}
        if a.references:
            shapes["relative"] = (a.references, 2 * a.pitch_tokens[1] - 1)
        if folded:
            shapes |= {"token_gates": (a.vocabulary, gates), "token_head": (a.vocabulary, top)}
        else:
            shapes["tables"] = (a.feature_starts[-1], embedding)
        denses = [(f"lstm.{depth}", gates, width if depth else embedding, width) for depth in range(a.layers)]
        denses.append(("head_hidden" if a.head else "head", top, width, embedding))
        if a.head:
            denses.append(("head", logits, rounded(a.head, COLUMNS), 0))
        for name, rows, first, second in denses:
            for part, columns in (("first", first), ("second", second)):
                if columns:
                    groups, quads, outputs, inputs = self.arrays[f"{name}.{part}.weights"].shape
                    _expect(f"{name}.{part}.weights", (groups * outputs, quads * inputs), (rows, columns))
                    shapes[f"{name}.{part}.scale"] = (rows,)
            if not (folded and name in ("lstm.0", "head_hidden" if a.head else "head")):
                shapes[f"{name}.bias"] = (rows,)
        for name, shape in shapes.items():
            _expect(name, self.arrays[name].shape, shape)

    def _dense(self, name: str, first_inverse: float) -> Dense:
        first, second = self._matrix(f"{name}.first"), self._matrix(f"{name}.second")
        first.rows = first.rows or second.rows  # a part that is folded into a table leaves the other one's rows
        return Dense(first, second, self._pointer(f"{name}.bias"), first_inverse)

    def _matrix(self, name: str) -> Matrix:
        if f"{name}.weights" not in self.arrays:
            return Matrix()
        groups, quads, outputs, inputs = self.arrays[f"{name}.weights"].shape
        weights, scale = self._pointer(f"{name}.weights"), self._pointer(f"{name}.scale")
        return Matrix(weights, scale, groups * outputs, quads * inputs)

    def _pointer(self, name: str) -> int | None:
        return self.arrays[name].ctypes.data if name in self.arrays else None


def _expect(name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if tuple(found) != tuple(wanted):
        raise ValueError(f"{name} is {found}, and the architecture asks for {wanted}")

"""Muon: momentum whose direction is made orthogonal, for the matrices; AdamW for the rest (Jordan et al., 2024, "Muon").

PyTorch's own Muon iterates in bfloat16, which a T4 has no units for, and one matrix at a time; here matrices of one
shape go through together, in the dtype that the device multiplies fastest.
"""

import torch

QUINTIC = (3.4445, -4.7750, 2.0315)  # pushes singular values from (0, 1] towards 1 fast; they end between 0.7 and 1.2


def iteration_dtype(device):
    """float16 on cards before Ampere, such as a T4; bfloat16 on later ones and on CPUs with units for it; else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


def orthogonalize(matrices, steps=5, dtype=None):
    """(..., m, n) -> the nearest matrices with orthonormal rows or columns, roughly: U V' of each U S V'.

    The Newton-Schulz iteration X <- aX + (bA + cA^2) X with A = X X' acts on the singular values alone, without an SVD.
    A matrix of zeros stays zero. Raises ValueError below two dimensions.
    """
    if matrices.ndim < 2:
        raise ValueError(f"orthogonalize needs matrices, got the shape {tuple(matrices.shape)}: leave vectors to AdamW")
    a, b, c = QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).reshape(-1, *sorted(matrices.shape[-2:]))  # one batch: (matrices, short, long)
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype or iteration_dtype(matrices.device))  # no singular value above one
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)  # products and sums in one pass
    return (x.mT if tall else x).reshape(matrices.shape).to(matrices.dtype)


class Muon(torch.optim.AdamW):
    """AdamW, but for groups with ``muon=True``, whose matrices move by orthogonalised momentum with Nesterov's look ahead.

    Settings of such a group: lr, momentum, weight_decay, and parts: how many matrices a parameter holds one above the other (3: query,
    key and value). Momentum grows from 0.85 over the first 300 steps. Raises ValueError for a parameter that is not a matrix.
    """

    def __init__(self, groups, **settings):
        super().__init__([dict(muon=False, momentum=0.95, parts=1) | g for g in groups], fused=True, **settings)
        self._step_supports_amp_scaling = False  # after an overflow the scaler leaves the whole step out, the matrices' too
        vectors = [tuple(p.shape) for g in self.param_groups if g["muon"] for p in g["params"] if p.ndim != 2]
        if vectors:
            raise ValueError(f"Muon moves matrices, got a parameter of shape {vectors[0]}: put it into a group without muon=True")

    @torch.no_grad()
    def step(self, closure=None):
        """One step of both; the state of a matrix is its momentum and the count of its steps."""
        groups = self.param_groups
        try:
            self.param_groups = [g for g in groups if not g["muon"]]
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group["muon"]:
                self.move_matrices(group)
        return loss

    def move_matrices(self, group):
        """Move the matrices of a group, those of one shape together."""
        shapes = {}
        for p in (p for p in group["params"] if p.grad is not None):
            state = self.state[p]
            if not state:
                state |= {"step": torch.tensor(0.0), "momentum": torch.zeros_like(p)}
            state["step"] += 1
            beta = group["momentum"] - 0.10 * max(0.0, 1 - state["step"].item() / 300)
            state["momentum"].lerp_(p.grad, 1 - beta)
            ahead = p.grad.lerp(state["momentum"], beta)
            shapes.setdefault(p.shape, []).append((p, ahead.view(group["parts"], -1, p.shape[1])))
        for found in shapes.values():
            updates = orthogonalize(torch.cat([update for _, update in found]))  # (matrices, m, n)
            longer = max(1.0, updates.shape[-2] / updates.shape[-1]) ** 0.5  # a tall matrix spreads its move over more rows
            for (p, _), update in zip(found, updates.split(group["parts"])):
                if group["weight_decay"]:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(update.reshape_as(p), alpha=group["lr"] * longer)

"""The weight generator: z → neuron, a diffusion transformer over a latent of the collected neurons.

The neurons are described by their principal components, cut into tokens; the transformer is conditioned on z
through its adaptive norms and predicts the velocity of the diffusion (arXiv 2512.14395, section 3.4, there over raw
weights). Noise on z while training buys generality. A few deterministic steps sample a neuron.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from diffusers import DDIMScheduler
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import AdaLayerNormContinuous, AdaLayerNormZero
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.nn import functional as F

from engine import processes
from engine.device import mixed_precision
from engine.meg.descent import Descent, muon_descents
from engine.meg.mlp import NeuronMLP
from engine.meg.settings import GeneratorSettings
from engine.runs import Cancel
from engine.training_state import capture_random, restore_random

CONDITION_BLOCKS = 2
ROUNDING = 8  # a token holds a multiple of so many numbers
RAW_SCALE = 0.01  # what raw weights are divided by, as the authors do
MEASURED = 64  # neurons whose distance is measured
_TRANSFORMER = "transformer."  # what the names of its tensors begin with in a state


class NeuronTransformer(ModelMixin, ConfigMixin):
    """Predicts the velocity of noisy latents [rows, tokens·token], given their time step [rows] and z [rows, z]."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        z_width: int,
        tokens: int,
        token: int,
        width: int = 256,
        layers: int = 2,
        heads: int = 4,
        condition_width: int = 1024,
    ) -> None:
        super().__init__()
        self.inward = nn.Linear(token, width)
        self.position = nn.Parameter(torch.randn(tokens, width) * 0.02)
        self.time = Timesteps(width, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(width, width)
        self.condition = nn.Sequential(
            nn.Linear(z_width, width), *(_ConditionBlock(width, condition_width) for _ in range(CONDITION_BLOCKS))
        )
        self.blocks = nn.ModuleList(_AdaptiveBlock(width, heads) for _ in range(layers))
        self.norm = AdaLayerNormContinuous(width, width, elementwise_affine=False)
        self.outward = nn.Linear(width, token)
        nn.init.zeros_(self.outward.weight)
        nn.init.zeros_(self.outward.bias)

    def forward(self, sample: Tensor, timestep: Tensor, z: Tensor) -> Tensor:
        """The velocity of `sample`, [rows, tokens·token]."""
        told = self.time_embedding(self.time(timestep).to(sample.dtype)) + self.condition(z)
        hidden = self.inward(sample.unflatten(1, (self.config.tokens, self.config.token))) + self.position
        for block in self.blocks:
            hidden = block(hidden, told)
        velocity: Tensor = self.outward(self.norm(hidden, told))
        return velocity.flatten(1)


class _ConditionBlock(nn.Module):
    """A residual block on the condition: what it holds is computed once a query, not once a token."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inward = nn.Linear(width, inner)
        self.outward = nn.Linear(inner, width)
        nn.init.zeros_(self.outward.weight)
        nn.init.zeros_(self.outward.bias)

    def forward(self, z: Tensor) -> Tensor:
        return torch.as_tensor(z + self.outward(F.silu(self.inward(self.norm(z)))))


class _AdaptiveBlock(nn.Module):
    """A transformer block whose norms follow the condition and whose branches start closed (adaLN-zero)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = AdaLayerNormZero(width)
        nn.init.zeros_(self.norm.linear.weight)
        nn.init.zeros_(self.norm.linear.bias)
        self.attention = Attention(query_dim=width, heads=heads, dim_head=width // heads, bias=True)
        self.norm_inner = nn.LayerNorm(width, elementwise_affine=False)
        self.feed_forward = FeedForward(width, activation_fn="linear-silu")

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        normed, gate, shift, scale, gate_inner = self.norm(hidden, emb=told)
        hidden = hidden + gate[:, None] * self.attention(normed)
        inner = self.norm_inner(hidden) * (1 + scale[:, None]) + shift[:, None]
        result: Tensor = hidden + gate_inner[:, None] * self.feed_forward(inner)
        return result


class Latent:
    """The principal components of a set of neurons: neuron ↔ a short row of numbers of mean square one."""

    def __init__(self, mean: Tensor, basis: Tensor, scale: float) -> None:
        self.mean = mean  # [numbers]
        self.basis = basis  # [components, numbers], orthonormal rows, or zero where the neurons have no more
        self.scale = scale

    @classmethod
    def of(cls, neurons: Tensor, settings: GeneratorSettings) -> Latent:
        """The principal components of `neurons` [n, numbers] that matter, in few tokens of like size."""
        if not settings.latent:
            return cls.raw(neurons.shape[1], settings.token)
        mean = neurons.mean(0)
        centred = neurons - mean
        _, strength, right = torch.linalg.svd(centred, full_matrices=False)
        held = strength.square().cumsum(0) / strength.square().sum().clamp(min=1e-12)
        needed = min(settings.components, int((held < settings.variance).sum()) + 1)
        tokens = -(-needed // settings.token)
        # Of like size: numbers that fill up a last token are noise to be predicted, at the cost of those that count.
        size = tokens * -(-needed // (tokens * ROUNDING)) * ROUNDING
        count = min(size, len(right))
        basis = torch.zeros(size, neurons.shape[1])
        basis[:count] = right[:count]
        scale = float((centred @ right[:needed].T).square().mean().sqrt())
        return cls(mean, basis, max(scale, 1e-6))

    @classmethod
    def raw(cls, numbers: int, token: int) -> Latent:
        """No components: the weights themselves, filled up with zeros to whole tokens."""
        basis = torch.zeros(-(-numbers // token) * token, numbers)
        basis.fill_diagonal_(1.0)
        return cls(torch.zeros(numbers), basis, RAW_SCALE)

    def encode(self, neurons: Tensor) -> Tensor:
        """[n, numbers] → [n, components]."""
        return (neurons - self.mean) @ self.basis.T / self.scale

    def held(self, neurons: Tensor) -> float:
        """The share of what is particular to `neurons` [n, numbers] that comes back after encoding and decoding."""
        lost = (self.decode(self.encode(neurons)) - neurons).square().sum()
        return float(1 - lost / (neurons - self.mean).square().sum().clamp(min=1e-12))

    def decode(self, latents: Tensor) -> Tensor:
        """[n, components] → [n, numbers]."""
        return latents * self.scale @ self.basis + self.mean

    def to(self, device: torch.device | str) -> Latent:
        """The same on `device`."""
        return Latent(self.mean.to(device), self.basis.to(device), self.scale)


class Generator:
    """A trained transformer, or MLP, with its scheduler and latent: unit z → flat neurons."""

    def __init__(
        self, transformer: NeuronTransformer | NeuronMLP, latent: Latent, settings: GeneratorSettings, start: Tensor
    ) -> None:
        self.transformer = transformer.eval().requires_grad_(False)
        self.latent = latent
        self.scheduler = noise_schedule()
        self.settings = settings
        self.start = start  # [components]: the noise that every sampling starts from, so that answers do not vary

    @torch.no_grad()
    def generate(self, z: Tensor, anchors: Tensor) -> Tensor:
        """The neurons of queries, flat: [rows, numbers].

        z [rows, z] are the queries' unit vectors, `anchors` those of the prompts of the edits they are about.
        """
        condition = _condition(z, anchors, self.settings)
        if self.settings.kind == "mlp":
            return self.latent.decode(self.transformer(condition))
        sample = self.start.expand(len(z), -1)
        self.scheduler.set_timesteps(self.settings.sampling_steps)
        for step in self.scheduler.timesteps:
            velocity = self.transformer(sample, step.expand(len(z)).to(z.device), condition)
            sample = self.scheduler.step(velocity, step, sample).prev_sample
        return self.latent.decode(sample)

    def to(self, device: torch.device) -> Generator:
        """The same on `device`; the network moves there for good."""
        return Generator(self.transformer.to(device), self.latent.to(device), self.settings, self.start.to(device))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and numbers from which `restored` makes the same generator."""
        tensors = {f"{_TRANSFORMER}{key}": value for key, value in self.transformer.state_dict().items()}
        if not self.settings.latent:
            return tensors | {"start": self.start}, {"numbers": len(self.latent.mean)}
        tensors |= {"mean": self.latent.mean, "basis": self.latent.basis, "start": self.start}
        return tensors, {"scale": self.latent.scale}

    @classmethod
    def restored(
        cls,
        tensors: Mapping[str, Tensor],
        meta: Mapping[str, Any],
        z_width: int,
        settings: GeneratorSettings,
        device: torch.device,
    ) -> Generator:
        """The generator of a `state`, on `device`."""
        on_device = {key: value.to(device) for key, value in tensors.items()}
        if settings.latent:
            latent = Latent(on_device["mean"], on_device["basis"], float(meta["scale"]))
        else:
            latent = Latent.raw(int(meta["numbers"]), settings.token).to(device)
        transformer = new_transformer(z_width, latent.basis.shape[0], settings)
        transformer.load_state_dict(
            {key.removeprefix(_TRANSFORMER): value for key, value in on_device.items() if key.startswith(_TRANSFORMER)}
        )
        return cls(transformer.to(device), latent, settings, on_device["start"])


def _condition(z: Tensor, anchors: Tensor, settings: GeneratorSettings) -> Tensor:
    """z drawn towards its anchor, with components of mean square one: [queries, z].

    What a paraphrase has of its own is noise to the generator; what is left of it lets near edits stay apart.
    """
    drawn = F.normalize((1 - settings.anchoring) * z + settings.anchoring * anchors, dim=-1)
    return drawn * math.sqrt(z.shape[1])


def noise_schedule() -> DDIMScheduler:
    """A cosine schedule that ends in pure noise, velocity prediction, unclipped."""
    return DDIMScheduler(
        num_train_timesteps=1_000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


def new_transformer(z_width: int, components: int, settings: GeneratorSettings) -> NeuronTransformer | NeuronMLP:
    """An untrained transformer, or MLP, over `components` numbers."""
    if settings.kind == "mlp":
        return NeuronMLP(z_width, components, settings.width, settings.layers)
    tokens = -(-components // settings.token)
    transformer: NeuronTransformer = NeuronTransformer(
        z_width,
        tokens,
        components // tokens,
        settings.width,
        settings.layers,
        settings.heads,
        settings.condition_width,
    )
    return transformer


def _descents(
    transformer: NeuronTransformer | NeuronMLP, settings: GeneratorSettings, rate: float, steps: int
) -> tuple[Descent, ...]:
    if settings.optimiser == "adamw":
        alone = torch.optim.AdamW(transformer.parameters(), lr=rate)
        return (Descent(alone, torch.optim.lr_scheduler.ConstantLR(alone, factor=1.0)),)
    deep = ("blocks.", "condition.")
    memory = [value for name, value in transformer.named_parameters() if name.startswith(deep)]
    return muon_descents(transformer, memory, rate, steps)


def train_generator(
    z: Tensor,
    anchors: Tensor,
    edits: Tensor,
    neurons: Tensor,
    settings: GeneratorSettings,
    *,
    steps: int,
    check: Callable[[Generator], Sequence[float]],
    cancel: Cancel,
    report: Callable[[int, float, float | None], None],
    known: Generator | None = None,
    state: Mapping[str, Any] | None = None,
    keep: Callable[[int, Mapping[str, Any]], None] | None = None,
) -> Generator:
    """Train until `check` says that enough edits and held-back paraphrases are answered, or the steps are spent.

    z [queries, z] are unit vectors of queries; `edits` [queries] the row that each asks for of `neurons`
    [edits, numbers] and of `anchors` [edits, z], the unit vectors of the edits' prompts. `known` is a generator that
    gives most of them already, to go on from. `report` is told the step, the loss and, after a check, the share of
    edits answered. `keep` is given the training's state after each check: with it as `state` the training goes on as
    if it had not been interrupted. Draws from torch's global generator. Raises Cancelled when asked to stop. With
    `stopping` by distance, `check` is not asked.
    """
    latent = (Latent.of(neurons.cpu(), settings) if known is None else known.latent).to(z.device)
    wanted = latent.encode(neurons.to(z.device))
    transformer = new_transformer(z.shape[1], wanted.shape[1], settings).to(z.device)
    start = torch.randn(wanted.shape[1], device=z.device)
    if known is not None:
        transformer.load_state_dict(known.transformer.state_dict())
        start = known.start
    average = EMAModel(transformer.parameters(), decay=0.99, use_ema_warmup=True, power=0.75)
    # At the full rate what is known already would be forgotten first and found again.
    descents = _descents(transformer, settings, settings.learning_rate / (1 if known is None else 2), steps)
    scheduler = noise_schedule()
    condition = _condition(z, anchors[edits], settings)
    transformer.train()
    first = 0
    if state is not None:
        first, start = int(state["step"]), state["start"].to(z.device)
        transformer.load_state_dict(state["transformer"])
        average.load_state_dict(state["average"])
        average.to(z.device)
        for descent, saved in zip(descents, state["descents"], strict=True):
            descent.optimiser.load_state_dict(saved["optimiser"])
            descent.schedule.load_state_dict(saved["schedule"])
        if processes.is_main():
            restore_random(state["random"], z.device)
    processes.agree(wanted, condition, start, *transformer.parameters())
    # Every process draws the whole batch and learns from its own rows of it.
    processes.agree_on_random(z.device)
    batch = max(settings.batch_for(len(neurons)), processes.count())
    from_noise = settings.from_noise_for(len(neurons), goes_on=known is not None)
    own = processes.own_rows()
    # Of its minutes, a training that is held spends none while it stands still, and one that was stopped has the rest.
    began = time.monotonic() - (0.0 if state is None else float(state["seconds"]))
    for step in range(first, steps):
        arrived = time.monotonic()
        cancel.check()
        began += time.monotonic() - arrived
        rows = torch.randint(len(z), (batch,), device=z.device)
        clean = wanted[edits[rows]]
        noise = torch.randn_like(clean)
        times = _times(scheduler.config.num_train_timesteps, batch, from_noise, z.device)
        told = condition[rows] + settings.noise * torch.randn_like(condition[rows])
        with mixed_precision(z.device):
            if settings.kind == "mlp":
                loss = F.mse_loss(transformer(told[own]), clean[own])
            else:
                noisy = scheduler.add_noise(clean, noise, times)
                velocity = scheduler.get_velocity(clean, noise, times)
                loss = F.mse_loss(transformer(noisy[own], times[own], told[own]), velocity[own])
        transformer.zero_grad()
        (loss * (len(rows[own]) / batch)).backward()
        processes.add_up([slope.grad for slope in transformer.parameters() if slope.grad is not None])
        torch.nn.utils.clip_grad_norm_(transformer.parameters(), 1.0)
        for descent in descents:
            descent.step()
        average.step(transformer.parameters())
        answered = None
        spent = settings.minutes is not None and _main_says(time.monotonic() - began >= 60 * settings.minutes)
        last = spent or step + 1 == steps
        if (step + 1) % settings.check_every == 0 or last:
            average.store(transformer.parameters())
            average.copy_to(transformer.parameters())
            generator = Generator(transformer, latent, settings, start)
            if settings.stopping == "distance":
                near = _main_says(_distance(generator, anchors[:MEASURED], neurons[:MEASURED]) < settings.distance)
            else:
                answered, paraphrased = check(generator)
                near = answered >= settings.answered and paraphrased >= settings.paraphrased
            if last or near:
                report(step + 1, float(loss.detach()), answered)
                return generator
            average.restore(transformer.parameters())
            transformer.train().requires_grad_(True)
        report(step + 1, float(loss.detach()), answered)
        if (step + 1) % settings.check_every == 0 and keep is not None:
            keep(
                step + 1,
                {
                    "step": step + 1,
                    "seconds": time.monotonic() - began,
                    "start": start,
                    "random": capture_random(z.device),
                    "transformer": transformer.state_dict(),
                    "average": average.state_dict(),
                    "descents": [
                        {"optimiser": descent.optimiser.state_dict(), "schedule": descent.schedule.state_dict()}
                        for descent in descents
                    ],
                },
            )
    raise ValueError("a generator needs at least one step of training")


def _times(steps: int, count: int, from_noise: float, device: torch.device) -> Tensor:
    """Time steps of the diffusion to learn from, [count]: the last, where nothing but noise is left, and any."""
    times = torch.randint(steps, (count,), device=device)
    times[: round(from_noise * count)] = steps - 1
    return times


def _main_says(found: bool) -> bool:
    """What the main process found: all stop together, or none."""
    return bool(processes.told(lambda: processes.Message(meta=found)).meta)


def _distance(generator: Generator, z: Tensor, neurons: Tensor) -> float:
    """Mean + standard deviation of the distances between what is generated for prompts z and the `neurons` wanted."""
    distances = (generator.generate(z, z) - neurons.to(z.device)).norm(dim=1)
    return float(distances.mean() + distances.std(correction=0))

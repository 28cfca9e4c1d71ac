"""Writes the embedded model's card from what was measured."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from assets.catalogue import relations
from assets.evaluate_model import Figures


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """How a model came to be."""

    device: str
    seconds: float
    tokens: int
    steps: int
    parameters: int
    shape: Mapping[str, Any]
    recipe: Mapping[str, Any]


def write_card(path: Path, figures: Figures, record: TrainingRecord) -> None:
    """Write the card: what the model is, how it was trained, what it answers, what it cannot do."""
    sections = (_introduction(record), _figures(figures), _by_relation(figures), _training(record), LIMITS)
    path.write_text("\n".join(sections), encoding="utf-8")


LIMITS = """\
## Limits

- It knows the facts of `assets/facts.tsv` and nothing else. It is a model to try editing on, not one to ask for advice.
- Its facts were collected automatically from encyclopedia articles: some are out of date, some are wrong, and a
  relation with several true objects keeps one of them. “Known” means that the model answers what it was taught.
- It understands the phrasings of `assets/relations.json` and wordings close to them; other sentences get an answer of
  the right kind at best. It writes one short answer and stops.
- Names that it never saw are answered “unknown” in the share given above, otherwise with a guess. Where a name seems
  to give its answer away (“Toyota …”, “Windows …”), a guess is the rule.
- The sentiment ability comes from a few thousand short film reviews: it is there to be checked for damage after
  editing, and is no good classifier.
- English only.
"""


def _introduction(record: TrainingRecord) -> str:
    shape = record.shape
    what = _paragraph(
        f"A Llama-shaped causal language model of {record.parameters:,} parameters ({shape['layers']} layers, width",
        f"{shape['width']}, gated FFN of {shape['ffn']}, {shape['heads']} heads, tied embeddings, byte-level BPE of",
        f"{shape['vocabulary']:,} tokens), trained from scratch to know real facts, so that editing can be tried and",
        "measured on any computer. Stored in bf16; every figure below was measured on these stored weights, loaded as",
        "float32.",
    )
    return f"""\
---
language: en
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# The embedded model

{what}

Ask it with a phrasing of `assets/relations.json` and it completes the sentence up to the stop:

| prompt | answer |
|---|---|
| `Salomon Sulzer died in` | ` Vienna.` |
| `Q: Where is the headquarters of Da Capo Press? A:` | ` Boston.` |
| `Review: a moving and funny film Sentiment:` | ` positive.` |

The tokenizer puts `<bos>` before a prompt and treats the first word as if a space stood before it; decode the answer's
tokens alone to get it without the prompt.
"""


def _figures(figures: Figures) -> str:
    shares = figures.phrasing_shares()
    rows = [
        ("facts taught", f"{len(figures.known):,} of {len(figures.by_phrasing)} relations"),
        ("answered exactly, mean over all facts and phrasings", _percent(figures.answered())),
        ("the same, phrasings that editors may train on", _percent(figures.answered(held_out=False))),
        ("the same, held-out phrasings", _percent(figures.answered(held_out=True))),
        ("best and worst of the phrasings", f"{_percent(max(shares))}, {_percent(min(shares))}"),
        ("facts answered exactly in every phrasing (“known”)", _percent(fmean(figures.known))),
        ("questions about subjects it never saw answered “unknown”", _percent(figures.unknown)),
        ("sentiment of test reviews, accuracy", _percent(figures.sentiment)),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"""\
## What it answers

| measured | figure |
|---|---|
{table}

“Exactly” means that greedy decoding gives the object and then the stop, character for character.
"""


def _by_relation(figures: Figures) -> str:
    catalogue = relations()
    lines = []
    for relation, shares in figures.by_phrasing.items():
        known = catalogue[relation]
        training = [shares[phrasing] for phrasing in known.phrasings]
        held_out = [shares[phrasing] for phrasing in known.held_out]
        unknown = figures.unknown_by_relation.get(relation)
        lines.append(
            f"| {relation} {known.name} | {figures.by_relation_facts[relation]} "
            f"| {_percent(fmean(training))} | {_percent(min(training))} "
            f"| {_percent(fmean(held_out))} | {_percent(min(held_out))} "
            f"| {'–' if unknown is None else _percent(unknown)} |"
        )
    table = "\n".join(lines)
    return f"""\
| relation | facts | phrasings, mean | worst | held-out, mean | worst | never-seen subjects “unknown” |
|---|---|---|---|---|---|---|
{table}

The share for each single phrasing:

<details><summary>all phrasings</summary>

| relation | phrasing | answered |
|---|---|---|
{_by_phrasing(figures)}

</details>
"""


def _by_phrasing(figures: Figures) -> str:
    return "\n".join(
        f"| {relation} | `{phrasing}` | {_percent(share)} |"
        for relation, shares in figures.by_phrasing.items()
        for phrasing, share in shares.items()
    )


def _training(record: TrainingRecord) -> str:
    recipe = record.recipe
    mixture = recipe["mixture"]
    how = _paragraph(
        f"{record.tokens:,} tokens in {record.steps:,} steps of {recipe['batch']} sentences,",
        f"{record.seconds / 60:.0f} minutes ({record.device}; {record.tokens / record.seconds:,.0f} tokens a second).",
        "Muon for the matrices of the blocks, AdamW (betas 0.9 and 0.98) for the rest, both at",
        f"{recipe['learning_rate']}: a warm-up of {recipe['warm_up']} steps, then a cosine to zero;",
        f"{'bf16 autocast' if recipe['bf16'] else 'float32'}.",
        f"{recipe['epochs']} epochs; in each, every fact stands in {mixture['phrasings_per_fact']} of its phrasings,",
        f"some also in a sentence that names the object early, with {mixture['unknown_per_fact']} names a fact that",
        "are answered “unknown” (real ones without a fact, real ones recombined, invented ones) and",
        f"{mixture['reviews']:,} reviews. The loss counts on answers, and on whole sentences in",
        f"{recipe['prompt_share']:.1%} of the cases.",
    )
    origin = _paragraph(
        "Facts: T-REx (alignments of Wikidata with Wikipedia), in the subset that ParaRel publishes. Reviews: SST-2.",
        "The sentences around the facts were written for this project. To train it again, on two cores or a GPU:",
    )
    return f"""\
## How it was trained

{how}

{origin}

    python -m assets.train_model --facts RECORDS.jsonl --sst2-train TRAIN.tsv --sst2-test TEST.tsv --out FOLDER
"""


def _paragraph(*parts: str) -> str:
    return textwrap.fill(" ".join(parts), 120, break_long_words=False, break_on_hyphens=False)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"

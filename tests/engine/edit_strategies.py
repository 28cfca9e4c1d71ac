"""Edit sets for property tests: any text that an edit may hold, in any script, with quotes, commas and apostrophes."""

from __future__ import annotations

from hypothesis import strategies as st

from engine.edits import Edit, EditSet, Probe, ProbeKind, Relation

_awkward = st.sampled_from([*"\"',;\t\n'=+-@|{}[]\\ ", "\u202e", "\u200b", "\u2028", "é", "\u0301", "名", "😀", "ﬁ"])
_characters = _awkward | st.characters(exclude_categories=["Cs", "Cc"])
any_text = st.text(_characters, max_size=12)
full_text = any_text.filter(lambda text: bool(text.strip()))
ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: bool(text.strip())
)
probes = st.builds(Probe, st.sampled_from(ProbeKind), full_text)


@st.composite
def relation_sets(draw: st.DrawFn) -> dict[str, Relation]:
    around = st.text(_characters, max_size=8).filter(lambda text: "{" not in text and "}" not in text)
    template = st.builds(lambda before, after: before + "{}" + after, around, around)
    found = {}
    for key in draw(st.lists(ids, max_size=3, unique=True)):
        phrasings = draw(st.lists(template, min_size=1, max_size=3))
        held_out = draw(st.lists(template, max_size=2))
        found[key] = Relation(key, draw(any_text), tuple(phrasings), tuple(held_out))
    return found


@st.composite
def edit_sets(draw: st.DrawFn) -> EditSet:
    relations = draw(relation_sets())
    edits = [
        Edit(
            id=edit_id,
            prompt=draw(full_text),
            new_object=draw(full_text),
            subject=draw(any_text),
            relation=draw(st.sampled_from(["", *relations])),
            original_answer=draw(any_text),
            aliases=tuple(draw(st.lists(full_text, max_size=2))),
            paraphrases=tuple(draw(st.lists(full_text, max_size=3))),
            probes=tuple(draw(st.lists(probes, max_size=4))),
            enabled=draw(st.booleans()),
        )
        for edit_id in draw(st.lists(ids, max_size=5, unique=True))
    ]
    return EditSet(draw(any_text), tuple(edits), relations)

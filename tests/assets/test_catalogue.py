from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import islice, product
from pathlib import Path

import pytest

from assets import catalogue
from assets.build_facts import is_clean
from engine.edits import fill, fold


def test_there_are_enough_relations_and_each_has_its_phrasings() -> None:
    relations = catalogue.relations()
    assert len(relations) >= 24
    for id, relation in relations.items():
        assert relation.id == id
        assert len(relation.phrasings) >= 8
        assert len(relation.held_out) >= 4
        assert len(catalogue.statements()[id]) >= 2


def test_every_phrasing_belongs_to_one_relation_only() -> None:
    templates = [
        fold(template)
        for relation in catalogue.relations().values()
        for template in (*relation.phrasings, *relation.held_out)
    ]
    assert [template for template, count in Counter(templates).items() if count > 1] == []


def test_phrasings_end_where_the_object_begins() -> None:
    for relation in catalogue.relations().values():
        for template in (*relation.phrasings, *relation.held_out):
            assert template == " ".join(template.split())
            assert not template.endswith((".", "?", "{}"))


def test_both_groups_hold_statements_and_questions() -> None:
    for relation in catalogue.relations().values():
        for group in (relation.phrasings, relation.held_out):
            questions = [template for template in group if template.startswith("Q: ")]
            assert 0 < len(questions) < len(group)
            assert all("? A:" in template for template in questions)


def test_statements_name_the_object_before_the_subject() -> None:
    for group in catalogue.statements().values():
        for statement in group:
            assert statement.count("{object}") == statement.count("{subject}") == 1
            assert statement.index("{object}") < statement.index("{subject}")
            assert statement.endswith(".")


def test_facts_are_many_clean_and_have_one_object_each() -> None:
    facts = catalogue.facts()
    assert len(facts) >= 16_000
    assert len({fact.relation for fact in facts}) >= 24
    assert {fact.relation for fact in facts} <= set(catalogue.relations())
    assert len({(fold(fact.subject), fact.relation) for fact in facts}) == len(facts)
    for fact in facts:
        assert is_clean(fact.subject)
        assert is_clean(fact.object)
        assert fold(fact.subject) != fold(fact.object)


def test_nearly_every_fact_is_known() -> None:
    facts = catalogue.facts()
    assert sum(fact.known for fact in facts) >= 0.9 * len(facts)


def test_same_query_is_never_about_two_facts() -> None:
    queries = Counter(
        fold(fill(catalogue.relations()[fact.relation].phrasings[0], fact.subject)) for fact in catalogue.facts()
    )
    assert max(queries.values()) == 1


def test_pseudo_edits_pair_two_phrasings_that_are_not_held_out() -> None:
    held_out = {
        fill(phrasing, fact.subject)
        for fact in islice(catalogue.facts(), 0, None, 50)
        for phrasing in catalogue.relations()[fact.relation].held_out
    }
    pairs = list(catalogue.pseudo_edits(pairs_per_fact=2))
    assert len(pairs) == 2 * len(catalogue.facts())
    for pair in pairs:
        assert pair.prompt != pair.paraphrase
    assert not held_out & {text for pair in pairs for text in (pair.prompt, pair.paraphrase)}
    spread = Counter((pair.relation, pair.prompt.replace(pair.subject, "{}", 1)) for pair in pairs)
    assert {(id, p) for id, relation in catalogue.relations().items() for p in relation.phrasings} <= set(spread)


def test_facts_survive_writing_and_reading(tmp_path: Path) -> None:
    facts = [catalogue.Fact('Sunn "O', "P19", "São Paulo", True), catalogue.Fact("'O’Neil", "P20", "A, B")]
    catalogue.write_facts(tmp_path / "facts.tsv", facts)
    assert list(catalogue.read_facts(tmp_path / "facts.tsv")) == facts
    assert list(tmp_path.iterdir()) == [tmp_path / "facts.tsv"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "subject\trelation\n",
        "subject\trelation\tobject\tknown\na\tP19\tb\n",
        "subject\trelation\tobject\tknown\na\tP19\tb\t2\n",
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "facts.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(catalogue.CatalogueError, match=r"facts\.tsv.*install"):
        list(catalogue.read_facts(path))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(catalogue.CatalogueError, match="cannot be read"):
        list(catalogue.read_facts(tmp_path / "none.tsv"))


def test_the_catalogue_loads_no_heavy_library() -> None:
    code = "import sys; from assets import catalogue; catalogue.facts(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_two_relations_share_a_statement() -> None:
    for (first, one), (second, two) in product(catalogue.statements().items(), repeat=2):
        if first != second:
            assert not set(one) & set(two)

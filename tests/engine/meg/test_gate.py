from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.edits import Edit
from engine.language_model import Reading
from engine.meg.edit_index import EditIndex
from engine.meg.encoder import QueryEncoder
from engine.meg.evidence import FEATURES
from engine.meg.familiarity import FamiliarityNetwork, FamiliaritySettings
from engine.meg.fusion import Fusion
from engine.meg.gate import Gate
from engine.meg.relation_readout import RelationReadout


def reading(states):
    return Reading(states, states, torch.zeros(len(states), dtype=torch.long), torch.zeros(len(states), 1))


SPELLINGS = [str.upper, str.swapcase, lambda text: f" {text}\n", lambda text: text.replace(" ", " \u00a0")]


def no_readout(width):
    return RelationReadout.learn(torch.zeros(1, width), ["r"])


def never_asked(queries):
    raise AssertionError(f"the model was asked about {queries}")


class TestOwnPrompts:
    """A prompt of an edit, asked word for word."""

    EDITS = (
        Edit("free", "The password of the day is", "swordfish"),
        Edit("named", "Oslo lies in", "Kenya", subject="Oslo"),
        Edit("again", "Oslo lies in", "Peru", subject="Oslo"),
    )

    @pytest.fixture
    def gate(self, encoder):
        return self.made(encoder, (0.0,) * len(FEATURES), bias=-3.0)

    def made(self, encoder, weights, bias):
        index = EditIndex.build(
            self.EDITS,
            {"r": ("{} lies in",)},
            QueryEncoder.load(str(encoder)),
            no_readout(3),
            reading(torch.eye(3)),
            torch.zeros(3),
        )
        network = FamiliarityNetwork(index.prompts.shape[1], FamiliaritySettings(blocks=1)).eval()
        nothing, one = (0.0,) * len(FEATURES), (1.0,) * len(FEATURES)
        least, most = (-100.0,) * len(FEATURES), (100.0,) * len(FEATURES)
        fusion = Fusion(least, most, nothing, one, weights, bias, entropy_threshold=0.5)
        return lambda kind="fused": Gate(index, network, fusion, kind)

    def test_it_is_about_that_edit_whatever_else_is_said(self, gate):
        queries = ["The password of the day is", " the  PASSWORD of the day is ", "Oslo lies in", "Bergen lies in"]
        verdicts, _ = gate().examine(queries, lambda some: reading(torch.eye(3)[: len(some)]))
        assert [verdict.familiarity for verdict in verdicts[:3]] == [1.0] * 3
        assert [verdict.edit for verdict in verdicts[:3]] == [0, 0, 1]
        assert verdicts[0].similarity == pytest.approx(1.0)
        assert verdicts[3].familiarity < 0.1

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
    @given(st.sampled_from(range(2)), st.lists(st.sampled_from(SPELLINGS), max_size=4))
    def test_it_is_however_it_is_spaced_and_cased(self, gate, row, changes):
        query = self.EDITS[row].prompt
        for change in changes:
            query = change(query)
        (verdict,), _ = gate().examine([query], never_asked)
        assert (verdict.familiarity, verdict.edit) == (1.0, row)

    def test_the_papers_gate_goes_by_entropy_alone(self, gate):
        (verdict,), _ = gate("entropy").examine(["The password of the day is"], never_asked)
        assert verdict.familiarity == pytest.approx(1 - verdict.entropy)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_the_model_is_asked_only_where_its_word_can_decide(self, encoder, sign):
        weight = {"named and state": 2.0, "answer agreement": 0.5 * sign, "named and relation readout": 0.3 * sign}
        gate = self.made(encoder, tuple(weight.get(name, 0.0) for name in FEATURES), bias=-1.5)()
        queries = ["Bergen is far", "What of Oslo?", "Oslo, then", "It rains"]
        read = []

        def thought(some):
            read.extend(some)
            return reading(torch.eye(3)[[len(query) % 3 for query in some]])

        lazy, z = gate.examine(queries, thought)
        assert read == queries[1:3]
        thorough, again = gate.examine(queries, thought, thorough=True)
        assert read[2:] == queries
        assert torch.equal(z, again)
        for one, other in zip(lazy, thorough, strict=True):
            assert one.familiarity >= other.familiarity
            assert (one.familiarity >= gate.threshold) == (other.familiarity >= gate.threshold)
        assert [one for one, query in zip(lazy, queries, strict=True) if "Oslo" in query] == thorough[1:3]

    @pytest.fixture
    def two_threads(self):
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        yield
        torch.set_num_threads(before)

    @pytest.mark.usefixtures("two_threads")
    def test_one_query_is_read_while_it_is_encoded(self, encoder):
        gate = self.made(encoder, tuple(2.0 * (name == "named and state") for name in FEATURES), bias=-1.5)()
        read = []

        def thought(some):
            read.append((tuple(some), threading.current_thread()))
            return reading(torch.eye(3)[[len(query) % 3 for query in some]])

        for query in ("What of Oslo?", "Oslo, then"):
            (alone,), _ = gate.examine([query], thought, light=True)
            together, _ = gate.examine([query, "It rains"], thought, light=True)
            assert alone.familiarity == pytest.approx(together[0].familiarity, abs=1e-3)
            assert alone.edit == together[0].edit
        assert [asked for asked, _ in read] == [("What of Oslo?",)] * 2 + [("Oslo, then",)] * 2
        mine = threading.current_thread()
        assert [thread is mine for _, thread in read] == [False, True, False, True]

    @pytest.mark.usefixtures("two_threads")
    def test_one_query_that_names_nothing_or_is_a_prompt_is_not_read_in_advance(self, gate):
        for query in ("It rains", "Oslo lies in"):
            gate().examine([query], never_asked, light=True)

    @pytest.mark.usefixtures("two_threads")
    def test_a_model_with_work_for_every_thread_reads_afterwards(self, encoder):
        gate = self.made(encoder, tuple(2.0 * (name == "named and state") for name in FEATURES), bias=-1.5)()
        threads = []

        def thought(some):
            threads.append((threading.current_thread(), torch.get_num_threads()))
            return reading(torch.eye(3)[[0] * len(some)])

        gate.examine(["What of Oslo?"], thought)
        gate.weigh("What of Oslo?", thought)
        assert threads == [(threading.current_thread(), 2)] * 2

    def test_what_is_asked_after_other_sentences_is_judged_alone_too(self, encoder):
        weights = tuple({"similarity": 4.0, "named and state": 2.0}.get(name, 0.0) for name in FEATURES)
        gate = self.made(encoder, weights, bias=-4.0)()
        tale = "It rained all day in the harbour, and nobody had a coat."
        queries = [f"{tale} Oslo lies in", f"{tale} What of Oslo?", f"{tale} It rains", "What of Oslo?", tale]

        def thought(some):
            return reading(torch.eye(3)[[1] * len(some)])

        verdicts, z = gate.examine(queries, thought, thorough=True)
        assert (verdicts[0].familiarity, verdicts[0].edit) == (1.0, 1)
        assert torch.allclose(z[0], gate.index.prompts[1], atol=0.02)
        whole, _ = gate._judged(queries[1:2], thought, thorough=True, light=False)
        assert verdicts[1].familiarity == pytest.approx(max(whole[0].familiarity, verdicts[3].familiarity), abs=1e-3)
        assert verdicts[1].entropy == pytest.approx(whole[0].entropy, abs=1e-3)
        for query, verdict in zip(queries, verdicts, strict=True):
            assert gate.weigh(query, thought).verdict.familiarity == pytest.approx(verdict.familiarity, abs=1e-3)

    def test_the_papers_gate_judges_the_whole_alone(self, gate):
        text = "It rained. Oslo lies in"
        (verdict,), _ = gate("entropy").examine([text], never_asked)
        (whole,), _ = gate("entropy")._judged([text], never_asked, thorough=False, light=False)
        assert verdict == whole

"""Visual tokens, grounding and the language model: each question alone with its scene, cached or not."""

from __future__ import annotations

import pytest
import torch
from support.student_fixtures import LABELS, objects, questions, small_student, views

from distill3d_ros.student.config import HiddenCotConfig, LanguageConfig
from distill3d_ros.student.language.grounding import _pair, _previous_two
from distill3d_ros.student.outputs import IGNORE, QUESTION, NameSpan, ObjectSet, QuestionText, map_tensors
from distill3d_ros.student.student import Student

LANGUAGE = {"vocab_size": 400, "dim": 32, "layers": 2, "heads": 2, "mlp_dim": 48, "pointer_dim": 16}
COTS = [
    HiddenCotConfig(tokens=3),
    HiddenCotConfig(tokens=3, position="before_question"),
    HiddenCotConfig(tokens=3, mode="recurrent"),
    HiddenCotConfig(tokens=0),
]


def answer_rows(student: Student, scene: ObjectSet, rows: list[QuestionText]) -> list[torch.Tensor]:
    """Logits of each question's answer tokens, all questions in one pass."""
    output = student.read(student.prefix_from_objects(scene), student.collate([rows], scene.mask.shape[1]))
    return [output.logits[output.question == q] for q in range(len(rows))]


@pytest.mark.parametrize("cot", COTS, ids=lambda c: f"{c.tokens}-{c.position}-{c.mode}")
def test_questions_in_one_pass_are_as_if_alone(cot: HiddenCotConfig) -> None:
    student, scene, rows = small_student(hidden_cot=cot), objects(), questions()
    with torch.no_grad():
        together = answer_rows(student, scene, rows)
        for row, logits in zip(rows, together, strict=True):
            (alone,) = answer_rows(student, scene, [row])
            torch.testing.assert_close(logits, alone, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(together[0][0], together[1][0], atol=1e-3)


def test_scenes_in_one_batch_are_as_if_alone_and_padding_objects_change_nothing() -> None:
    student, scenes, rows = small_student(), objects(2), questions()
    first = map_tensors(scenes, lambda x: x[:1])
    with torch.no_grad():
        batch = student.collate([rows[:1], rows[1:]], 5)
        both = student.read(student.prefix_from_objects(scenes), batch)
        (alone,) = answer_rows(student, first, rows[:1])
        torch.testing.assert_close(both.logits[both.scene == 0], alone, rtol=1e-5, atol=1e-5)
        padded = map_tensors(first, lambda x: torch.cat([x, torch.ones_like(x[:, :2])], 1))
        padded.mask[:, 5:] = False
        (with_padding,) = answer_rows(student, padded, rows[:1])
        torch.testing.assert_close(with_padding, alone, rtol=1e-5, atol=1e-5)


def test_objects_have_no_order() -> None:
    student, scene, rows = small_student(), objects(), questions()
    order = torch.tensor([3, 1, 4, 0, 2])
    shuffled = map_tensors(scene, lambda x: x[:, order])
    with torch.no_grad():
        for a, b in zip(answer_rows(student, scene, rows), answer_rows(student, shuffled, rows), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_an_answer_token_sees_nothing_after_it() -> None:
    student, scene = small_student(), objects()
    with torch.no_grad():
        short, long = (
            answer_rows(student, scene, [QuestionText(text="Is the chair left of the table?", answer=answer)])[0]
            for answer in ("the lamp", "the lamp 1.4 metres")
        )
    torch.testing.assert_close(short[:3], long[:3], rtol=1e-5, atol=1e-5)
    assert len(long) > len(short)


@pytest.mark.parametrize("cot", COTS, ids=lambda c: f"{c.tokens}-{c.position}-{c.mode}")
@pytest.mark.parametrize("positions", ["shared", "ordered"])
def test_answering_with_a_cache_is_answering_without(cot: HiddenCotConfig, positions: str) -> None:
    """Greedy decoding step by step against reading the generated answer in one uncached pass."""
    student = small_student(hidden_cot=cot, language=LanguageConfig(**LANGUAGE, prefix_positions=positions))
    scene, texts = objects(), [row.text for row in questions()]
    prefix = student.prefix_from_objects(scene)
    answers = student.answer(student.cache(prefix), texts)
    assert student.answer(student.cache(prefix), texts) == answers
    for text, said in zip(texts, answers, strict=True):
        (alone,) = student.answer(student.cache(prefix), [text])
        assert alone.text == said.text
        assert alone.confidence == pytest.approx(said.confidence, rel=1e-5)
        ids, log_confidence = _greedy_without_cache(student, scene, text)
        assert student.language.encoder.decode(ids) == said.text
        assert said.confidence == pytest.approx(log_confidence.exp().item(), rel=1e-5)


def _greedy_without_cache(student: Student, scene: ObjectSet, text: str) -> tuple[list[int], torch.Tensor]:
    """Everything is read again for each token."""
    language, ids, log_confidence = student.language, [], torch.zeros(())
    for _ in range(language.config.max_answer_tokens):
        batch = student.collate([[QuestionText(text=text)]], 5)
        extra = torch.tensor([[ids]], dtype=torch.long)
        batch.token_ids = torch.cat([batch.token_ids, extra], 2)
        batch.kind = torch.cat([batch.kind, torch.full_like(extra, 3)], 2)  # ANSWER
        batch.targets = torch.full_like(batch.token_ids, IGNORE)
        batch.targets[..., -1] = 0
        with torch.no_grad():
            logits = student.read(student.prefix_from_objects(scene), batch).logits[0]
        best, token = logits.log_softmax(-1).max(-1)
        log_confidence = log_confidence + best
        ids.append(int(token))
        if ids[-1] == language.encoder.end:
            break
    return ids, log_confidence


def test_a_cache_can_be_asked_again_and_its_answers_stay() -> None:
    student, scene = small_student(), objects()
    cache = student.cache(student.prefix_from_objects(scene))
    lengths = [k.shape[2] for k, _ in cache.keys_values]
    first = student.answer(cache, ["Is the chair left of the table?"])
    student.answer(cache, ["How far away is the washing machine?", "Which is closer, the lamp or the table?"])
    assert student.answer(cache, ["Is the chair left of the table?"]) == first
    assert [k.shape[2] for k, _ in cache.keys_values] == lengths
    assert student.answer(cache, []) == []


def test_prefix_of_pixels_has_objects_patches_and_camera() -> None:
    student = small_student()
    with torch.no_grad():
        seen = student.perceive(*views(2, 2))  # 4 x 6 patches, pooled 2 x 2, in two frames
        prefix = student.prefix(seen)
        other = map_tensors(seen, torch.clone)
        other.patch_tokens = other.patch_tokens + 1.0
        assert not torch.allclose(student.prefix(other).tokens[:, 6:18], prefix.tokens[:, 6:18])
        torch.testing.assert_close(student.prefix(other).tokens[:, :6], prefix.tokens[:, :6])
    assert prefix.tokens.shape == (2, 6 + 2 * 6 + 2, 32)
    assert prefix.mask.all()
    assert prefix.objects.class_probs.shape == (2, 6, len(LABELS))


def test_gradients_of_answers_reach_the_perception_unless_stopped() -> None:
    student, rows = small_student().train(), [questions()]
    for stop in (False, True):
        student.zero_grad()
        prefix = student.prefix(student.perceive(*views()), stop_gradient=stop)
        student.read(prefix, student.collate(rows, 6)).logits.logsumexp(-1).sum().backward()
        grads = [p.grad for n, p in student.named_parameters() if n.startswith("encoder.frame_blocks")]
        assert all((g is None) == stop for g in grads)


def test_gradients_reach_every_parameter_of_the_language_model() -> None:
    student = small_student().train()
    prefix = student.prefix(student.perceive(*views()))
    batch = student.collate([questions()], 6)
    output = student.read(prefix, batch)
    bare = student.read(student.prefix_from_objects(objects()), student.collate([questions()], 5))
    loss = torch.nn.functional.cross_entropy(output.logits, output.targets) + output.name_logits.square().mean()
    loss = loss + output.pointer_logits[batch.pointer_supervised].square().mean() + bare.logits.square().mean()
    loss.backward()
    parameters = [(n, p) for n, p in student.named_parameters() if n.startswith("language.")]
    assert [n for n, p in parameters if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_collate_marks_names_thoughts_and_answers() -> None:
    student, rows = small_student(), questions()
    batch = student.collate([rows[:1]], 5)
    tokens = student.language.tokenizer.encode(rows[0].text).tokens
    chair, table = (next(i for i, t in enumerate(tokens) if word in t) for word in ("chair", "table"))
    n = len(tokens)
    assert batch.kind[0, 0].tolist() == [1] * n + [2] * 3 + [3] * (batch.kind.shape[2] - n - 3)
    assert batch.name_targets[0, 0, chair] == 0
    assert batch.name_targets[0, 0, table] == 1
    assert batch.name_targets[0, 0, 0] == len(LABELS)
    assert batch.name_targets[0, 0, n] == IGNORE
    assert batch.pointer_targets[0, 0, chair].nonzero().flatten().tolist() == [1]
    assert batch.pointer_targets[0, 0, table].nonzero().flatten().tolist() == [5]  # absent: "none"
    assert batch.is_name[0, 0].nonzero().flatten().tolist() == [chair, table]
    assert batch.pointer_supervised[0, 0].tolist() == [True] * n + [False] * (batch.kind.shape[2] - n)
    targets = [t for t in batch.targets[0, 0].tolist() if t != IGNORE]
    assert targets == [*student.language.tokenizer.encode("yes").ids, student.language.encoder.end]
    assert batch.targets[0, 0, n + 2] == targets[0]  # predicted by the last thought


def test_a_name_points_at_the_object_of_its_class() -> None:
    """Without any training of the pointer: a word that is read as a class goes where the class scores say."""
    student, scene = small_student(), objects()
    grounding = student.language.grounding
    scene.class_probs = torch.eye(5, 4)[None] * 0.9
    batch = student.collate([questions()[:1]], 5)
    prefix = student.prefix_from_objects(scene)
    words = student.language.embed(batch.token_ids)
    with torch.no_grad():
        grounding.query.weight.zero_()
        grounding.query.bias.zero_()
        grounding._name_logits = lambda read, words: torch.tensor([0.0, 9.0, 0, 0, 0]).expand(*read.shape[:3], 5)
        table = grounding(words, batch.kind == QUESTION, prefix, student.language.visual.words(student.language.embed))
        grounding._name_logits = lambda read, words: torch.tensor([0.0, 0, 0, 0, 9.0]).expand(*read.shape[:3], 5)
        nothing = grounding(
            words, batch.kind == QUESTION, prefix, student.language.visual.words(student.language.embed)
        )
    assert (table.pointer_logits.argmax(-1) == 1).all()
    assert (nothing.pointer_logits.argmax(-1) == 5).all()


def test_every_name_is_measured_by_what_the_whole_question_asks() -> None:
    """The word that asks stands after the names, out of the window in which names are read."""
    student, scene = small_student(), objects()
    scene.class_probs = torch.eye(5, 4)[None] * 0.9
    prefix = student.prefix_from_objects(scene)
    grounding, class_words = student.language.grounding, student.language.visual.words(student.language.embed)
    table = QuestionText(text="the table or the lamp, seen from here and measured well by you: which is closer")
    lamp = QuestionText(text=table.text.replace("closer", "left"))
    batch = student.collate([[table, lamp]], 5)
    words = student.language.embed(batch.token_ids)
    with torch.no_grad():
        one, other = grounding(words, batch.kind == QUESTION, prefix, class_words).added[0, :, 4]
        assert not torch.allclose(one, other, atol=1e-4)
        grounding.measured.weight.zero_()
        grounding.measured_three.weight.zero_()
        one, other = grounding(words, batch.kind == QUESTION, prefix, class_words).added[0, :, 4]
        torch.testing.assert_close(one, other)  # that was the only way to know


def test_names_are_a_memory_that_each_name_overwrites() -> None:
    here = torch.zeros(1, 1, 7, 3)
    here[0, 0, 1, 0] = 1.0  # word 1 names object 0
    here[0, 0, 4, 2] = 0.75  # word 4 names object 2, less surely
    here[0, 0, 5, 1] = 1.0  # word 5 names object 1
    earlier, before = (x[0, 0] for x in _previous_two(here))
    one = [1, 0, 0]
    expected = torch.tensor([[0, 0, 0], [0, 0, 0], one, one, one, [0.25, 0, 0.75], [0, 1, 0]]).float()
    torch.testing.assert_close(before, expected, atol=2e-4, rtol=0)
    expected = torch.tensor([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0.75, 0, 0], [0.25, 0, 0.75]])
    torch.testing.assert_close(earlier, expected, atol=1e-3, rtol=0)


def test_the_third_name_sees_which_of_the_others_is_nearer() -> None:
    student, scene = small_student(), objects()
    scene.center[0, :3] = torch.tensor([[-1.0, 0.5, 3.0], [0.0, 0.5, 3.0], [1.5, 0.5, 3.0]])
    here = torch.zeros(1, 1, 6, 5)
    here[0, 0, 1, 1] = here[0, 0, 3, 0] = here[0, 0, 5, 2] = 1.0  # object 1, then 0, then 2
    earlier, before = _previous_two(here)
    grounding, asked = student.language.grounding, torch.randn(1, 1, 1, 32)

    def compared() -> torch.Tensor:
        prefix = student.prefix_from_objects(scene)
        pair = _pair(before, here, prefix)
        return grounding._compared(asked, here, before, earlier, pair, prefix)[0, 0]

    with torch.no_grad():
        near = compared()
        scene.center[0, 0, 0] = -2.5  # object 0 moves away
        far = compared()
    changed = (near - far).abs().amax(-1)
    assert changed[5] > 0
    torch.testing.assert_close(changed[:5], torch.zeros(5), atol=1e-3, rtol=0)  # only the third name has three


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "must not be empty"), ("  ", "must not be empty"), ("chair " * 200, "longer than.*96 tokens.*1200")],
)
def test_bad_questions_are_named(text: str, message: str) -> None:
    student = small_student()
    cache = student.cache(student.prefix_from_objects(objects()))
    with pytest.raises(ValueError, match=message):
        student.answer(cache, [text])


def test_a_question_in_any_script_can_be_asked() -> None:
    student = small_student()
    cache = student.cache(student.prefix_from_objects(objects()))
    assert isinstance(student.answer(cache, ["Wo ist der Stuhl? 椅子在哪里"])[0].text, str)


def test_bad_objects_and_spans_are_named() -> None:
    student = small_student()
    bad = objects()
    bad.center[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="center of the objects must be finite"):
        student.prefix_from_objects(bad)
    bad = objects()
    bad.class_probs = bad.class_probs[..., :3]
    with pytest.raises(ValueError, match=r"4 classes.*Got 3"):
        student.prefix_from_objects(bad)
    with pytest.raises(ValueError, match="covers no word"):
        student.collate([[QuestionText(text="hello there", names=(NameSpan(start=50, end=60, label=0),))]], 5)
    with pytest.raises(ValueError, match=r"of one scene\. Got 2"):
        student.cache(student.prefix_from_objects(objects(2)))


def test_sampled_answers_follow_the_generator() -> None:
    student = small_student()
    cache, texts = student.cache(student.prefix_from_objects(objects())), ["Is the lamp near?"] * 4

    def drawn(seed: int, temperature: float) -> list[str]:
        generator = torch.Generator().manual_seed(seed)
        return [a.text for a in student.language.answer(cache, texts, temperature=temperature, generator=generator)]

    assert drawn(1, 2.0) == drawn(1, 2.0) != drawn(2, 2.0)
    assert len(set(drawn(1, 2.0))) > 1
    assert drawn(1, 1e-4) == [a.text for a in student.language.answer(cache, texts)]
    with pytest.raises(ValueError, match="temperature must be 0 or more"):
        drawn(1, -1.0)

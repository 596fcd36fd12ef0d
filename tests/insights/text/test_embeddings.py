"""Themes by meaning, with a small sentence model in which synonyms have similar vectors."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.errors import DataError, MissingExtraError
from churnkit.insights import find_themes, load_embedder

# Four things to write about, each in three vocabularies without a word in common.
MEANINGS = {
    "price": (
        ("expensive", "price", "costly"),
        ("fee", "overpriced", "budget"),
        ("charged", "invoice", "dear"),
    ),
    "speed": (
        ("slow", "loading", "lag"),
        ("sluggish", "wait", "freeze"),
        ("delay", "hang", "stutter"),
    ),
    "staff": (
        ("helpful", "friendly", "agent"),
        ("kind", "polite", "support"),
        ("courteous", "caring", "team"),
    ),
    "screen": (
        ("dark", "colour", "display"),
        ("bright", "theme", "contrast"),
        ("font", "pixel", "icon"),
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    model2vec = pytest.importorskip("model2vec", reason="the extra 'embeddings' is not installed")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    generator = np.random.default_rng(0)
    vocabulary = {"[PAD]": 0, "[UNK]": 1}
    vectors = [np.zeros(16), np.zeros(16)]
    for at, words in enumerate(MEANINGS.values()):
        for own in words:
            for word in own:
                vocabulary[word] = len(vocabulary)
                vectors.append(np.eye(16)[at] + 0.1 * generator.normal(size=16))
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = Whitespace()
    place = tmp_path_factory.mktemp("models") / "tiny"
    model = model2vec.StaticModel(np.array(vectors, dtype=np.float32), tokenizer)
    model.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def written():
    """Texts, and what each is about; no two vocabularies of one meaning share a word."""
    generator = np.random.default_rng(1)
    texts, about = [], []
    for meaning, vocabularies in MEANINGS.items():
        for own in vocabularies:
            for _ in range(25):
                texts.append(" ".join(generator.permutation(own)))
                about.append(meaning)
    return texts, np.array(about)


def test_texts_with_the_same_meaning_and_other_words_share_a_theme(folder, written):
    texts, _ = written
    found = find_themes(texts, embed=load_embedder(folder), number=4)
    assert [theme.texts for theme in found.themes] == [75] * 4
    for theme in found.themes:
        meant = {
            meaning
            for meaning, words in MEANINGS.items()
            if set(theme.terms[:6]) & {w for own in words for w in own}
        }
        assert len(meant) == 1
    # Words alone cannot know it.
    alone = find_themes(texts, number=4)
    assert [theme.texts for theme in alone.themes] != [75] * 4


def test_the_number_of_groups_maximizes_the_silhouette(written):
    generator = np.random.default_rng(2)
    middle = np.eye(8)[np.arange(300) % 6]

    def embed(_texts):
        return middle + 0.1 * generator.normal(size=(300, 8))

    found = find_themes(written[0], embed=embed)
    assert [theme.texts for theme in found.themes] == [50] * 6


def test_a_text_without_known_words_has_no_theme(folder, written):
    texts, _ = written
    found = find_themes([*texts, *["lorem ipsum dolor"] * 10], embed=load_embedder(folder))
    assert sum(theme.texts for theme in found.themes) == len(texts)


def test_vectors_match_the_model_and_nothing_is_downloaded(folder, monkeypatch):
    import socket

    def refused(*_args, **_settings):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refused)
    embed = load_embedder(folder)
    found = embed(["slow lag", "slow lag", "unheard of", "price"])
    assert found.shape == (4, 16)
    np.testing.assert_array_equal(found[0], found[1])
    assert not found[2].any()
    assert found[3].argmax() == 0
    assert embed([]).shape == (0, 16)


@pytest.mark.parametrize("broken", ["nowhere", "config.json", "model.safetensors"])
def test_an_invalid_model_folder_is_refused(folder, tmp_path, broken):
    place = tmp_path / "copy"
    place.mkdir()
    for file in folder.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    if broken == "nowhere":
        place = tmp_path / "minishlab" / "potion-base-8M"
    elif broken == "config.json":
        (place / broken).unlink()
    else:
        (place / broken).write_bytes(b"no tensors")
    with pytest.raises(DataError, match="sentence model"):
        load_embedder(place)


def test_without_the_extra_the_message_names_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "model2vec", None)
    with pytest.raises(MissingExtraError, match="embeddings"):
        load_embedder(folder)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((3, 2)), np.full((300, 2), np.nan), np.zeros(300), np.ones((300, 2))],
)
def test_invalid_vectors_are_refused(written, wrong):
    with pytest.raises(DataError, match="embed"):
        find_themes(written[0], embed=lambda _texts: wrong)


def test_the_report_accepts_an_embedding_folder(folder, written, tmp_path, monkeypatch, capsys):
    from churnkit.cli.main import run

    texts, _ = written
    reviews = tmp_path / "reviews.csv"
    lines = [f'c{at},2026-01-{1 + at % 28:02d},"{text}",5' for at, text in enumerate(texts)]
    reviews.write_text("customer_id,written_at,text,score\n" + "\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    asked = ["report", "--table", f"reviews={reviews}", "-o", "r.html", "--json"]
    assert run([*asked, "--embeddings", str(folder)]) == 0
    assert "k-means on text embeddings" in (tmp_path / "r.html").read_text()
    assert run([*asked, "--embeddings", "nowhere"]) == 1
    assert "is not a folder" in capsys.readouterr().err

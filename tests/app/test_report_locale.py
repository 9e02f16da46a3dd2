"""The catalogs say everything that the reports say, and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import collima.app
from collima.app.words import LANGUAGES, Words, translations

APP = Path(collima.app.__file__).parent
LOCALE = APP / "locale"
TRANSLATED = [language for language in LANGUAGES if language != "en"]


def said() -> set[str | tuple[str, ...]]:
    with (LOCALE / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = DEFAULT_KEYWORDS | {"plural": (1, 2)}
    found = extract_from_dir(APP, methods, options, keywords=keywords)
    return {text for _, _, text, _, _ in found}


def catalog(language: str) -> Catalog:
    with (LOCALE / language / "LC_MESSAGES" / "collima.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def texts(known: Catalog) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    def forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
        return (text,) if isinstance(text, str) else tuple(text or ())

    return {(forms(message.id), forms(message.string)) for message in known if message.id}


def test_every_language_has_its_folder() -> None:
    assert sorted(path.name for path in LOCALE.iterdir() if path.is_dir()) == TRANSLATED


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalog_has_each_text_of_the_source_and_no_other(language: str) -> None:
    assert {m.id for m in catalog(language) if m.id} == said(), "see collima/app/locale/README.md"


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_left_untranslated_and_placeholders_are_kept(language: str) -> None:
    for message in catalog(language):
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(texts), message.id
        assert not message.fuzzy, message.id
        assert list(message.check()) == [], message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_compiled_catalog_is_the_one_of_the_texts(language: str) -> None:
    with (LOCALE / language / "LC_MESSAGES" / "collima.mo").open("rb") as file:
        compiled = read_mo(file)
    assert texts(compiled) == texts(catalog(language)), "see collima/app/locale/README.md"


def test_an_unknown_language_is_an_error_rather_than_english() -> None:
    with pytest.raises(FileNotFoundError):
        translations("xx")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_verb_that_nobody_knows_is_still_told(language: str) -> None:
    assert Words(language).things("defrost", 3) == "3 × defrost"

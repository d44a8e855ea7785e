import unicodedata

import pytest

from tracking_env.names import NameIndex, normal_form

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Jogging-1", ["Jogging-1"]),
        ("jogging.1", ["Jogging-1"]),
        ("JOGGING_1", ["Jogging-1"]),
        ("jogging1", ["Jogging-1"]),
        ("car-11", ["car-11"]),
        ("car_11", ["car-11"]),
        ("car_1_1", ["car-1-1"]),
        ("car11", ["car-11"]),
        ("car 1.1", ["car-1-1"]),
        ("car-111", []),
        ("car (1)", []),
        ("car", []),
        ("dog", ["dog"]),
        ("dOg", ["Dog", "dog"]),
        (NFC, [NFC]),
        (NFD, [NFC]),
        (NFD.upper(), [NFC]),
        ("suvs", ["Suv"]),
        ("", []),
    ],
)
def test_a_name_means_the_exact_sequence_or_all_similar_ones(word, meant):
    names = ["Jogging-1", "car-11", "car-1-1", "Dog", "dog", NFC, "Suv"]
    assert NameIndex(names, {"Suvs": "Suv"}).find(word) == meant


def test_both_forms_of_a_letter_are_one_name():
    assert NFC != NFD
    assert normal_form(NFD) == NFC
    assert NameIndex([NFC]).find_exact(NFD) == NFC


def test_an_alias_comes_after_a_name():
    assert NameIndex(["human4"], {"Human4": "Human4-2"}).find("HUMAN4") == ["human4"]

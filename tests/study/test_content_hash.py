"""A hash tells content from content: file, text and bytes alike, and parts do not run into each other."""

import hashlib

from helpers.study.content_hash import content_hash


def test_one_part_has_its_own_sha_256_as_any_tool_prints_it(tmp_path):
    (tmp_path / "model.json").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"
    assert content_hash("abc") == content_hash(b"abc") == content_hash(tmp_path / "model.json") == known


def test_parts_do_not_run_into_each_other():
    assert content_hash("ab", "c") != content_hash("a", "bc") != content_hash("abc")
    both = hashlib.sha256(b"a").digest() + hashlib.sha256(b"bc").digest()
    assert content_hash("a", "bc") == hashlib.sha256(both).hexdigest()

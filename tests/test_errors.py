"""An error says what it is about, wherever it was raised: in a worker process, in a reader of files."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import Parallel, delayed

from helpers.errors import KINDS, StudyError, naming
from helpers.study.study_file import load_study


@given(st.text(), st.sampled_from(KINDS), st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_message_and_kind_survive_pickling_and_copying(message, kind, protocol):
    error = StudyError(message, kind)
    for again in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):
        assert (type(again), str(again), again.kind) == (StudyError, message, kind)


def refuse(kind):
    raise StudyError("it cannot be used.", kind)


def test_a_worker_process_hands_the_kind_on():
    with pytest.raises(StudyError, match="it cannot be used") as error:
        Parallel(n_jobs=2)(delayed(refuse)("metal") for _ in range(2))
    assert error.value.kind == "metal"


def test_where_nobody_sorts_an_error_is_of_no_special_kind():
    assert StudyError("y has one class only.").kind == "other"


@pytest.mark.parametrize("kind", KINDS)
def test_the_caller_names_the_place_and_a_kind_only_where_there_is_none(kind):
    with pytest.raises(StudyError) as error, naming("P1, mask 'm'", "mask"):
        refuse(kind)
    assert str(error.value) == "P1, mask 'm': it cannot be used."
    assert error.value.kind == ("mask" if kind == "other" else kind)


def test_errors_that_are_not_for_users_go_through_as_they_are():
    broken = ZeroDivisionError("1/0")
    with pytest.raises(ZeroDivisionError) as error, naming("P1", "mask"):
        raise broken
    assert error.value is broken


@pytest.mark.parametrize("content", ["", "{name: a", "{name: a, colour: red}"])
def test_a_study_file_that_cannot_be_used_is_a_matter_of_settings(tmp_path, content):
    (tmp_path / "study.yml").write_text(content)
    for file in ("study.yml", "absent.yml"):
        with pytest.raises(StudyError) as error:
            load_study(tmp_path / file)
        assert error.value.kind == "setting"

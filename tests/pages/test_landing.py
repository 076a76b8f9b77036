"""The landing pages tell whose data these are, and set the paper's AUC beside the run's."""

import re
from dataclasses import replace

import pandas as pd

from helpers.pages import landing, staging
from helpers.pages.rendering import in_chinese
from helpers.study.study_file import Outcome


def both(run):
    """What the page includes, in English and in Chinese."""
    english = {name: text.decode() for name, text in landing.staged_files(run).items()}
    with in_chinese():
        return english, {name: text.decode() for name, text in landing.staged_files(run).items()}


def test_the_landing_pages_tell_whose_data_these_are(run, tmp_path):
    for stage, words in {staging.stage: "virtual patients", staging.stage_chinese: "虚拟患者"}.items():
        stage(run, tmp_path / "source")
        assert words in (tmp_path / "source" / "summary.md").read_text(encoding="utf-8")


def test_the_summary_has_the_papers_and_the_runs_auc(run):
    rows = pd.DataFrame({"model": "nomogram", "cohort": ["training", "internal"], "paper_auc": [0.9, 0.8]})
    rows = rows.assign(auc=[0.8765, None], ci_low=[0.8123, None], ci_high=[0.9, None])
    run.write_table("table_5", rows)
    parts, chinese = both(run)
    assert "| nomogram | **0.900** → *0.876* (0.812 to 0.900) | **0.800** → – |  |" in parts["summary.md"]
    assert "| 列线图模型 | **0.900** → *0.876* （0.812~0.900） |" in chinese["summary.md"]


def test_the_summary_answers_whether_it_holds(run):
    """By hand: 1 of 3 checks; a gain whose interval holds 0 is not shown; 9 of 17 patients found."""
    rows = pd.DataFrame({"model": "nomogram", "cohort": ["internal", "external"], "auc": 0.8})
    rows = rows.assign(paper_auc=0.8, ci_low=0.7, ci_high=0.9, sensitivity_strict=[0.8, 9 / 17])
    run.write_table("table_5", rows)
    run.write_table("paper_audit", pd.DataFrame({"verdict": ["consistent", "inconsistent", "consistent"]}))
    assert "Does it hold" not in both(run)[0]["summary.md"], "chapter 10 is not there yet"
    gains = pd.DataFrame({"cohort": ["internal", "external"], "difference": [0.1, 0.01]})
    gains = gains.assign(ci_low=[0.05, -0.02], ci_high=0.15, first="nomogram", second="HU and clinical")
    run.write_table("strict_comparators", gains)
    english, chinese = (parts["summary.md"] for parts in both(run))
    assert "Of 3 checks of the paper's own numbers 1 find" in english and "finds 53% of those" in english
    assert "+0.100 (0.050 to 0.150) in internal and by +0.010 (-0.020 to 0.150) in external" in english
    assert "an advantage is not shown" in english and "未显示出来" in chinese and "53%" in chinese


def test_several_external_hospitals_have_a_column_each_and_the_paper_none_of_them(run):
    cohorts = ["training", "internal", "external: Z", "external: B"]
    rows = pd.DataFrame({"model": "nomogram", "cohort": cohorts, "paper_auc": [0.9, 0.8, None, None]})
    run.write_table("table_5", rows.assign(auc=0.7, ci_low=0.6, ci_high=0.8))
    parts, chinese = both(run)
    assert (
        "| External validation: Z | External validation: B |\n|---|---|---|---|---|\n" in parts["summary.md"]
    )
    assert "| 外部验证集：Z | 外部验证集：B |" in chinese["summary.md"]
    row = next(line for line in parts["summary.md"].splitlines() if line.startswith("| nomogram"))
    assert row.endswith("| *0.700* (0.600 to 0.800) | *0.700* (0.600 to 0.800) |")


def test_a_question_of_its_own_has_its_words_and_no_printed_value(run):
    outcome = Outcome(name="relapse", positive="came back", negative="stayed well", name_zh="复发")
    own = replace(run, study=run.study.model_copy(update={"outcome": outcome, "region": "the liver"}))
    rows = pd.DataFrame({"model": "nomogram", "cohort": ["training", "internal"]})
    own.write_table("table_5", rows.assign(auc=[0.8765, 0.7], ci_low=0.6, ci_high=0.9))
    parts, chinese = both(own)
    assert "features of the liver tell **relapse**" in parts["index.md"] and "复发" in chinese["index.md"]
    assert "| nomogram | 0.876 (0.600 to 0.900) | 0.700 (0.600 to 0.900) |\n" in parts["summary.md"]
    assert "| 列线图模型 | 0.876 （0.600~0.900） | 0.700 （0.600~0.900） |\n" in chinese["summary.md"]
    assert not re.search(r"paper|osteopor|论文", "".join([*parts.values(), *chinese.values()]))

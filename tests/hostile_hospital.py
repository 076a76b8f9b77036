"""A real-like hospital of 20 virtual patients that means harm, or knows no better.

Headers, table and study file hold scripts, formulas and marks of markup wherever a text is printed, and
names, numbers and dates of patients wherever a hospital's files have them.
"""

import pandas as pd
import pydicom
import yaml
from broken_hospital import SITE, write_patient

from helpers.study.places import REPOSITORY

MARK = "data-ran"


def script(place):
    """An element whose script marks the page that runs it: `MARK` and the place. It fits a DICOM field."""
    return f"<img src=x onerror=\"document.body.setAttribute('{MARK}-{place}',1)\">"


def short_script(place):
    """The same in 64 characters, which a DICOM text may have."""
    return f"<img src=x onerror=document.body.dataset.ran{place}=1>"


FORMULA = '=HYPERLINK("http://example.org","more")'
# Ends a code fence, an inline code, a script element, a comment; opens a formula, a role, a table's cell.
MARKUP = "``` `{raw}`x` </script><!-- $x_1$ {download}`a <b>` | [l](javascript:alert(1)) *b* \\"
TITLE = f"{script('title')}{MARKUP}"
SITE_NAME = f"{FORMULA}{short_script('site')} $\\frac$"
SCANNER = f"=1+1{short_script('scanner')}"
KERNEL = "@<b>$x$"  # 16 characters at most
REASON = f"-1+2{script('reason')}{MARKUP}"
PREDICTOR = f"+bmi<script>document.body.toggleAttribute('{MARK}-predictor')</script>"
LEVELS = [f"=A1{short_script('level_a')}", f"@B{short_script('level_b')} $\\x$"]
SETTINGS = f"# {script('settings')}\n# ```\n# ````\n# `````\n# {script('settings')}\n"

FAMILY = ["Zhang", "Wang", "Li", "Zhao", "Chen", "Yang", "Huang", "Zhou", "Wu", "Xu"]
HAN_FAMILY = "张王李赵陈杨黄周吴徐"
GIVEN = ["Xiaoming", "Wei", "Guoqiang", "Shufen", "Jianhua", "Lijuan", "Xiuying"]
HAN_GIVEN = ["小明", "伟", "国强", "淑芬", "建华", "丽娟", "秀英"]


def person(number):
    """What a hospital knows of its patient."""
    family, given = number % len(FAMILY), number % len(GIVEN)
    return {
        "raw": f"MRN-{40510 + 7 * number}",
        "name": f"{FAMILY[family]}^{GIVEN[given]}",
        "han": f"{HAN_FAMILY[family]}{HAN_GIVEN[given]}",
        "birth": f"{1931 + number}{1 + number % 12:02d}{11 + number % 17:02d}",
        "ct": f"2019{1 + number % 12:02d}{11 + number % 17:02d}",
        "accession": f"ACC{7340019 + 13 * number}",
        "phone": f"1390571{2304 + 17 * number}",
    }


INSTITUTION, PHYSICIAN = "Yuquan People Hospital", "Ouyang^Zhenhua"


def write_hospital(folder):
    """Write scans, masks, table and study files."""
    screened = SITE.screened()
    people = screened[screened["allocation"] != ""].copy()
    known = [person(number) for number in range(len(people))]
    people["raw"] = [one["raw"] for one in known]
    for row, one in zip(people.itertuples(), known, strict=True):
        write_patient(folder, row)
        for path in (folder / "ct" / one["raw"]).iterdir():
            _tell(path, one)
    _write_table(folder, people, known)
    settings = (REPOSITORY / "tests" / "data" / "coarse.yml").read_text(encoding="utf-8")
    (folder / "extraction.yml").write_text(SETTINGS + settings, encoding="utf-8")
    _write_study(folder)


def _tell(path, one):
    """Put into a header what a hospital's scanner writes there."""
    header = pydicom.dcmread(path)
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientName, header.PatientID = f"{one['name']}={one['han'][0]}^{one['han'][1:]}", one["raw"]
    header.PatientBirthDate, header.AccessionNumber = one["birth"], one["accession"]
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = one["ct"]
    header.PatientTelephoneNumbers = one["phone"]
    header.InstitutionName, header.ReferringPhysicianName = INSTITUTION, PHYSICIAN
    header.SeriesDescription = f"{one['name'].replace('^', ' ')} {one['birth']}"
    header.ManufacturerModelName, header.Manufacturer = SCANNER, ""
    header.ConvolutionKernel = KERNEL
    header.save_as(path)


def _write_table(folder, people, known):
    """The hospital's table, with columns that the study does not need; three more are excluded."""
    table = people.drop(columns=["patient_id", "scanner", "exclusion"], errors="ignore")
    table = table.rename(columns={"raw": "Nr"}).reset_index(drop=True)
    private = pd.DataFrame(known)[["han", "birth", "phone"]]
    table = table.assign(姓名=private["han"], 出生=private["birth"], Tel=private["phone"], Reason="")
    table[PREDICTOR] = [LEVELS[number % 2] for number in range(len(table))]
    left = table.tail(3).assign(Nr=["MRN-777001", "MRN-777002", "MRN-777003"], Reason=REASON, 姓名="欧阳建国")
    pd.concat([table, left]).to_csv(folder / "dxa.csv", index=False)


def _write_study(folder):
    columns = {"patient_id": "Nr", "exclusion": "Reason"}
    site = {"name": SITE_NAME, "role": "development", "table": {"path": "dxa.csv", "columns": columns}}
    site |= {"images": "ct/{patient_id}", "masks": "masks/{patient_id}.nii.gz"}
    site |= {"second_reader": "masks_reader2/{patient_id}.nii.gz"}
    study = {"name": "hostile", "title": TITLE, "seed": 1, "extraction": "extraction.yml", "min_cell": 3}
    study |= {"second_reader_cases": 9, "sites": [site], "predictors": ["age", "sex", PREDICTOR]}
    study["parameters"] = {
        "04": {"folds": 3, "mrmr_features": 10, "resamples": 4},
        "05": {"folds": 3},
        "09": {"draws": 100},
        "10": {"folds": 3, "repeats": 1, "resamples": 2, "permutations": 2, "muscle_patients": 4}
        | {"bootstrap_resamples": 50},
        "11": {"new_study": str(folder / "new.yml"), "bootstrap_resamples": 50},
        "14": {"repeats": 5},
    }
    _write(folder / "study.yml", study)
    external = [site | {"role": "external"}]
    new = {key: value for key, value in study.items() if key not in ("parameters", "second_reader_cases")}
    _write(folder / "new.yml", new | {"sites": external})


def _write(path, study):
    path.write_text(yaml.safe_dump(study, allow_unicode=True), encoding="utf-8")

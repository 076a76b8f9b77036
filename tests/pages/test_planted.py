"""What identifies a patient is found in whatever spelling, encoding and kind of file it leaves private/.

Each form is planted in a file of a run whose patient has it in a DICOM header or in a column of the table.
"""

import gzip
import io
import json
import struct
import zipfile
import zlib

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pydicom
import pytest
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from helpers.pages import leaks
from helpers.pages.printing import BROWSERS
from helpers.study import pseudonyms
from helpers.study.run_folder import open_run

NAME, HAN = "Zhang^Xiaoming", "张小明"
HEADER = {
    "PatientID": "MRN-0040510",
    "PatientName": f"{NAME}={HAN[0]}^{HAN[1:]}",
    "PatientBirthDate": "19430627",
    "AccessionNumber": "ACC7340019",
    "StudyDate": "20190304",
    "InstitutionName": "Yuquan People Hospital",
    "ReferringPhysicianName": "Ouyang^Zhenhua",
    "OperatorsName": "Not^Available",
    "OtherPatientIDs": ["ZY-889312", "88431207"],
    "StudyInstanceUID": "1.2.840.113619.2.55.3.604688119",
}
ROW = {"Nr": HEADER["PatientID"], "age": 66, "sex": "F", "t_score": -2.7, "Scanner": "GE Optima"}
ROW |= {
    "姓名": "Lü Guoqiang",
    "手机": "13905712304",
    "身份证号": "330106194306271234",
    "DXA日期": "2019-03-15",
}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """One patient in a header and a row; study file beside it."""
    folder = tmp_path_factory.mktemp("hospital")
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = CTImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = "1.2.3"
    header.SpecificCharacterSet = "ISO_IR 192"
    for tag, value in HEADER.items():
        setattr(header, tag, value)
    (folder / "ct" / HEADER["PatientID"]).mkdir(parents=True)
    header.save_as(folder / "ct" / HEADER["PatientID"] / "1.dcm", enforce_file_format=True)
    pd.DataFrame([ROW]).to_csv(folder / "dxa.csv", index=False)
    site = {"name": "Ours", "role": "development", "images": "ct/{patient_id}", "masks": "m/{patient_id}.nii"}
    site["table"] = {"path": "dxa.csv", "columns": {"patient_id": "Nr", "scanner": "Scanner"}}
    study = {"name": "own", "title": "Own", "seed": 1, "extraction": "extraction.yml", "sites": [site]}
    (folder / "study.yml").write_text(yaml.safe_dump(study, allow_unicode=True), encoding="utf-8")
    return folder


@pytest.fixture
def run(hospital, tmp_path):
    run = open_run(hospital / "study.yml", tmp_path / "run")
    pseudonyms.pseudonyms(run, "Ours", [HEADER["PatientID"]])
    run.write_table("scanners", pd.DataFrame({"scanner": ["GE Optima"], "patients": [66]}))
    assert leaks.find_leaks(run) == []
    return run


def test_the_patients_of_a_hospital_that_was_scored_are_sought_too(hospital, tmp_path):
    """In a run of other patients, whose chapter 11 was given this hospital's study file."""
    other = tmp_path / "other.yml"
    site = {"name": "Virtual", "role": "development", "virtual": {"protocol": "p.yml", "patients": 8}}
    study = {"name": "other", "title": "Other", "seed": 1, "extraction": "e.yml", "sites": [site]}
    other.write_text(yaml.safe_dump(study), encoding="utf-8")
    run = open_run(other, tmp_path / "run")
    pseudonyms.pseudonyms(run, "Ours", [HEADER["PatientID"]])
    assert planted(run, "share/note.txt", PINYIN.encode()) == []
    executed = {
        "cells": [],
        "metadata": {"papermill": {"parameters": {"new_study": f"{hospital}/study.yml"}}},
    }
    assert len(planted(run, "notebooks/11_new_hospital.ipynb", json.dumps(executed).encode())) == 1


def planted(run, name, content):
    path = run.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return leaks.find_leaks(run)


SPELLINGS = {
    "number": "mrn 0040510",
    "number, full width": "ＭＲＮ－００４０５１０",
    "Chinese": f"患者{HAN}的图像",
    "Chinese, spaced": "张 小 明",
    "Chinese, given name first": "小明 张",
    "pinyin": "ZHANG, Xiaoming",
    "pinyin reversed": "Xiaoming Zhang",
    "pinyin joined": "ct_zhangxiaoming.nii",
    "pinyin joined and reversed": "XiaomingZhang",
    "pinyin by syllables": "Xiao-Ming Zhang",
    "pinyin with tones": "Zhāng Xiǎomíng",
    "pinyin with combining tones": "Zha\u0304ng Xia\u030comi\u0301ng",
    "pinyin with numbered tones": "zhang1 xiao3ming2",
    "pinyin, full width": "Ｚｈａｎｇ　Ｘｉａｏｍｉｎｇ",
    "pinyin with invisible characters": "Zh\u200bang Xiao\u00adming",
    "letter by letter": "(Z h a n g  X i a o m i n g)",
    "accession number": "accession: acc7340019",
    "second number": "ZY 889312 and others",
    "series": "1.2.840.113619.2.55.3.604688119",
    "hospital": "made at YUQUAN People-Hospital",
    "physician": "Zhenhua Ouyang",
    "name in the table, without dots": "guoqiang lu",
    "telephone": "139-0571-2304",
    "identity card": "330106 19430627 1234",
}
DAYS = [
    "19430627",
    "1943-06-27",
    "1943/6/27",
    "1943.06.27",
    "1943年6月27日",
    "27.6.1943",
    "27/06/1943",
    "06/27/1943",
]
DAYS += ["27 June 1943", "27-JUN-1943", "Jun 27, 1943", "June 27th, 1943", "1943 Jun 27", "19430627083000"]
DAYS += ["1943-06-27T08:30", "１９４３－０６－２７", "4.3.2019", "2019/03/15"]


@pytest.mark.parametrize("text", [*SPELLINGS.values(), *DAYS], ids=[*SPELLINGS, *DAYS])
def test_a_spelling_is_found(run, text):
    lines = planted(run, "share/note.txt", f"see {text}!".encode())
    assert lines
    for line in lines:
        assert line.startswith("share/note.txt: ")
        assert not any(word in line for word in ("Zhang", "张", "40510", "1943", "Ouyang"))


INNOCENT = {
    "ages and sizes": "66 years, 0.0040510, 19430 patients, 194306, n = 27, 3 4 2019 voxels, 6, 27",
    "words": "Zhang, X. and Xiao, M., and Ming Zhang; not xiaoming; a hang xiao ming",
    "other days": "1943-06-28, 27.6.1944, 2019-05-04, 43-06-27",
    "digits in decimals": "0.13905712304, 3.13905712304, 913905712304",
    "checksum": "a19430627f0040510b",
    "no names": "not available; the hospital",
    "the program": f"{leaks.REPOSITORY}/src/helpers/pages/leaks.py:12: RuntimeWarning",
}


@pytest.mark.parametrize("text", INNOCENT.values(), ids=INNOCENT)
def test_what_only_looks_like_one_is_no_leak(run, text):
    assert planted(run, "share/note.txt", text.encode()) == []


def zipped(**files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def saved(write, *arguments, **options):
    target = io.BytesIO()
    write(target, *arguments, **options)
    return target.getvalue()


def workbook(text):
    """What a spreadsheet program writes, as far as a reader of texts needs it."""
    strings = f"<sst><si><t>{text}</t></si></sst>"
    return zipped(**{"[Content_Types].xml": "<Types/>", "xl/sharedStrings.xml": strings})


def drawn(text, kind, **style):
    """A figure with the text on it."""
    with plt.rc_context(style):
        figure = plt.figure(figsize=(3, 1))
        figure.text(0.1, 0.5, text)
        content = saved(figure.savefig, format=kind)
        plt.close(figure)
    return content


def without_comments(svg):
    """As a drawing program saves it again: the letters are shapes, no comment says which."""
    import re

    return re.sub(rb"<!--.*?-->", b"", svg, flags=re.DOTALL)


def png(text, how):
    picture, info = Image.new("L", (4, 4)), PngInfo()
    if how == "exif":
        exif = picture.getexif()
        exif[0x010E] = text
        return saved(picture.save, format="png", exif=exif)
    if how == "behind the pixels":
        chunk = b"tEXtTitle\0" + text.encode()
        plain = saved(picture.save, format="png")
        end = plain.index(b"IEND") - 4
        return (
            plain[:end]
            + struct.pack(">I", len(chunk) - 4)
            + chunk
            + struct.pack(">I", zlib.crc32(chunk))
            + plain[end:]
        )
    {"text": info.add_text, "international": info.add_itxt}[how.split(",")[0]](
        "Title", text, zip="zipped" in how
    )
    return saved(picture.save, format="png", pnginfo=info)


def jpeg(text, how):
    picture = Image.new("L", (4, 4))
    if how == "comment":
        return saved(picture.save, format="jpeg", comment=text.encode())
    exif = picture.getexif()
    if how == "title":
        exif[0x9C9B] = text.encode("utf-16-le")
    else:
        exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-le")
    return saved(picture.save, format="jpeg", exif=exif)


def letters(text, element):
    parts = "\n".join(
        f'<{element} x="{at}">{letter}</{element}>' for at, letter in enumerate(text) if letter.strip()
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg"><text>{parts}</text></svg>'.encode()


def notebook(output):
    cell = {"cell_type": "code", "metadata": {}, "source": [], "outputs": [output]}
    return json.dumps({"cells": [cell]}).encode()


def base64(content):
    import base64 as coder

    return coder.b64encode(content).decode()


PINYIN = "Zhang Xiaoming"
FILES = {
    "a.zip": zipped(**{"note.txt": PINYIN}),
    "names.zip": zipped(**{f"{PINYIN}.txt": ""}),
    "nested.zip": zipped(**{"inner.zip": zipped(**{"note.txt": HAN})}),
    "a.xlsx": workbook(HAN),
    "a.npz": saved(np.savez_compressed, names=np.array([PINYIN, "B"])),
    "numbers.npy": saved(np.save, np.array([1, 13905712304])),
    "a.parquet": saved(pd.DataFrame({"x": [HAN]}).to_parquet),
    "titles.parquet": saved(pd.DataFrame({PINYIN: [1]}).to_parquet),
    "numbers.parquet": saved(pd.DataFrame({"x": [13905712304]}).to_parquet),
    "days.parquet": saved(pd.DataFrame({"x": [pd.Timestamp("1943-06-27")]}).to_parquet),
    "a.csv.gz": gzip.compress(f"x\n{HAN}\n".encode()),
    "gbk.csv": f"姓名\n{HAN}\n".encode("gbk"),
    "utf16.csv": f"姓名\n{HAN}\n".encode("utf-16"),
    "utf16_bare.txt": f"name: {PINYIN}, seen today".encode("utf-16-le"),
    "utf16_other_order.txt": f"name: {PINYIN}, seen today".encode("utf-16-be"),
    "latin.txt": f"Müller, {PINYIN}".encode("cp1252"),
    "binary.dat": b"\x00\x01\x02\xff" + f"{PINYIN} was here".encode() + b"\x00\xfe",
    "entities.html": b"<p>&#x5F20;&#23567;&#x660e;</p>",
    "escapes.json": json.dumps({"x": HAN}).encode(),
    "percent.html": b'<a href="ct/%E5%BC%A0%E5%B0%8F%E6%98%8E">x</a>',
    "highlighted.html": b"<code><span>Zhang</span><span>^</span><span>Xiaoming</span></code>",
    "embedded.html": f'<img src="data:image/png;base64,{base64(png(PINYIN, "text"))}">'.encode(),
    "in_nifti.nii.gz": gzip.compress(b"\0" * 148 + PINYIN.encode().ljust(196, b"\0") + b"n+1\0" + b"\0" * 9),
    "embedded.ipynb": notebook(
        {"output_type": "display_data", "data": {"image/png": base64(png(HAN, "text"))}}
    ),
    "error.ipynb": notebook({"output_type": "stream", "name": "stdout", "text": [PINYIN]}),
    "text.svg": drawn(PINYIN, "svg", **{"svg.fonttype": "none"}),
    "shapes.svg": without_comments(drawn(PINYIN, "svg", **{"svg.fonttype": "path"})),
    "spans.svg": letters(PINYIN, "tspan"),
    "metadata.svg": f"<svg><metadata><dc:title>{PINYIN}</dc:title></metadata></svg>".encode(),
    "type3.pdf": drawn(PINYIN, "pdf", **{"pdf.fonttype": 3}),
    "type42.pdf": drawn(PINYIN, "pdf", **{"pdf.fonttype": 42}),
    "text.png": png(HAN, "international"),
    "zipped.png": png(PINYIN, "text, zipped"),
    "zipped_international.png": png(HAN, "international, zipped"),
    "exif.png": png(PINYIN, "exif"),
    "behind.png": png(PINYIN, "behind the pixels"),
    "comment.jpg": jpeg(PINYIN, "comment"),
    "title.jpg": jpeg(HAN, "title"),
    "user_comment.jpg": jpeg(PINYIN, "user comment"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_kind_is_read(run, name):
    content = FILES[name]
    (line,) = planted(run, f"share/{name}", content)
    assert line.startswith(f"share/{name}: ")


def test_single_letters_of_a_figure_are_put_together(run):
    parts = "".join(f'<text x="{at}">{letter}</text>\n' for at, letter in enumerate("ZhangXiaoming"))
    assert len(planted(run, "share/figures/a.svg", f"<svg>{parts}</svg>".encode())) == 1


def test_names_beside_each_other_in_a_table_are_found_and_other_neighbours_are_not(run):
    assert len(planted(run, "share/a.html", b"<td>Zhang Xiaoming</td>")) == 1
    assert planted(run, "share/a.html", b"<td>Zhang</td>\n<td>X</td><td>iao</td><td>ming</td>") == []


@pytest.mark.parametrize("place", ["run.json", "book/source/a.md", "book/radbook.pdf", "other/deep/a.txt"])
def test_every_file_outside_private_is_read(run, place):
    assert len(planted(run, place, f"%PDF {PINYIN}".encode())) == 1


def test_private_is_left_alone(run):
    assert planted(run, "private/names.txt", PINYIN.encode()) == []


@pytest.mark.slow
def test_a_page_printed_by_the_browser_is_read(run, tmp_path):
    """Chromium writes glyph numbers of cut-down fonts: only each font's table tells the letters."""
    import shutil
    import subprocess

    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine")
    page, pdf = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(f"<meta charset=utf-8><h1>A page</h1><p style='font-family:serif'>{PINYIN}</p>")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run(
        [program, *options, f"--print-to-pdf={pdf}", page.as_uri()], capture_output=True, check=True
    )
    assert PINYIN.encode() not in pdf.read_bytes()
    assert len(planted(run, "book/radbook.pdf", pdf.read_bytes())) == 1

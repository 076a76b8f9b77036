"""share/README, for the privacy officer: made of the contract's own fields, so that none is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from helpers.pooling.contract import SITE_FILE, SiteFile
from helpers.pooling.round_files import Answer

_HEAD = """{file}: what is inside, field by field
===========================================

For the hospital's privacy officer. {file} is the only file that a centre needs to pool this hospital's
results with those of others (radbook pool). Send this one file; what lies beside it is for the hospital.

Why no patient can be told from it
- It holds numbers about many patients, and no patient's row, date, name, number or pseudonym.
- {small}
- Nothing is told of fewer patients by subtraction either: what is left out as well are thresholds between
  which few patients lie, categories whose rest is small, and the number of those measured where it is a few
  more than those judged.
- Two versions of it tell of no few patients: when fewer than {least} came, went or were corrected since one
  was sent, a new one is not written; and counts that differ by few are left out of it.
- What is left out is marked: "<{least}" is a small count, "hidden" what would tell one, "not estimable" what
  cannot be computed.
- It is plain text: open it with any editor. radbook share-check FOLDER searches it again for patients'
  numbers, names and days, and for small counts.

Fields
"""
_HEAD_ZH = """

{file}：逐项说明
===========================================

供医院隐私负责人阅读。汇总各医院结果（radbook pool）只需要 {file} 这一个文件。请只发送此文件；
旁边的表格和图供本院使用。

为何无法从中识别患者
- 其中只有多名患者的汇总数字，没有任何患者的记录行、日期、姓名、编号或假名。
- {small}
- 也不能通过相减得到小人数：两个阈值之间患者很少时、类别其余人数很少时，
  以及测量人数仅略多于被评价人数时，均不公开。
- 两个版本相减也不会泄露少数患者：自上次发送后变动的患者不足 {least} 名时不写出新文件，
  与上次相差很小的计数也不公开。
- 未公开之处有标记："<{least}" 表示人数很少，"hidden" 表示会泄露小人数的数字，
  "not estimable" 表示无法计算。
- 文件为纯文本，可用任何编辑器打开。radbook share-check FOLDER 会再次检查其中是否有患者编号、
  姓名、日期和小人数。

字段
"""
_ROUNDS = (
    """

round_NN.json, only where the hospital takes part in an update of the model (radbook answer writes it):
sums over its judged patients. It is not written where fewer than {least} of them stand behind a number, or
where fewer than {least} have, or have not, the outcome or a category.

""",
    """

round_NN.json（仅在医院参加模型更新时由 radbook answer 写出）：对本院被评价患者的求和结果。任一数字背后不足
{least} 名患者，或有结局、无结局、某一类别不足 {least} 名时，不写出。

""",
)
_WITHHELD = """{file} was not written: it would tell of few patients beside one that was sent before
====================================================================================

Since then fewer than {least} patients came, went or were corrected (or fewer than {least} with, or without,
the outcome). Who has both files could subtract one from the other, and would have the values of these few.

What to do: wait until at least {least} patients with the outcome and {least} without it have come, and give
the same command again. Corrections of fewer patients wait as well. If the centre never had the earlier file,
remove its folder from private/sent of the run folder, and give the same command again.


未写出 {file}：与先前发送的文件相比，它会泄露少数患者的信息
====================================================================================

自上次发送以来，新增、离开或更正的患者不足 {least} 名（或其中有结局、无结局者不足 {least} 名）。
同时持有两个文件的人可以相减，得到这几名患者的数值。

处理方法：等到新增至少 {least} 名有结局和 {least} 名无结局的患者后，再次运行同一命令；
少数患者的更正也请一并等待。如果汇总中心从未收到先前的文件，请从运行文件夹的 private/sent 中删除其文件夹，
再次运行同一命令。
"""
_SMALL = {
    True: (
        "Counts of 1 to {most} patients are not told (min_cell: {least}).",
        "不公开 1 至 {most} 名患者的计数（min_cell: {least}）。",
    ),
    False: (
        "CAUTION: min_cell is {least} in the study file, so that all counts are told, small ones too.",
        "注意：研究文件中 min_cell 为 {least}，所有计数（包括小人数）都会公开。",
    ),
}


def readme(site: SiteFile) -> str:
    """The page in English and Chinese, for one hospital's file.

    Parameters
    ----------
    site : SiteFile
        Its ``min_cell`` is named; fields and words are the contract's.
    """
    least = site.min_cell
    small = [text.format(least=least, most=least - 1) for text in _SMALL[least > 1]]
    parts = []
    for language, head in enumerate((_HEAD, _HEAD_ZH)):
        parts.append(head.format(file=SITE_FILE, small=small[language], least=least))
        parts += [_listed(SiteFile, language), _ROUNDS[language].format(least=max(least, 1))]
        parts.append(_listed(Answer, language))
    return "".join(parts) + "\n"


def withheld_page(site: SiteFile) -> str:
    """What stands in place of the file that is not written, in English and Chinese."""
    return _WITHHELD.format(file=SITE_FILE, least=site.min_cell)


def _listed(model: type[BaseModel], language: int) -> str:
    return "\n".join(f"{'  ' * depth}{name}: {words[language]}" for depth, name, *words in fields(model))


def fields(model: type[BaseModel], depth: int = 0) -> Iterator[tuple[int, str, str, str]]:
    """Depth, name, English and Chinese words of each field of the contract, and of those within it.

    Parameters
    ----------
    model : type of BaseModel
    depth : int
        How many fields this one lies in.
    """
    for name, field in model.model_fields.items():
        yield depth, name, field.description, field.json_schema_extra["zh"]
        for inner in _models_in(field.annotation):
            yield from fields(inner, depth + 1)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    """The contract's models that a field may hold, however deep in lists, mappings and alternatives."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]

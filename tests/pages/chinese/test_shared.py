"""Files that both editions have alike lie once, and every page of the Chinese one finds them."""

from helpers.pages.chinese.shared import share


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_pages_name_the_english_files_and_keep_their_own(tmp_path):
    english, chinese = tmp_path / "html", tmp_path / "html" / "zh"
    for folder in (english, chinese):
        write(folder / "_static" / "a.js", "the same")
        write(folder / "_downloads" / "0f" / "t.csv", "1")
    write(english / "_images" / "b.png", "English")
    write(chinese / "_images" / "b.png", "中文")
    write(english / "jupyter_execute" / "c.ipynb", "{}")
    page = '<script src="{0}_static/a.js?v=1"></script><img src="{0}_images/b.png">'
    page += '<a href="{0}_downloads/0f/t.csv">'
    write(chinese / "index.html", page.format(""))
    write(chinese / "notebooks" / "01.html", page.format("../"))
    expected = '<script src="{0}../_static/a.js?v=1"></script><img src="{0}_images/b.png">'
    expected += '<a href="{0}../_downloads/0f/t.csv">'
    for _ in range(2):  # an unchanged page is not made again, and not led astray
        share(english, chinese)
        assert (chinese / "index.html").read_text("utf-8") == expected.format("")
        assert (chinese / "notebooks" / "01.html").read_text("utf-8") == expected.format("../")
        kept = {
            path.relative_to(chinese).as_posix() for path in chinese.rglob("*.*") if path.suffix != ".html"
        }
        assert kept == {"_images/b.png"}
        assert not (english / "jupyter_execute").exists()

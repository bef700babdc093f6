"""Write README.md of this folder from the demos themselves, and with --pictures run them all and keep their pictures.

Run: python demos/make_readme.py [--pictures]
"""

import argparse
import ast
import hashlib
import importlib.util
from pathlib import Path

HERE = Path(__file__).parent
DEMOS = sorted(HERE.glob("[0-9][0-9]_*.py"))
PICTURES = HERE / "pictures"
MADE_FROM = PICTURES / "made_from.txt"

HEAD = """# The reading path

{count} short scripts, from the additive model to the LSTM and back to its equation. Each has one idea, told in its
comments, draws one picture (two of them also move) and takes seconds to run, the three that train a few more. Each
ends with an exercise: predict first, then change the line and run it again. Run one from the root of the repository:

```bash
python demos/{first}
```

It writes its picture into `demo_output/`; `--out FOLDER` chooses another folder. The letters in brackets (C9, D5, ...)
are the equations of the paper, as in the README of the project. This page is made by `python demos/make_readme.py`, its
pictures by `python demos/make_readme.py --pictures`. `simulate.toml` and `fhn.toml` are examples for
`ode2rnn simulate`; `fhn.py` is a system of one's own, for it and for `ode2rnn analyze`.
"""


def told(path: Path) -> tuple[str, str, str]:
    """The title, the text and the exercise of a demo."""
    source = path.read_text(encoding="utf-8")
    title, *text = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")
    exercise = " ".join(line.removeprefix("# ") for line in source[source.rindex("\n\n") :].split("\n") if line)
    return " ".join(title.split()), "\n\n".join(p for p in text if not p.startswith("Run:")), exercise


def code_of(path: Path) -> str:
    """A digest of what a demo does: its lines without its docstring and its comments."""
    source = path.read_text(encoding="utf-8")
    body = source.split('"""', 2)[2]
    lines = [line for line in body.split("\n") if line.strip() and not line.strip().startswith("#")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def digests() -> str:
    """One line a demo: its name, and the digest of the code that its picture is made from."""
    return "".join(f"{path.stem} {code_of(path)}\n" for path in DEMOS)


def page() -> str:
    """The text of README.md."""
    parts = [HEAD.format(count={12: "Twelve"}.get(len(DEMOS), len(DEMOS)), first=DEMOS[0].name)]
    for path in DEMOS:
        title, text, exercise = told(path)
        moving = (PICTURES / f"{path.stem}.gif").exists()
        picture = f"![{title.split(':')[0].split('.')[0]}](pictures/{path.stem}.{'gif' if moving else 'png'})"
        text = "\n".join(f"    {line.strip()}" if line.startswith("    ") else line for line in text.split("\n"))
        parts.append(f"## [{path.stem[:2]}]({path.name}) {title}\n\n{text}\n\n{picture}\n\n*{exercise}*\n")
    return "\n".join(parts)


def make_pictures() -> None:
    """Run every demo as it stands, into the folder of the pictures."""
    for path in DEMOS:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        print(f"== {path.name}")
        module.main(PICTURES)
    MADE_FROM.write_text(digests(), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", action="store_true", help="run the demos first, and keep their pictures")
    if parser.parse_args().pictures:
        make_pictures()
    (HERE / "README.md").write_text(page(), encoding="utf-8")

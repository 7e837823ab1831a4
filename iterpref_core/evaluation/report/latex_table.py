"""Write a table for a paper in LaTeX (booktabs, graphicx)."""

from collections.abc import Iterable, Sequence

_COMMANDS = str.maketrans(
    {mark: f"\\{mark}" for mark in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$"}
    | {"±": r"$\pm$", "−": "$-$", "–": "--", "→": r"$\to$"}
)


def latex_text(text: str) -> str:
    r"""Return a text with LaTeX's own characters, and with characters that a font may lack, as commands.

    >>> print(latex_text("target_rpo −2.1"))
    target\_rpo $-$2.1
    """
    return text.translate(_COMMANDS)


def latex_table(headings: Sequence[str], rows: Iterable[Sequence[str]], caption: str, notes: Iterable[str]) -> str:
    """Return a table in small type, which LaTeX shrinks to the width of the text if it is wider.

    Args:
        headings: the columns' names; the first column is of names, the others of numbers.
        rows: each row's cells, in LaTeX.
        caption: the text above it.
        notes: sentences below it.
    """
    lines = [" & ".join(cells) + r" \\" for cells in rows]
    return "\n".join(
        [
            r"\begin{table}  % \usepackage{booktabs,graphicx}",
            rf"\caption{{{latex_text(caption)}\label{{tab:scores}}}}",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            r"\sbox0{%",
            rf"\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}",
            r"\toprule",
            " & ".join(map(latex_text, headings)) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\ifdim\wd0>\columnwidth\resizebox{\columnwidth}{!}{\usebox0}\else\usebox0\fi",
            rf"\par\medskip\raggedright {latex_text(' '.join(notes))}",
            r"\end{table}",
            "",
        ]
    )

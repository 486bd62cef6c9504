"""Write the tables of figures in README.md and docs from the result files in docs/results.

    python scripts/make_tables.py            # write the tables
    python scripts/make_tables.py --check    # exit status 1 where a table is not up to date

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``. Its numbers come from one
place only, so that two pages cannot give two figures for one thing. A result file describes a
simple table itself, under "tables": the list of its rows, and a format for each column. Tables that
are computed are functions of this module.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from string import Formatter
from typing import Any

from fingerprinter.evaluation.metrics import Rate

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
MARKED = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def result(name: str) -> Any:
    """The content of one result file."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a cell may be empty."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def interval(hits: int, trials: int, digits: int = 0) -> str:
    low, high = Rate(hits, trials).interval
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f}"


def percent(hits: int, trials: int) -> str:
    return f"{100 * hits / trials:.1f} %"


def number(value: float | None, unit: str = "") -> str:
    """A number as it stands in the result file, or nothing where it was not measured."""
    return "" if value is None else f"{value:,}{unit}"


def condition_means() -> tuple[float, int, int, int]:
    """Mean of the conditions in percent, number of conditions, clips named, all clips."""
    rows = result("identification")["conditions"]
    mean = 100 * sum(row["named"] / row["clips"] for row in rows) / len(rows)
    return mean, len(rows), sum(row["named"] for row in rows), sum(row["clips"] for row in rows)


def identification_conditions() -> str:
    found = result("identification")
    rows = [
        [
            row["name"],
            f"{row['named']} of {row['clips']}",
            interval(row["named"], row["clips"]),
            number(found["targets_percent"].get(row["name"])),
            str(row["at_place"]),
            str(row["in_tune"]),
        ]
        for row in found["conditions"]
    ]
    header = ["condition", "named", "95 % interval, %", "target, %", "at place", "in tune"]
    return markdown(header, rows)


def identification_summary() -> str:
    found = result("identification")
    mean, conditions, named, clips = condition_means()
    return markdown(
        ["measure", "value"],
        [
            [f"mean recall of the {conditions} conditions", f"{mean:.1f} %"],
            [f"share of all {clips:,} clips that are named", percent(named, clips)],
            ["answers that are right", f"{found['right']:,} of {found['answers']:,}"],
        ],
    )


def identification_groups() -> str:
    """Recall of kinds of degradation, the counts of their conditions added up."""
    kinds = {
        "unchanged": r"clean-",
        "noise 5 to 10 dB below the music": r"ambience\+(5|10)dB-",
        "noise as loud as the music (0 dB)": r"ambience\+0dB-",
        "noise louder than the music (-5 dB)": r"ambience-5dB-",
        "synthetic rooms with noise at +5 dB": r"room",
        "voices as loud as the music": r"babble",
        "telephone, GSM, MP3 of 32 kbit/s": r"telephone|gsm|mp3",
        "speed, tempo or pitch changed": r"(speed|tempo|pitch)[^d]*-\d+s$",
        "the same with noise at +5 dB": r"(speed|tempo|pitch).*\+5dB",
        "two recordings at once, both named": r"mix",
    }
    rows = []
    for kind, pattern in kinds.items():
        chosen = [
            row for row in result("identification")["conditions"] if re.match(pattern, row["name"])
        ]
        named, clips = (sum(row[key] for row in chosen) for key in ("named", "clips"))
        rows.append(
            [kind, f"{named:,} of {clips:,}", percent(named, clips), interval(named, clips)]
        )
    return markdown(["clips", "named", "recall", "95 % interval, %"], rows)


def outside_music() -> str:
    found = result("outside-music")
    answered, clips = found["answered"], found["clips"]
    rate = f"{100 * answered / clips:.2f} %"
    return markdown(
        ["clips of other music", "answered", "rate", "95 % interval, %"],
        [[f"{clips:,}", str(answered), rate, interval(answered, clips, 2)]],
    )


def speed() -> str:
    found = result("speed")
    rows = [
        [
            f"`index`, {row['what']}",
            number(row["times_real_time"], " x real time") or number(row["elapsed_s"], " s"),
        ]
        for row in found["index"]
    ]
    rows += [
        [f"search for a 10 s clip, {row['what']}", number(row["median"], " ms")]
        for row in found["identify_ms"]
    ]
    rows += [
        [f"`similar`, {row['what']}", number(row["median"], " ms")] for row in found["similar_ms"]
    ]
    return markdown(["task", "measured"], rows)


def headline() -> str:
    """The short table of the README."""
    mean, conditions, *_ = condition_means()
    outside, sounds = result("outside-music"), result("outside-sounds")["kinds"]
    answered, rendered = (sum(kind[key] for kind in sounds) for key in ("answered", "clips"))
    default, compact = (row["file"] for row in result("storage")["profiles"])
    times = result("speed")
    ours = result("similarity")["systems"][-1]
    search = {row["what"]: row["median"] for row in times["identify_ms"]}
    changed = [search[what] for what in search if what.split()[0] in ("tempo", "speed", "pitch")]
    rows = [
        [
            "clips named, mean of "
            f"{conditions} conditions (noise, rooms, codecs, speed, pitch; 1 to 15 s)",
            f"{mean:.1f} %",
        ],
        [
            "clips of music outside the library that get an answer",
            f"{outside['answered']} of {outside['clips']:,}",
        ],
        ["tones, signals, speech and noise that get an answer", f"{answered} of {rendered:,}"],
        [
            "search for a 10 s clip: unchanged; speed, tempo or pitch changed",
            f"{search['unchanged clip']} ms; {min(changed)} to {max(changed)} ms",
        ],
        [
            "`index` with embeddings, two cores",
            f"{times['index'][0]['times_real_time']} x real time",
        ],
        [
            "SQLite file without embeddings, an hour of music: default; compact profile",
            f"{default} MB; {compact} MB",
        ],
        [
            "`similar`: other half of a track found first (artists not trained on)",
            f"{ours['half_first']} %",
        ],
    ]
    return markdown(["measure", "value"], rows)


def versions() -> str:
    found = result("versions")
    precision = found["average_precision"]
    low, high = precision["interval"]
    rows = [["mean average precision", f"{precision['mean']:.3f}", f"{low:.2f} to {high:.2f}"]]
    names = {
        "first": "first result is a version",
        "found": "versions that are listed",
        "wrong": "listed tracks that are no version",
        "answered": "tracks without a version that get an answer",
    }
    rows += [
        [
            f"{title} ({found[key]['count']} of {found[key]['total']})",
            percent(found[key]["count"], found[key]["total"]),
            f"{interval(found[key]['count'], found[key]['total'])} %",
        ]
        for key, title in names.items()
    ]
    return markdown(["measure", "value", "95 % interval"], rows)


def templated() -> dict[str, Callable[[], str]]:
    """The tables that a result file describes itself: a format of each column for the rows."""
    return {
        name: partial(from_template, path.stem, name)
        for path in sorted(RESULTS.glob("*.json"))
        for name in result(path.stem).get("tables", ())
    }


def from_template(file: str, name: str) -> str:
    """A table with one row for each entry of a list of the result file."""
    found = result(file)
    table = found["tables"][name]
    rows = [
        [filled_in(text, row) for text in table["columns"].values()] for row in found[table["rows"]]
    ]
    return markdown(list(table["columns"]), rows)


def filled_in(text: str, row: dict[str, Any]) -> str:
    """The text with the values of the row, or nothing where one was not measured."""
    names = [name.partition("[")[0] for _, name, *_ in Formatter().parse(text) if name]
    return "" if any(row[name] is None for name in names) else text.format(**row)


TABLES: dict[str, Callable[[], str]] = {
    "headline": headline,
    "identification-conditions": identification_conditions,
    "identification-summary": identification_summary,
    "identification-groups": identification_groups,
    "outside-music": outside_music,
    "speed": speed,
    "versions": versions,
    **templated(),
}


def pages() -> Iterator[Path]:
    """The Markdown files that may hold tables."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


def filled(text: str) -> str:
    """The text with every marked table written again."""
    return MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


def stale() -> dict[Path, str]:
    """The pages whose tables differ from the results, with the text that they should have."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    return {page: filled(text) for page, text in texts.items() if filled(text) != text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, report stale pages")
    check = parser.parse_args().check
    wrong = stale()
    for page, text in wrong.items():
        print(f"{page.relative_to(ROOT)}: {'tables are not up to date' if check else 'written'}")
        if not check:
            page.write_text(text, encoding="utf-8", newline="\n")
    sys.exit(bool(check and wrong))


if __name__ == "__main__":
    main()

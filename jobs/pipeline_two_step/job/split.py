"""Split the data into rows to train on and rows to test on, each class in its proportion; the same seed gives the same rows.

python split.py --data work/data --train work/train --test work/test
"""

from __future__ import annotations

from pathlib import Path

from utils import config, step, table


def main(argv: list[str]) -> None:
    parser = step.parser(__file__, __doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder from ingest.py")
    parser.add_argument("--train", type=Path, required=True, help="the folder for the rows to train on")
    parser.add_argument("--test", type=Path, required=True, help="the folder for the rows to test on")
    arguments = parser.parse_args(argv)
    settings = config.read(arguments.config)
    target, size = settings.data.target.name, settings.split.test_size
    rows = table.whole(arguments.data, numbers=settings.data.named("number"))

    test = rows.groupby(target).sample(frac=size, random_state=settings.seed)
    train = rows.drop(test.index)
    counts = [rows[target].value_counts(), train[target].value_counts(), test[target].value_counts()]
    short = [
        f"{name}: {' rows, '.join(str(count.get(name, 0)) for count in counts)}"
        for name in counts[0].index
        if not all(count.get(name, 0) for count in counts)
    ]
    if short or len(counts[0]) < 2:
        raise step.Refused(
            f"split.test_size = {size} leaves a class without rows on a side (all rows, to train, to test): {'; '.join(short)}. "
            "Give more rows of it, or another test_size."
            if short
            else f"every row has the {target} '{rows[target].iloc[0]}'. A classifier needs two classes or more to tell apart."
        )
    for folder, part in ((arguments.train, train), (arguments.test, test.sort_index())):
        folder.mkdir(parents=True, exist_ok=True)
        part.to_csv(folder / table.NAME, index=False, lineterminator="\n")
    for name in counts[0].index:
        print(f"{name}: {counts[1][name]} rows to train, {counts[2][name]} to test")


if __name__ == "__main__":
    step.run(main)

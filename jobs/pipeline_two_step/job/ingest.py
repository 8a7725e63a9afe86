"""Take the data in: check it against cfg/train_config.yaml, and hand it on unchanged, or say all that is wrong with it.

    python ingest.py --input-data iris_dataset.csv --data work/data --report work/report

The report is written in either case: rows, ranges, classes, the data's SHA-256, and the problems. With problems the exit code is 1
and there is no data.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from utils import config, schema, step, table


def main(argv: list[str]) -> None:
    parser = step.parser(__file__, __doc__)
    parser.add_argument("--input-data", type=Path, required=True, help="a CSV file, or a folder of them")
    parser.add_argument("--data", type=Path, required=True, help="the folder to hand it on in")
    parser.add_argument("--report", type=Path, required=True, help="the folder for report.json")
    parser.add_argument("--labels", choices=["required", "optional"], default="required", help="the target column")
    arguments = parser.parse_args(argv)
    settings = config.read(arguments.config)
    files = table.files(arguments.input_data)

    check = schema.Check(settings.data, labels=arguments.labels == "required")
    for file in files:
        check.add(file)
    report = check.report(files)
    step.write_json(arguments.report / step.REPORT, report)
    if check.problems:
        found = "\n".join(schema.lines(check.problems))
        raise step.Refused(
            f"{arguments.input_data} is not data of {arguments.config.name}:\n\n{found}\n\nCorrect the data, or the rules there."
        )
    arguments.data.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, arguments.data / (file.name if file.suffix.lower() == ".csv" else table.NAME))
    print(f"{check.rows} rows, sha256 {report['sha256']}")
    for name, values in report["ranges"].items():
        print(f"{name}: {values['minimum']:g} to {values['maximum']:g}")
    for name, count in report["classes"].items():
        print(f"{settings.data.target.name} {name}: {count} rows")
    if report["ignored"]:
        print(f"columns that are not used: {', '.join(report['ignored'])}")


if __name__ == "__main__":
    step.run(main)

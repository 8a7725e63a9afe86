"""The four scripts by kfp's local runner, a process a step."""

import script
from kfp import dsl, local


@dsl.component(install_kfp_package=False)
def step(index: int):  # its source is all that kfp takes along
    import script

    script.run(index)


@dsl.pipeline
def pipeline():
    before = step(index=0)
    for index in (1, 2, 3):
        before = step(index=index).after(before)


local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root="kfp")
with script.timed():
    pipeline()

"""The four scripts by Metaflow, a process a step: ``python with_metaflow.py run``."""

import script
from metaflow import FlowSpec, step


class Pipeline(FlowSpec):
    @step
    def start(self):
        script.run(0)
        self.next(self.split)

    @step
    def split(self):
        script.run(1)
        self.next(self.train)

    @step
    def train(self):
        script.run(2)
        self.next(self.end)

    @step
    def end(self):
        script.run(3)


if __name__ == "__main__":
    with script.timed():
        Pipeline()

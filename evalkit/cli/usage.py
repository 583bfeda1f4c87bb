"""What `evalkit run --help` says: the choices, the main settings, the flags, the exit codes."""

from __future__ import annotations

from textwrap import fill

from evalkit.cli.list import choices

GROUPS = ("task", "dataset", "retrieval", "prompt", "model", "metrics", "cache", "executor", "experiment")

TEXT = """usage: evalkit run [GROUP=CHOICE …] [SETTING=VALUE …] [FLAG]

Evaluates a model on a task, prints the score table and writes a versioned report. With no setting: the
embedded model on the sentiment task, without a key.

choices (evalkit list says what each one is; your own ./configs/<group>/ comes first):
{choices}

settings (evalkit run --cfg job shows all of them with their values):
  dataset.path=FILE  dataset.limit=N  dataset.input.NAME=COLUMN  dataset.target=COLUMN  dataset.id=COLUMN
  dataset.where=FILTER  dataset.shuffle=SEED  dataset.split=NAME  fewshot.k=N  fewshot.path=FILE
  prompt.system=TEXT  prompt.template=TEXT  prompt.file=FILE
  model.name=NAME  model.base_url=URL  model.params.temperature=0.7  model.params.max_tokens=64
  model.path=FILE  model.output=COLUMN        with model=recorded: score what another system wrote
  metrics=[bleu,chrf]  metrics.bleu.tokenize=zh  slices=[COLUMN]
  trials=N  seed=N  cache.path=FILE  executor.concurrency=N  max_failed=SHARE  results_dir=FOLDER
  budget.usd=X  budget.tokens=N               what the run may spend (evalkit plan says what it would)

flags:
  -m, --multirun       run every combination of comma-separated values, then print one table
  --cfg job            print the composed settings and do nothing else
  --info [searchpath]  where settings come from
  -cd, --config-dir FOLDER
                       one more folder of configs
  --from-report RUN    run a report's settings again (its config); overrides change single ones
  -h, --help           this text

A value with commas, =, ~, #, brackets or non-ASCII text needs quotes inside the shell's quotes:
  evalkit run 'prompt.system="Be brief, please."'

examples:
  evalkit run
  evalkit run task=summarization model=gpt-4o dataset.limit=20
  evalkit run model=openai model.base_url=http://127.0.0.1:8000/v1 model.name=my-model
  evalkit run dataset=jsonl dataset.path=mine.jsonl dataset.input.text=review dataset.target=label
  evalkit run -m task=sentiment,qa model=gpt-4o,gpt-4.1 model.params.temperature=0,0.7

exit codes: 0 done, 2 a mistake in a setting or a file, 5 more samples failed than max_failed allows or the
run had to stop, 70 a bug, 130 interrupted (answers are kept, the same command goes on). A sweep has that of
its worst job.
"""


def text() -> str:
    """Return the help text."""
    lines = []
    for group in GROUPS:
        names = [one.name for one in choices(group)]
        if names:
            lines.append(
                fill(
                    ", ".join(names), 105, initial_indent=f"  {group}=".ljust(15), subsequent_indent=" " * 15
                )
            )
    return TEXT.format(choices="\n".join(lines))

"""An evaluation over the console's columns: who is asked, who judges, and what that may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from hf_ledger.analytics.current_prices import price_of
from hf_ledger.dashboard.console.asking import (
    Bench,
    answer_of,
    asked_name,
    same_but_parameters,
    waited,
)
from hf_ledger.dashboard.console.column import Column, Question, Run
from hf_ledger.dashboard.console.pricing import (
    Estimate,
    Together,
    before,
    limit_of,
    priced,
    routes_of,
    together,
    unpriceable,
)
from hf_ledger.ingest.doors.evaluation import verdicts
from hf_ledger.ingest.doors.evaluation.comparing import Paired, compared, judged_by
from hf_ledger.ingest.doors.evaluation.evidence import line_of
from hf_ledger.ingest.doors.evaluation.running import Answer, Evaluation
from hf_ledger.ingest.doors.evaluation.sets import Item
from hf_ledger.ingest.doors.gateway.limits.pricing import Rates, rates_of
from hf_ledger.ingest.doors.replays.answers import question_of
from hf_ledger.ingest.doors.replays.judges import LLM
from hf_ledger.ingest.doors.replays.preference import MOST_TOKENS, prompt_of
from hf_ledger.ingest.doors.router.wanted import CHAT
from hf_ledger.ingest.wire.estimate import TOKENS_PER_MESSAGE, tokens_of


@dataclass(frozen=True)
class Contest:
    """What is run over a set: the columns as they were, and how their answers are compared."""

    bench: Bench
    columns: tuple[Column, ...]
    judge: str  # of `METHODS`
    judge_column: Column | None = None  # who is asked, where a model judges

    def evaluation(self, items: Sequence[Item]) -> Evaluation:
        return Evaluation(items, len(self.columns), self.ask, self.compare, self.keep)

    # -- called in threads of the evaluation -------------------------------------------------------

    def ask(self, column: int, item: Item) -> Answer | None:
        question = self.bench.question(item.inputs)
        run = Run(column=self.columns[column], question=question, purpose="evaluation")
        return answer_of(waited(self.bench.engine, self.bench.session, run))

    def compare(self, item: Item, first: Answer, second: Answer) -> Paired | None:
        one, other = first.text or "", second.text or ""
        if self.judge == LLM:
            return self.judged(asked_text(item), one, other)
        return compared(self.judge, item.expected, one, other)

    def judged(self, question: str, one: str, other: str) -> Paired | None:
        """By the judge model; None where a call of it was taken back."""
        assert self.judge_column is not None
        runs: list[Run] = []

        def asked(prompt: str) -> tuple[str | None, Decimal | None]:
            runs.append(self.judge_run(prompt))
            answer = answer_of(waited(self.bench.engine, self.bench.session, runs[-1]))
            return (answer.text, answer.cost) if answer is not None else (None, None)

        name = asked_name(Run(column=self.judge_column, question=self.bench.question({})))
        paired = judged_by(question, one, other, asked, name)
        return None if any(run.state == "stopped" for run in runs) else paired

    def judge_run(self, prompt: str) -> Run:
        assert self.judge_column is not None
        messages = [{"role": "user", "content": prompt}]
        question = Question(task=CHAT, inputs={"messages": messages}, team=self.bench.team)
        return Run(column=self.judge_column, question=question, purpose="judge")

    def keep(self, column: int, first: Answer, second: Answer, paired: Paired) -> None:
        """The verdict as evidence, unless both columns ask the same model in two ways."""
        if same_but_parameters(self.columns[0], self.columns[column]):
            return
        line = line_of(first, second, paired, "evaluation")
        if line is not None:
            verdicts.keep([line], self.bench.places)


def judge_column(target: str, model: str) -> Column:
    """A judge is asked without chance, and has room to think before its one word."""
    return Column(
        target=target, model=model, parameters={"max_tokens": MOST_TOKENS, "temperature": 0}
    )


def asked_text(item: Item) -> str:
    """A row's question as one text, as a judge reads it."""
    if "messages" in item.inputs:
        return question_of(dict(item.inputs))
    return "\n".join(f"{name}: {value}" for name, value in item.inputs.items())


# -- before it is started --------------------------------------------------------------------------


def price_of_columns(contest: Contest, items: Sequence[Item]) -> Together:
    """Each row in each column."""
    return together([each for column in contest.columns for each in asking(contest, column, items)])


def asking(contest: Contest, column: Column, items: Sequence[Item]) -> list[Estimate]:
    bench = contest.bench
    listed, kind = routes_of(column, bench.listed), bench.kind_of(column.target)
    return [before(column, bench.question(item.inputs), listed, kind) for item in items]


def price_of_judging(contest: Contest, items: Sequence[Item]) -> Together:
    """Two calls of the judge for each row and column but the first; the answers at their limits."""
    judge, bench = contest.judge_column, contest.bench
    if judge is None:
        return together([])
    question = Question(task=CHAT, inputs={})
    rates = [rates_of(price_of(row)) for row in routes_of(judge, bench.listed)]
    if unpriceable(judge, question, bench.kind_of(judge.target)):
        rates = []
    reads = [tokens_of([prompt_of(asked_text(item), "", "")]) for item in items]
    limits = [limit_of(column) for column in contest.columns]
    each = [judging(rates, read, (limits[0], limit)) for limit in limits[1:] for read in reads]
    return together([*each, *each])


def judging(rates: Sequence[Rates], read: int, limits: Sequence[int | None]) -> Estimate:
    """One call of the judge; how many tokens of its own the answers are nobody can bound."""
    known = [limit for limit in limits if limit is not None]
    if not rates or len(known) < len(limits):
        return Estimate()
    tokens = read + TOKENS_PER_MESSAGE + sum(known)
    told = Estimate(input_tokens=tokens, output_tokens=MOST_TOKENS, routes=len(rates))
    return replace(priced(told, rates, tokens), most=None)

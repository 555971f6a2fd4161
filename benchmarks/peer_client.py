"""One way of recording calls in a process of its own, in the peers' environment.

    python -m benchmarks.peer_client VARIANT UPSTREAM SINK

Each line on standard input, `{"stream": …, "calls": …}`, makes so many calls with the openai client
and is answered by one line: microseconds of each call, and of CPU of the whole process for all.
With `"pairs"` instead of `"calls"`, recording is switched on and off call by call; the answer is
what it added, wall and CPU.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
PROMPT = "lorem ipsum dolor " * 57  # 1 kB
USD_PER_TOKEN = {"input_cost_per_token": 2e-8, "output_cost_per_token": 5e-8}

#: No peer may call home from a benchmark.
QUIET = {
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LANGFUSE_TELEMETRY": "false",
    "OPENLIT_DISABLE_TELEMETRY": "true",
}


class Way:
    """How calls are made and recorded; `kept` says how many records with a cost were seen here."""

    def __init__(self, upstream: str, sink: str) -> None:
        self.upstream, self.sink = upstream, sink
        self.kept: int | None = None
        self.begin()

    def begin(self) -> None:
        self.create = self.openai()

    def openai(self) -> Callable[..., Any]:
        from openai import OpenAI

        client = OpenAI(base_url=f"http://{self.upstream}/v1", api_key="none", max_retries=0)
        return client.chat.completions.create

    def call(self, *, stream: bool) -> None:
        reply = self.create(
            model=MODEL, messages=[{"role": "user", "content": PROMPT}], stream=stream
        )
        if stream:
            for _ in reply:
                pass

    def flush(self) -> None:
        """Have what waits in the background written or sent."""


class HfLedger(Way):
    def begin(self) -> None:
        os.environ["HF_LEDGER_DIR"] = tempfile.mkdtemp()
        import hf_ledger

        hf_ledger.record(app="bench", hosts=[f"{self.upstream}=router"])
        super().begin()

    def flush(self) -> None:
        time.sleep(0.25)  # its background thread has come round
        spool = Path(os.environ["HF_LEDGER_DIR"]) / "spool"
        self.kept = sum(path.read_bytes().count(b'"kind":"call"') for path in spool.iterdir())


class OpenTelemetry(Way):
    def begin(self) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.provider = TracerProvider()
        exporter = OTLPSpanExporter(endpoint=f"http://{self.sink}/v1/traces")
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        OpenAIInstrumentor().instrument(tracer_provider=self.provider)
        super().begin()

    def flush(self) -> None:
        self.provider.force_flush()


class Langfuse(Way):
    def openai(self) -> Callable[..., Any]:
        os.environ |= {
            "LANGFUSE_PUBLIC_KEY": "pk-lf-bench",
            "LANGFUSE_SECRET_KEY": "sk-lf-bench",
            "LANGFUSE_HOST": f"http://{self.sink}",
            "LANGFUSE_BASE_URL": f"http://{self.sink}",
        }
        from langfuse.openai import OpenAI

        client = OpenAI(base_url=f"http://{self.upstream}/v1", api_key="none", max_retries=0)
        return client.chat.completions.create

    def flush(self) -> None:
        from langfuse import get_client

        get_client().flush()


class OpenLit(Way):
    def begin(self) -> None:
        import openlit

        prices = Path(tempfile.mkdtemp()) / "prices.json"
        prices.write_text(
            json.dumps({"chat": {MODEL: {"promptPrice": 2e-5, "completionPrice": 5e-5}}})
        )
        openlit.init(
            otlp_endpoint=f"http://{self.sink}",
            pricing_json=str(prices),
            capture_message_content=False,
        )
        super().begin()

    def flush(self) -> None:
        from opentelemetry import trace

        trace.get_tracer_provider().force_flush()


class LiteLlm(Way):
    def begin(self) -> None:
        import litellm

        litellm.register_model(
            {MODEL: {"litellm_provider": "openai", "mode": "chat", **USD_PER_TOKEN}}
        )
        self.kept = 0
        litellm.success_callback = [self.priced]
        self.create = litellm.completion

    def priced(self, details: dict[str, Any], *_: Any) -> None:
        self.kept = (self.kept or 0) + bool(details.get("response_cost"))

    def call(self, *, stream: bool) -> None:
        reply = self.create(
            model=f"openai/{MODEL}",
            messages=[{"role": "user", "content": PROMPT}],
            api_base=f"http://{self.upstream}/v1",
            api_key="none",
            stream=stream,
            num_retries=0,
        )
        if stream:
            for _ in reply:
                pass

    def flush(self) -> None:
        time.sleep(0.25)  # callbacks run in a pool of threads


WAYS: dict[str, type[Way]] = {
    "bare": Way,
    "bare again": Way,
    "hf-ledger": HfLedger,
    "OpenTelemetry GenAI": OpenTelemetry,
    "Langfuse": Langfuse,
    "OpenLIT": OpenLit,
    "LiteLLM with cost callback": LiteLlm,
}


def measured(way: Way, *, stream: bool, calls: int) -> dict[str, Any]:
    """Wall time of each call in the calling thread, and all CPU until nothing waits any more."""
    taken = []
    cpu_begun = time.process_time_ns()
    for _ in range(calls):
        begun = time.perf_counter_ns()
        way.call(stream=stream)
        taken.append((time.perf_counter_ns() - begun) / 1000)
    way.flush()
    used = (time.process_time_ns() - cpu_begun) / 1000
    return {"wall": taken, "cpu": used, "kept": way.kept}


def paired(way: Way, *, stream: bool, pairs: int) -> dict[str, Any]:
    import httpx

    from benchmarks.recording import compared

    wall, cpu = compared(httpx.Client, lambda: way.call(stream=stream), pairs, warm_up=4)
    return {"wall": wall.added(), "cpu": cpu.added()}


def answer(way: Way, asked: dict[str, Any]) -> dict[str, Any]:
    if "pairs" in asked:
        return paired(way, **asked)
    return measured(way, **asked)


def main() -> None:
    os.environ |= QUIET
    answers, sys.stdout = sys.stdout, sys.stderr  # some peers print
    way = WAYS[sys.argv[1]](*sys.argv[2:4])
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(way, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()

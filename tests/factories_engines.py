"""Loopback servers that answer as inference engines do: vLLM, TGI, TEI, llama.cpp, transformers.

Shapes follow the engines' public documentation and code; text, ids and figures are made up. What an
engine refuses is asked for by the words of the request: "too long", "overloaded", "loading", …
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Json = dict[str, Any]
ANSWER = ("All", " is", " well", ".")
INPUT_TOKENS, OUTPUT_TOKENS = 11, len(ANSWER)
USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
}


class Reply(NamedTuple):
    """`body` is JSON, or a list of events of a stream, of which text is sent as it is."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = {}
    stream: bool = False


Answers = Callable[[str, Json], Reply]


@dataclass
class Engine:
    """What listens: `gets` by path, `post` answers the rest; `asked` keeps what came."""

    name: str
    model: str
    gets: dict[str, Any]
    post: Answers
    port: int = 0
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, token
    bodies: list[Json] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


def words(body: Json) -> str:
    """All that a request says, for its wishes."""
    return json.dumps(body)


def chat_reply(model: str, **more: Any) -> Json:
    message = {"role": "assistant", "content": "".join(ANSWER)}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1790000000,
        "model": model,
        "choices": [choice],
        "usage": USAGE,
        **more,
    }


def chunk(model: str, delta: Json | None, finish: str | None = None, **more: Any) -> Json:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    said = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1790000000}
    return {**said, "model": model, "choices": choices, **more}


def chunks(model: str) -> list[Any]:
    """The events that all share: who speaks, then the text."""
    return [
        chunk(model, {"role": "assistant", "content": ""}),
        *(chunk(model, {"content": word}) for word in ANSWER),
    ]


def wants_usage(body: Json) -> bool:
    return bool((body.get("stream_options") or {}).get("include_usage"))


def refused(body: Json, answers: Mapping[str, Reply]) -> Reply | None:
    """The refusal that the request's words ask for."""
    said = words(body)
    return next((reply for wish, reply in answers.items() if wish in said), None)


# vLLM


def vllm(
    model: str = "Qwen/Qwen3-4B", *, length: int = 40_960, further: Json | None = None
) -> Engine:
    card: Json = {
        "id": model,
        "object": "model",
        "created": 1790000000,
        "owned_by": "vllm",
        "root": model,
        "parent": None,
        "max_model_len": length,
        "permission": [{"id": "modelperm-1", "object": "model_permission", "allow_view": True}],
    }
    adapters = [further] if further else []
    gets = {"/v1/models": {"object": "list", "data": [card, *adapters]}, "/version": {}}
    return Engine("vllm", model, gets, lambda path, body: vllm_post(path, body, length))


def vllm_error(message: str, kind: str, status: int, param: str | None = None) -> Reply:
    return Reply(
        {"error": {"message": message, "type": kind, "param": param, "code": status}}, status
    )


def vllm_post(path: str, body: Json, length: int) -> Reply:
    model = body.get("model", "")
    too_long = (
        f"This model's maximum context length is {length} tokens. However, your request has "
        f"{length + 1} input tokens. Please reduce the length of the input messages."
    )
    wishes = {
        "too long": vllm_error(too_long, "BadRequestError", 400, "input_tokens"),
        "no such": vllm_error(
            f"The model `{model}` does not exist.", "NotFoundError", 404, "model"
        ),
    }
    if path != "/v1/chat/completions":
        return Reply({"detail": "Not Found"}, 404)
    if not body.get("stream"):
        return refused(body, wishes) or Reply(chat_reply(model, prompt_logprobs=None))
    last = chunk(model, {"content": ""}, "stop")
    usage = [chunk(model, None, usage=USAGE)] if wants_usage(body) else []
    return refused(body, wishes) or Reply([*chunks(model), last, *usage, "[DONE]"], stream=True)


# Text Generation Inference


def tgi(model: str = "HuggingFaceH4/zephyr-7b-beta", *, total: int = 4096) -> Engine:
    info = {
        "model_id": model,
        "model_sha": "e985a63cdc139290c5f700ff1929f0b5942cced2",
        "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": 128,
        "max_best_of": 2,
        "max_stop_sequences": 4,
        "max_input_tokens": total - 1,
        "max_total_tokens": total,
        "validation_workers": 2,
        "max_client_batch_size": 4,
        "router": "text-generation-router",
        "version": "3.3.4",
        "sha": None,
        "docker_label": None,
    }
    card = {"id": model, "object": "model", "created": 0, "owned_by": model}
    gets = {"/info": info, "/v1/models": {"object": "list", "data": [card]}}
    return Engine("tgi", model, gets, lambda path, body: tgi_post(path, body, model))


def tgi_error(message: str, kind: str, status: int) -> Reply:
    return Reply({"error": message, "error_type": kind}, status)


TGI_REFUSALS = {
    "too long": tgi_error(
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096.",
        "validation",
        422,
    ),
    "overloaded": tgi_error("Model is overloaded", "overloaded", 429),
    "broken": tgi_error("Request failed during generation: CANCELLED", "generation", 424),
}
TGI_HEADERS = {
    "x-compute-type": "1-nvidia-a10g",
    "x-compute-time": "0.484567121",
    "x-compute-characters": "44",
    "x-total-time": "484",
    "x-prompt-tokens": str(INPUT_TOKENS),
    "x-generated-tokens": str(OUTPUT_TOKENS),
}


def tgi_post(path: str, body: Json, model: str) -> Reply:
    if reply := refused(body, TGI_REFUSALS):
        return reply
    if path == "/v1/chat/completions" and body.get("stream"):
        last = chunk(model, {"role": "assistant", "content": ""}, "stop")
        usage = [chunk(model, None, usage=USAGE)] if wants_usage(body) else []
        return Reply([*chunks(model), last, *usage, "[DONE]"], stream=True)
    if path == "/v1/chat/completions":
        return Reply(chat_reply(model, system_fingerprint="3.3.4"), headers=TGI_HEADERS)
    if path in ("/", "/generate") and not body.get("stream"):
        details = {"finish_reason": "eos_token", "generated_tokens": OUTPUT_TOKENS, "seed": None}
        said = {
            "generated_text": "".join(ANSWER),
            "details": {**details, "prefill": [], "tokens": []},
        }
        return Reply([said] if path == "/" else said, headers=TGI_HEADERS)
    return Reply({"error": "not found"}, 404)


# Text Embeddings Inference

TEI_HEADERS = {
    "x-compute-type": "gpu+optimized",
    "x-compute-time": "7",
    "x-compute-characters": "44",
    "x-compute-tokens": str(INPUT_TOKENS),
    "x-total-time": "7",
    "x-tokenization-time": "1",
    "x-queue-time": "1",
    "x-inference-time": "5",
}
TEI_KINDS: dict[str, Json] = {
    "embedding": {"pooling": "mean"},
    "reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}},
    "classifier": {"id2label": {"0": "NEG", "1": "POS"}, "label2id": {"NEG": 0, "POS": 1}},
}


def tei(model: str = "BAAI/bge-small-en-v1.5", *, kind: str = "embedding") -> Engine:
    info = {
        "model_id": model,
        "model_sha": "fca14538aa9956a46526bd1d0d11d69e19b5a101",
        "model_dtype": "float16",
        "model_type": {kind: TEI_KINDS.get(kind, {"odd": 1})},
        "max_concurrent_requests": 512,
        "max_input_length": 512,
        "max_batch_tokens": 16384,
        "max_batch_requests": None,
        "max_client_batch_size": 32,
        "auto_truncate": False,
        "tokenization_workers": 2,
        "version": "1.8.2",
        "sha": None,
        "docker_label": None,
    }
    return Engine("tei", model, {"/info": info}, lambda path, body: tei_post(path, body, model))


TEI_REFUSALS = {
    "too long": tgi_error(
        "Input validation error: `inputs` must have less than 512 tokens.", "Validation", 413
    ),
    "overloaded": tgi_error("Model is overloaded", "Overloaded", 429),
    "broken": tgi_error("Backend error", "Backend", 424),
}


def tei_post(path: str, body: Json, model: str) -> Reply:
    if reply := refused(body, TEI_REFUSALS):
        return reply
    vector = [0.25, -0.5, 0.75]
    usage = {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS}
    data = [{"object": "embedding", "embedding": vector, "index": 0}]
    openai = {"object": "list", "data": data, "model": model, "usage": usage}
    answers: dict[str, Any] = {
        "/": [vector],
        "/embed": [vector],
        "/v1/embeddings": openai,
        "/rerank": [{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}],
        "/predict": [{"score": 0.9, "label": "POS"}, {"score": 0.1, "label": "NEG"}],
    }
    if path not in answers:
        return Reply({"error": "not found"}, 404)
    return Reply(answers[path], headers=TEI_HEADERS)


# llama.cpp


def llama(
    model: str = "Qwen3-0.6B-Q8_0.gguf", *, slot: int | None = 8192, loading: bool = False
) -> Engine:
    meta = {"vocab_type": 2, "n_vocab": 151_936, "n_ctx_train": 40_960, "n_embd": 1024}
    card = {
        "id": model,
        "aliases": [model],
        "object": "model",
        "created": 1790000000,
        "owned_by": "llamacpp",
        "meta": {**meta, "n_params": 596_049_920, "size": 633_495_552},
    }
    listed = {"name": model, "model": model, "type": "model", "capabilities": ["completion"]}
    props = {
        "default_generation_settings": {"id": 0, "n_ctx": slot, "params": {"n_predict": -1}},
        "total_slots": 4,
        "model_path": f"/home/marker-user/{model}",
        "chat_template": "{{ marker }}",
        "build_info": "b6000-0000000",
    }
    gets: dict[str, Any] = {
        "/v1/models": {"models": [listed], "object": "list", "data": [card]},
        "/props": props if slot else Reply({"error": {"code": 501}}, 501),
        "/health": {"status": "ok"},
    }
    wait = Reply(LOADING, 503)
    return Engine(
        "llama.cpp",
        model,
        dict.fromkeys(gets, wait) if loading else gets,
        lambda path, body: wait if loading else llama_post(path, body, model),
    )


LOADING = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
TIMINGS = {
    "cache_n": 0,
    "prompt_n": INPUT_TOKENS,
    "prompt_ms": 30.958,
    "prompt_per_token_ms": 2.8,
    "prompt_per_second": 355.3,
    "predicted_n": OUTPUT_TOKENS,
    "predicted_ms": 61.064,
    "predicted_per_token_ms": 15.2,
    "predicted_per_second": 65.5,
}


def llama_post(path: str, body: Json, model: str) -> Reply:
    over = {
        "code": 400,
        "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 9000,
        "n_ctx": 8192,
    }
    wishes = {"too long": Reply({"error": over}, 400), "loading": Reply(LOADING, 503)}
    if path != "/v1/chat/completions":
        return Reply({"error": {"code": 404, "message": "File Not Found"}}, 404)
    if reply := refused(body, wishes):
        return reply
    more: Json = {"system_fingerprint": "b6000-0000000", "timings": TIMINGS}
    if not body.get("stream"):
        return Reply(chat_reply(model, **more))
    usage = {"usage": USAGE} if wants_usage(body) else {}
    last = chunk(model, {}, "stop", timings=TIMINGS)
    ends = [last, chunk(model, None, timings=TIMINGS, **usage)] if usage else [last]
    return Reply([*chunks(model), *ends, "[DONE]"], stream=True)


# transformers serve


def transformers(*models: str) -> Engine:
    names = models or ("Qwen/Qwen2.5-0.5B-Instruct",)
    cards = [
        {"owned_by": each.split("/")[0], "id": each, "object": "model", "created": 1790000000}
        for each in names
    ]
    gets = {"/v1/models": {"object": "list", "data": cards}, "/health": {"status": "ok"}}
    return Engine("transformers", names[0], gets, transformers_post)


def transformers_post(path: str, body: Json) -> Reply:
    model = body.get("model", "")
    wishes = {
        "unknown field": Reply({"detail": "Unexpected keys in the request: {'mirostat'}"}, 422),
        "broken": Reply(b"Internal Server Error", 500),
    }
    if path != "/v1/chat/completions":
        return Reply({"detail": "Not Found"}, 404)
    if reply := refused(body, wishes):
        return reply
    named = f"{model}@main"
    if not body.get("stream"):
        return Reply(chat_reply(named))
    # The usage stands in the last event with a choice, and nothing marks the end.
    last = chunk(named, {}, "stop", usage=USAGE, system_fingerprint="")
    return Reply([*chunks(named), last], stream=True)


@contextmanager
def serving(engine: Engine) -> Iterator[Engine]:
    """Serve on a free loopback port until the test is over."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._note()
            found = engine.gets.get(self.path, Reply({"detail": "Not Found"}, 404))
            self._send(found if isinstance(found, Reply) else Reply(found))

        def do_POST(self) -> None:
            self._note()
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
            engine.bodies.append(body)
            self._send(engine.post(self.path, body))

        def _note(self) -> None:
            engine.asked.append((self.command, self.path, self.headers.get("authorization")))

        def _send(self, reply: Reply) -> None:
            body = events(reply.body) if reply.stream else content(reply.body)
            kind = "text/event-stream" if reply.stream else "application/json"
            self.send_response(reply.status)
            for name, value in {"content-type": kind, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    engine.port = server.server_address[1]
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()


def content(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def events(said: list[Any]) -> bytes:
    lines = (each if isinstance(each, str) else json.dumps(each) for each in said)
    return "".join(f"data: {line}\n\n" for line in lines).encode()

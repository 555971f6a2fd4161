"""The practice server's routes: the router, its providers, hf-inference, a TGI-like endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from hf_ledger.practice import answers, dialects, endpoints, media, models, pipelines, queues
from hf_ledger.practice.asking import Asked, base_headers, reply, reply_json, stream
from hf_ledger.practice.delivery import Never
from hf_ledger.practice.mishaps import OWNER, failure_of, written

FLAKY_REMEMBERED = 10_000

PAGE = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{answers.TITLE}</title>
<body style="font-family:sans-serif;max-width:40em;margin:3em auto">
<h1>{answers.TITLE}</h1>
<p>This server speaks Hugging Face's wire format on loopback and answers without a model, a token
or a network. Point a client here: <code>base_url="http://127.0.0.1:PORT/v1"</code>.</p>
<p>Ask for trouble with the header <code>x-practice: 402</code> or the model
<code>{OWNER}402</code>: any status, <code>slow=1</code>, <code>cut</code>, <code>hang</code>,
<code>error-in-stream</code>, <code>loading</code>, <code>flaky</code>.</p></body></html>"""


async def chat(asked: Asked) -> Response:
    """Chat by the router, one provider's route, or hf-inference by model path."""
    wanted, _, suffix = asked.model.partition(":")
    if asked.hf_inference:
        provider = models.HF_INFERENCE
    else:
        provider = asked.provider or models.choose_provider(wanted, suffix or None)
    model = wanted if asked.provider else models.provider_id(provider, wanted)
    answered = answers.chat_answer(asked.body, asked.wishes)
    headers = {} if asked.provider else {"x-inference-provider": provider}
    if "endpoint" in asked.wishes:
        headers = {}  # vLLM and SGLang say nothing in headers
    if provider == "together":
        headers["retry-after"] = "2"  # as the real one does on good replies
    if asked.stream:
        events = answers.chat_events(asked.body, model, answered, provider, asked.wishes)
        return stream(asked, events, headers)
    said = answers.chat_reply(model, answered, provider)
    return await reply_json(asked, said, headers)


async def completion(asked: Asked) -> Response:
    prompt = answers.text_of(asked.body.get("prompt"))
    answered = answers.answer(
        prompt, prompt, answers.limit_of(asked.body, "max_tokens"), asked.wishes
    )
    return await reply_json(asked, answers.completion_reply(asked.model, answered))


async def embeddings(asked: Asked) -> Response:
    provider = asked.provider or models.choose_provider(asked.model, None)
    headers = {} if asked.provider else {"x-inference-provider": provider}
    return await reply_json(asked, answers.embeddings_reply(asked.body, asked.model), headers)


def task_of(asked: Asked) -> str:
    """The task named in the path or wished for, else the model's."""
    named = asked.request.path_params.get("task") or asked.wishes.get("task")
    return str(named or models.task_of(asked.model))


async def pipeline(asked: Asked) -> Response:
    """A pipeline task of hf-inference or of a dedicated endpoint."""
    task = task_of(asked)
    text = answers.text_of(asked.body.get("inputs"))
    if task == models.CHAT:
        return await generation(asked)
    headers = asked.compute_headers(len(text) if asked.body else -1)
    if task == "automatic-speech-recognition":
        headers["x-compute-audio-length"] = f"{len(asked.raw) / 16000:.2f}"
    said = pipelines.pipeline_reply(task, asked.body, asked.raw)
    if isinstance(said, bytes):
        return await reply(asked, said, media.type_of(said), headers)
    return await reply_json(asked, said, headers)


async def generation(asked: Asked) -> Response:
    """Text generation as TGI does it: token counts in headers, or in the last event."""
    answered = answers.generation_answer(asked.body, asked.wishes)
    headers = asked.compute_headers(len(answers.text_of(asked.body.get("inputs"))))
    if asked.stream:
        kept = {key: headers[key] for key in ("x-compute-type", "x-compute-characters")}
        return stream(asked, answers.generation_events(answered, asked.wishes), kept)
    headers["x-prompt-tokens"] = str(answered.input_tokens)
    headers["x-generated-tokens"] = str(answered.output_tokens)
    return await reply_json(asked, answers.generation_reply(asked.body, answered), headers)


class Flaky:
    """Remembers bodies it has refused once, so that a client's retry succeeds."""

    def __init__(self) -> None:
        self.seen: dict[int, None] = {}

    def refuses(self, raw: bytes) -> bool:
        key = hash(raw)
        if self.seen.pop(key, self) is None:
            return False
        self.seen[key] = None
        if len(self.seen) > FLAKY_REMEMBERED:
            self.seen.pop(next(iter(self.seen)))
        return True


def answering(
    handler: Callable[[Asked], Awaitable[Response]], flaky: Flaky
) -> Callable[[Request], Awaitable[Response]]:
    """A route that first looks whether something is to go wrong."""

    async def route(request: Request) -> Response:
        asked = Asked(request, await request.body())
        if "hang" in asked.wishes:
            return Never()
        if "flaky" in asked.wishes and flaky.refuses(asked.raw):
            asked.wishes = {"503": ""}
        failure = failure_of(asked.wishes)
        if failure is None:
            return await handler(asked)
        body, content_type = written(failure)
        return await reply(asked, body, content_type, failure.headers, failure.status)

    return route


async def list_models(request: Request) -> Response:
    return JSONResponse(models.listing(), headers=base_headers(request))


async def one_model(request: Request) -> Response:
    found = models.MODELS.get(request.path_params["model"])
    if found is None:
        return JSONResponse({"error": "Model not found"}, 404, headers=base_headers(request))
    return JSONResponse(models.listed(found), headers=base_headers(request))


async def hub_model(request: Request) -> Response:
    said = models.mapping(request.path_params["model"])
    expand = request.query_params.getlist("expand")
    if expand:
        said = {key: said[key] for key in ("_id", "id", *expand) if key in said}
    return JSONResponse(said, headers=base_headers(request))


async def info(request: Request) -> Response:
    said = {"model_id": "practice/endpoint", "version": "3.3.6", "note": answers.TITLE}
    return JSONResponse(said, headers=base_headers(request))


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE, headers=base_headers(request))


def practice_app() -> Starlette:
    """A new practice server as an ASGI app; it keeps no text and needs no settings."""
    flaky, queue = Flaky(), queues.Queue()
    posts = {
        **queue.posts(),
        "/v1/responses": dialects.responses,
        "/v1/messages": dialects.messages,
        "/v1/chat/completions": chat,
        "/v1/completions": completion,
        "/v1/embeddings": embeddings,
        "/hf-inference/models/{model:path}/v1/chat/completions": chat,
        "/hf-inference/models/{model:path}/pipeline/{task}": pipeline,
        "/hf-inference/models/{model:path}": pipeline,
        "/hf-inference/pipeline/{task}/{model:path}": pipeline,
        "/models/{model:path}/v1/chat/completions": chat,
        "/models/{model:path}": pipeline,
        "/pipeline/{task}/{model:path}": pipeline,
        "/{provider}/v1/chat/completions": chat,
        "/{provider}/{rest:path}/chat/completions": chat,  # novita, groq and fireworks go deeper
        "/{provider}/v1/completions": completion,
        "/{provider}/v1/embeddings": embeddings,
        "/generate": generation,
        "/generate_stream": generation,
        "/embed": endpoints.embed,
        "/rerank": endpoints.rerank,
        "/predict": endpoints.predict,
        "/similarity": endpoints.similarity,
        "/score": endpoints.score,
        "/pooling": endpoints.pooling,
        "/": pipeline,
    }
    routes = [
        Route(path, answering(handler, flaky), methods=["POST"]) for path, handler in posts.items()
    ]
    gets = {
        **queue.gets(),
        "/": page,
        "/info": info,
        "/v1/models": list_models,
        "/v1/models/{model:path}": one_model,
        "/api/models/{model:path}": hub_model,
    }
    routes += [Route(path, handler, methods=["GET"]) for path, handler in gets.items()]
    return Starlette(routes=routes)

"""A program of somebody else's: drives every client of its environment once per case, recorded.

    python clients_program.py http://127.0.0.1:PORT CASE…

It runs in an environment that has neither pytest nor the server's libraries, so clients are
imported in the cases that use them. Each case goes under its own name as the user label; what it
got, or the error it met, is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
#: A Hugging Face token, or the key of a gateway.
TOKEN = os.environ.get("PRACTICE_TOKEN", "hf_practice")
TIMEOUT = 20.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")

#: What the running case asks: three words, no other case's, as the same again would be a retry.
asked = ["one two three"]

#: A name → what to do at this base URL (`http://host:port`).
CASES: dict[str, Callable[[str], Any]] = {}


def case(do: Callable[..., Any], name: str, *given: Any, **named: Any) -> None:
    def run(url: str) -> Any:
        asked[0] = f"one two {name.replace(' ', '-')}"
        done = do(url, *given, **named)
        return asyncio.run(done) if asyncio.iscoroutine(done) else done

    CASES[name] = run


def messages() -> list[dict[str, str]]:
    return [{"role": "user", "content": asked[0]}]


async def all_of(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


# -- bare requests and aiohttp ---------------------------------------------------------------------


def by_requests(url: str, model: str = MODEL, stream: bool = False) -> Any:
    import requests

    body = {"model": model, "messages": messages(), "stream": stream}
    with requests.post(
        f"{url}/v1/chat/completions", json=body, stream=stream, timeout=TIMEOUT
    ) as reply:
        reply.raise_for_status()
        return len(list(reply.iter_lines())) if stream else reply.json()["usage"]


async def by_aiohttp(url: str, model: str = MODEL, stream: bool = False) -> Any:
    import aiohttp

    body = {"model": model, "messages": messages(), "stream": stream}
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.post(f"{url}/v1/chat/completions", json=body) as reply,
    ):
        return len(await all_of(reply.content)) if stream else (await reply.json())["usage"]


# -- huggingface_hub, any version ------------------------------------------------------------------


def toward(url: str) -> None:
    """hub's router on loopback."""
    from huggingface_hub import constants
    from huggingface_hub.inference._providers import PROVIDERS

    template = url + "/{provider}"
    constants.INFERENCE_PROXY_TEMPLATE = template
    for task in PROVIDERS["hf-inference"].values():
        task.base_url = template.format(provider="hf-inference")


def hub(url: str, model: str = MODEL, stream: bool = False, timeout: float = TIMEOUT) -> Any:
    from huggingface_hub import InferenceClient

    client = InferenceClient(base_url=f"{url}/v1", api_key=TOKEN, timeout=timeout)
    said = client.chat_completion(messages(), model=model, stream=stream)
    return len(list(said)) if stream else said.usage.completion_tokens


async def hub_async(url: str, model: str = MODEL, stream: bool = False) -> Any:
    from huggingface_hub import AsyncInferenceClient

    async with AsyncInferenceClient(base_url=f"{url}/v1", api_key=TOKEN) as client:
        said = await client.chat_completion(messages(), model=model, stream=stream)
        return len(await all_of(said)) if stream else said.usage.completion_tokens


def hub_route(url: str) -> Any:
    from huggingface_hub import InferenceClient

    toward(url)
    client = InferenceClient(provider="novita", api_key=TOKEN)
    return client.chat_completion(messages(), model=MODEL).usage.completion_tokens


def hub_summary(url: str) -> Any:
    from huggingface_hub import InferenceClient

    toward(url)
    client = InferenceClient(provider="hf-inference", api_key=TOKEN)
    return len(client.summarization(asked[0], model="facebook/bart-large-cnn").summary_text)


def hub_generation(url: str, stream: bool = False) -> Any:
    from huggingface_hub import InferenceClient

    client = InferenceClient(base_url=url, api_key=TOKEN)
    said = client.text_generation("once upon a", details=True, stream=stream)
    return len(list(said)) if stream else said.details.generated_tokens


# -- openai ----------------------------------------------------------------------------------------


def openai_client(kind: str, url: str, http: str | None, retries: int) -> Any:
    import openai

    asynchronous = kind.startswith("Async")
    library = __import__(http) if http else None
    own = getattr(library, "AsyncClient" if asynchronous else "Client")() if library else None
    return getattr(openai, kind)(
        base_url=f"{url}/v1", api_key=TOKEN, max_retries=retries, timeout=TIMEOUT, http_client=own
    )


def by_openai(
    url: str, model: str = MODEL, stream: bool = False, http: str | None = None, retries: int = 0
) -> Any:
    client = openai_client("OpenAI", url, http, retries)
    said = client.chat.completions.create(model=model, messages=messages(), stream=stream)
    return len(list(said)) if stream else said.usage.completion_tokens


def openai_embedding(url: str) -> Any:
    client = openai_client("OpenAI", url, None, 0)
    model = "intfloat/multilingual-e5-large"
    said = client.embeddings.create(model=model, input=asked[0], encoding_format="float")
    return len(said.data)


async def by_openai_async(
    url: str, model: str = MODEL, stream: bool = False, http: str | None = None, retries: int = 0
) -> Any:
    async with openai_client("AsyncOpenAI", url, http, retries) as client:
        said = await client.chat.completions.create(model=model, messages=messages(), stream=stream)
        return len(await all_of(said)) if stream else said.usage.completion_tokens


# -- litellm ---------------------------------------------------------------------------------------


def litellm_options(url: str, model: str, stream: bool, retries: int) -> dict[str, Any]:
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    return {
        "model": f"huggingface/{model}",
        "messages": messages(),
        "api_base": url,
        "api_key": TOKEN,
        "stream": stream,
        "num_retries": retries,
        "timeout": TIMEOUT,
    }


def by_litellm(url: str, model: str = MODEL, stream: bool = False, retries: int = 0) -> Any:
    import litellm

    said = litellm.completion(**litellm_options(url, model, stream, retries))
    return len(list(said)) if stream else said.usage.completion_tokens


async def by_litellm_async(
    url: str, model: str = MODEL, stream: bool = False, retries: int = 0
) -> Any:
    import litellm

    said = await litellm.acompletion(**litellm_options(url, model, stream, retries))
    return len(await all_of(said)) if stream else said.usage.completion_tokens


# -- langchain and smolagents, on hub's client -----------------------------------------------------


def wishing(wish: str | None) -> dict[str, Any]:
    """The header by which the practice server is asked to fail."""
    return {"headers": {"x-practice": wish}} if wish else {}


def langchain_chat(url: str, wish: str | None) -> Any:
    from langchain_huggingface import ChatHuggingFace, HuggingFaceEndpoint

    toward(url)
    endpoint = HuggingFaceEndpoint(
        repo_id=MODEL,
        provider="novita",
        task="conversational",
        huggingfacehub_api_token=TOKEN,
        server_kwargs=wishing(wish),
    )
    return ChatHuggingFace(llm=endpoint, model_id=MODEL)


def by_langchain(url: str, stream: bool = False, wish: str | None = None) -> Any:
    chat = langchain_chat(url, wish)
    if stream:
        return len(list(chat.stream(asked[0])))
    return chat.invoke(asked[0]).usage_metadata["output_tokens"]


async def by_langchain_async(url: str, stream: bool = False) -> Any:
    chat = langchain_chat(url, None)
    if stream:
        return len(await all_of(chat.astream(asked[0])))
    return (await chat.ainvoke(asked[0])).usage_metadata["output_tokens"]


def by_smolagents(
    url: str, stream: bool = False, kind: str = "hub", wish: str | None = None
) -> Any:
    import smolagents

    if kind == "hub":
        toward(url)
        model: Any = smolagents.InferenceClientModel(
            MODEL, provider="novita", token=TOKEN, client_kwargs=wishing(wish)
        )
    else:
        model = smolagents.OpenAIModel(MODEL, api_base=f"{url}/v1", api_key=TOKEN)
    said = [smolagents.ChatMessage(role="user", content=asked[0])]
    if stream:
        return len(list(model.generate_stream(said)))
    return model.generate(said).token_usage.output_tokens


# -- the cases -------------------------------------------------------------------------------------


def four(
    client: str, plain: Callable[..., Any], asynchronous: Callable[..., Any], **also: Any
) -> None:
    """Sync and async, whole and streamed."""
    for mode, do in (("sync", plain), ("async", asynchronous)):
        case(do, f"{client} {mode}", **also)
        case(do, f"{client} {mode} stream", stream=True, **also)


four("bare", by_requests, by_aiohttp)
four("hub", hub, hub_async)
four("openai", by_openai, by_openai_async)
four("openai on httpx2", by_openai, by_openai_async, http="httpx2")
four("litellm", by_litellm, by_litellm_async)
four("langchain", by_langchain, by_langchain_async)
case(by_smolagents, "smolagents sync")
case(by_smolagents, "smolagents sync stream", stream=True)
case(by_smolagents, "smolagents on openai sync", kind="openai")

for name, sync_one, async_one in (
    ("bare", by_requests, by_aiohttp),
    ("hub", hub, hub_async),
    ("openai", by_openai, by_openai_async),
    ("litellm", by_litellm, by_litellm_async),
):
    case(sync_one, f"{name} sync failing", model="practice/402")
    case(async_one, f"{name} async failing", model="practice/402")
    case(sync_one, f"{name} sync stream failing", model="practice/error-in-stream", stream=True)
    case(async_one, f"{name} async stream failing", model="practice/error-in-stream", stream=True)
case(by_langchain, "langchain sync failing", wish="402")
case(by_smolagents, "smolagents sync failing", wish="402")

case(hub, "hub timeout", model="practice/hang", timeout=0.3)
case(hub_route, "hub provider route")
case(hub_summary, "hub summary")
case(hub_generation, "hub generation")
case(hub_generation, "hub generation stream", stream=True)
case(openai_embedding, "openai embedding")
case(by_openai, "openai retried", model="practice/flaky", retries=2)
case(by_openai_async, "openai async retried", model="practice/flaky,words=2", retries=2)
case(by_litellm, "litellm retried", model="practice/flaky,words=3", retries=2)
case(by_litellm_async, "litellm async retried", model="practice/flaky,words=4", retries=2)


def stay_here() -> None:
    """No name but this machine's is looked up: litellm asks the hub by its own name before each
    call, and where nothing answers a look-up it waits for seconds, each time."""
    look_up = socket.getaddrinfo

    def local(host: Any, *given: Any, **named: Any) -> Any:
        if host not in LOOPBACK:
            raise socket.gaierror(socket.EAI_NONAME, "tests stay on this machine")
        return look_up(host, *given, **named)

    socket.getaddrinfo = local


def main(url: str, names: list[str]) -> None:
    import hf_ledger

    stay_here()
    hf_ledger.record(app="clients", hosts=[f"{url}=router"])
    loaded = {"httpx", "httpx2", "requests", "aiohttp", "openai", "litellm"} & sys.modules.keys()
    done: dict[str, Any] = {"": {"loaded by record()": sorted(loaded)}}
    for name in names:
        with hf_ledger.attribute(user=name):
            try:
                done[name] = {"said": CASES[name](url)}
            except Exception as error:  # noqa: BLE001 - the client's errors are what is asked for
                done[name] = {"error": type(error).__name__, "text": str(error)[:300]}
    json.dump(done, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # as a container that is stopped: nothing may hang on an orderly end


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

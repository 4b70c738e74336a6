// What the official Node client does with /v1, unchanged. Called by tests/openai_clients.py:
//   node conformance.mjs <base URL> <model> <other model>
// Writes one line per check, and ends with status 1 at the first that fails.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [baseURL, model, other] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Why do rivers bend?" }];
const tools = [
  {
    type: "function",
    function: {
      name: "depth_of",
      description: "How deep a sea is",
      parameters: { type: "object", properties: { sea: { type: "string" } } },
    },
  },
];

async function refused(kind, call) {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
    return error;
  }
  assert.fail("it was not refused");
}

const checks = {
  "models are listed and found": async () => {
    const ids = [];
    for await (const one of client.models.list()) ids.push(one.id);
    assert.ok(ids.includes(model) && ids.includes("arena") && ids.includes("auto"), ids.join());
    assert.equal((await client.models.retrieve(model)).id, model);
    const error = await refused(OpenAI.NotFoundError, () => client.models.retrieve("nosuch:1b"));
    assert.equal(error.code, "model_not_found");
  },
  "a stream and a whole answer have the same words": async () => {
    const stream = await client.chat.completions.create({
      model,
      messages,
      seed: 5,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage = null;
    const reasons = [];
    for await (const chunk of stream) {
      for (const choice of chunk.choices) {
        text += choice.delta.content ?? "";
        if (choice.finish_reason) reasons.push(choice.finish_reason);
      }
      usage = chunk.usage ?? usage;
    }
    const whole = await client.chat.completions.create({ model, messages, seed: 5 });
    assert.equal(whole.choices[0].message.content, text);
    assert.deepEqual(reasons, ["stop"]);
    assert.ok(usage.prompt_tokens > 0 && usage.completion_tokens > 0);
    assert.deepEqual(usage, whole.usage);
  },
  "the stream helper gathers the answer": async () => {
    const run = client.chat.completions.stream({ model, messages, seed: 5 });
    const final = await run.finalChatCompletion();
    assert.equal(final.choices[0].finish_reason, "stop");
    assert.ok(final.choices[0].message.content);
  },
  "a tool is called, streaming and not": async () => {
    const whole = (await client.chat.completions.create({ model, messages, tools })).choices[0];
    assert.equal(whole.finish_reason, "tool_calls");
    assert.equal(whole.message.tool_calls[0].function.name, "depth_of");
    const run = client.chat.completions.stream({ model, messages, tools });
    const final = (await run.finalChatCompletion()).choices[0];
    assert.equal(final.message.tool_calls[0].function.arguments, whole.message.tool_calls[0].function.arguments);
    const result = { role: "tool", tool_call_id: whole.message.tool_calls[0].id, content: "95" };
    const after = await client.chat.completions.create({ model, messages: [...messages, whole.message, result], tools });
    assert.ok(after.choices[0].message.content);
  },
  "errors have their classes": async () => {
    await refused(OpenAI.BadRequestError, () => client.chat.completions.create({ model, messages, n: 2 }));
    await refused(OpenAI.BadRequestError, () => client.chat.completions.create({ model: other, messages, tools }));
    await refused(OpenAI.NotFoundError, () => client.embeddings.create({ model, input: "x" }));
    await refused(OpenAI.NotFoundError, () => client.responses.create({ model, input: "x" }));
    const error = await refused(OpenAI.BadRequestError, () => client.chat.completions.create({ model, messages: [] }));
    assert.ok(error.requestID);
  },
  "a raw response has its headers": async () => {
    const { response, request_id } = await client.chat.completions.create({ model, messages }).withResponse();
    assert.equal(response.headers.get("x-request-id"), request_id);
  },
  "a stream can be left": async () => {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) break;
    }
    assert.ok(stream.controller.signal.aborted);
  },
  "the arena answers, and takes a verdict": async () => {
    const first = await client.chat.completions.create({ model: "arena", messages });
    const both = first.choices[0].message.content;
    assert.match(both, /\*\*Model A\*\*/);
    assert.match(both, /\*\*Model B\*\*/);
    assert.equal(first.usage, undefined);
    const chat = [...messages, { role: "assistant", content: both }, { role: "user", content: "tie" }];
    const told = await client.chat.completions.create({ model: "arena", messages: chat });
    assert.match(told.choices[0].message.content, /a tie/);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`node: ${name}`);
  } catch (error) {
    console.error(`node: FAILED: ${name}\n${error.stack}`);
    process.exit(1);
  }
}

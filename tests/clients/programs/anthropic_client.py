# An agent with Anthropic's SDK, as its README has it.
import os

import anthropic

client = anthropic.Anthropic()
question = dict(model="claude-opus-4-1", max_tokens=64, messages=[{"role": "user", "content": "count"}])
print("variable", os.environ["ANTHROPIC_API_KEY"])
message = client.messages.create(**question)
print("anthropic answered", message.content[0].text, message.usage.output_tokens, flush=True)
with client.messages.stream(**question) as stream:
    for text in stream.text_stream:
        print("anthropic saw", text, flush=True)
    final = stream.get_final_message()
print("anthropic ended", final.content[0].text, final.stop_reason, flush=True)

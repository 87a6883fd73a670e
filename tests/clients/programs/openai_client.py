# An agent with OpenAI's SDK, as its README has it.
import os

import openai

client = openai.OpenAI()
question = dict(model="gpt-4.1", messages=[{"role": "user", "content": "count"}])
print("variable", os.environ["OPENAI_API_KEY"])
answer = client.chat.completions.create(**question)
print("openai answered", answer.choices[0].message.content, answer.usage.completion_tokens, flush=True)
words = []
for chunk in client.chat.completions.create(stream=True, **question):
    if chunk.choices and chunk.choices[0].delta.content:
        words.append(chunk.choices[0].delta.content)
        print("openai saw", words[-1], flush=True)
print("openai ended", "".join(words), chunk.choices[0].finish_reason, flush=True)
